//! The beginning of an opening: the few writes that follow once recovery has decided.
//!
//! Owns: their order. [`prepare`] does the first, [`begin`] the rest, which waits for the disk. A crash can fall between any two of them:
//! 1. The new segment is written under a temporary name: a `.tmp` counts for nothing.
//! 2. What the root says is synced, since the process that wrote it may have died over it, and the segment is of its format. Then
//!    the segment is synced, renamed, the directory synced: unlisted until the root names it, so still nothing. Its number and
//!    opening are seen by the next recovery and not used again.
//! 3. The root is written, one copy after the other: from the first copy on, the new segment is the end of the log.
//!    It holds copies of everything above the old log's last mark, so the old tail is closed for good.
//! 4. Leftovers are removed.

use std::sync::Arc;

use super::{Survey, snapshot};
use crate::error::{Error, Result};
use crate::log::appender::{Beginning, LSN_BITS, lsn_before};
use crate::log::files::{FREE_BEHIND_COPIES, Files, SEGMENT_BYTES_MIN, Use};
use crate::log::header::SegmentHeader;
use crate::log::hint::Hints;
use crate::log::latch::Latch;
use crate::log::record::{Record, What};
use crate::log::rolling::random_salt;
use crate::log::root::Root;
use crate::log::roster::{Listed, Origin, Roster};
use crate::log::segment::{Segment, number_of};
use crate::sealing::DataKey;
use crate::session::Deadline;
use crate::vfs::{self, VfsFile};

/// The last opening whose LSNs fit.
const OPENING_MAX: u64 = u64::MAX >> LSN_BITS;

/// What a new opening is given besides what recovery found.
pub(crate) struct Setup {
    pub root: Root,
    pub latch: Latch,
    pub segment_bytes: u64,
    pub disk_bytes_max: u64,
}

/// The first segment of a new opening, written and not yet named.
pub(crate) struct Prepared {
    setup: Setup,
    files: Files,
    header: SegmentHeader,
    segment: Arc<Segment>,
}

/// Writes the first segment of a new opening, which begins at this time, and adds what it says to the survey.
pub(crate) fn prepare(survey: &mut Survey, setup: Setup, clock_ms: u64) -> Result<Prepared> {
    let store = setup.root.header();
    let counted = !planted!(LsnsGivenOutTwice) || survey.opening_max == 0;
    let opening = survey.opening_max.saturating_add(u64::from(counted));
    if opening > OPENING_MAX {
        return Err(Error::invalid(
            "the store has used up the numbers of its openings; export it and import it anew",
        ));
    }
    let roster = Roster::new(survey.segments.iter().map(|segment| segment.listed()).collect());
    let in_use = survey.segments.iter().map(|segment| segment.capacity).sum();
    let directory = &survey.directory;
    let unused = !planted!(SegmentNumberReused) || survey.number_max == 0;
    let files = Files::new(
        Arc::clone(&directory.vfs),
        directory.path.clone(),
        directory.read_mode,
        (setup.segment_bytes, setup.disk_bytes_max),
        (in_use, survey.number_max.saturating_add(u32::from(unused))),
    )
    .sealed_with(directory.sealing.clone());
    let (number, salt) = (files.next_number()?, random_salt()?);
    let (envelope, key) = files.sealing.begin(store.store_id, salt)?;
    let mut header = SegmentHeader {
        format: store.format,
        number,
        origin: Origin::Log,
        store_id: store.store_id,
        salt,
        opening,
        clock_ms,
        lsn_first: lsn_before(opening) + 1,
        copied_to: 0,
        capacity: 0,
        envelope,
        roster,
    };
    let mut copy = Copy::of(survey, &header, key.as_deref())?;
    remove_tmp(survey, header.number)?;
    let (file, capacity) = create_file(survey, &files, header.number, copy.bytes.len() as u64)?;
    (header.copied_to, header.capacity) = (copy.listed.end, capacity);
    copy.put_header(&header);
    vfs::write_all_at(file.as_ref(), &copy.bytes, 0)
        .map_err(|error| Error::io(format!("writing segment {}", header.number), error))?;
    let segment = Segment::new(copy.listed, copy.start, file, files.read_mode, key)?;
    survey.takes(Arc::clone(&segment), copy.hints)?;
    Ok(Prepared { setup, files, header, segment })
}

/// Names the first segment of a new opening, and makes it the root. Gives how many files were left over and are removed.
pub(crate) fn begin(survey: &Survey, prepared: Prepared) -> Result<(Beginning, u64)> {
    let Prepared { setup: Setup { root, latch, .. }, files, header, segment } = prepared;
    let opening = header.opening;
    if planted!(RootNamedFirst) {
        root.set(opening, header.number, lsn_before(opening))?;
    }
    root.settle()?;
    files.name(header.number, segment.file.as_ref())?;
    root.set(opening, header.number, lsn_before(opening))?;
    // It told of the last opening: what ends from now on must not be found in it.
    let _ = survey.directory.vfs.remove(&survey.directory.path.join(snapshot::FILE_NAME));
    let removed = remove_leftovers(survey);
    let mut roster = header.roster;
    roster.leave(&[header.number]);
    Ok((Beginning { files, root, latch, roster, segment, clock_ms: header.clock_ms }, removed))
}

/// Creates the new segment's file. On a full disk the store must still open, so that it can be read and sessions
/// ended: what counts for nothing gives its room, and the segment is as small as it can be.
fn create_file(survey: &Survey, files: &Files, number: u32, copied: u64) -> Result<(Arc<dyn VfsFile>, u64)> {
    let at_least = copied + FREE_BEHIND_COPIES;
    let written = survey.segments.iter().map(|segment| segment.end()).sum();
    let wanted = files.capacity_beside(written, at_least);
    match files.create_unnamed(number, wanted, Use::Opening) {
        Err(Error::Full(_)) => {
            give_room(survey);
            let least = at_least.max(SEGMENT_BYTES_MIN);
            Ok((files.create_unnamed(number, least, Use::Opening)?, least))
        }
        file => Ok((file?, wanted)),
    }
}

/// The header and the records that the new segment begins with.
struct Copy {
    bytes: Vec<u8>,
    start: u64,
    listed: Listed,
    hints: Hints,
}

impl Copy {
    fn of(survey: &Survey, header: &SegmentHeader, key: Option<&DataKey>) -> Result<Self> {
        let start = header.length();
        let mut bytes = vec![0; start];
        let mut hints = Hints::default();
        let mut listed = Listed {
            number: header.number,
            origin: Origin::Log,
            salt: header.salt,
            end: 0,
            lsn_min: u64::MAX,
            lsn_max: 0,
            ceiling: Deadline::at_ms(0),
        };
        if let Some(lsn) = planted!(SalvageForgetsItsVerdict, None, survey.sweeping.damaged_below()) {
            // What damage may have ended has ended for good: the openings to come know nothing of the damage. It is
            // not noted in the hints, so that this opening tells what ended because of it.
            let lsn = lsn.saturating_add(1).min(lsn_before(header.opening));
            let ceiling = Deadline::NEVER;
            let (record, at) = (Record { lsn, what: What::Clear { ceiling } }, bytes.len());
            record.encode(&mut bytes, header.salt, at as u64);
            (listed.lsn_min, listed.lsn_max, listed.ceiling) = (lsn, lsn, ceiling);
        }
        // What that clear has ended needs no ending of its own, and frames stand in the order of their LSNs.
        let cleared = listed.lsn_max;
        let mut add = |record: &Record<'_>| {
            let at = bytes.len();
            record.encode_with(&mut bytes, header.salt, at as u64, key);
            hints.note(record, at as u64, bytes.len() - at);
            listed.lsn_min = listed.lsn_min.min(record.lsn);
            listed.lsn_max = listed.lsn_max.max(record.lsn);
            listed.ceiling = listed.ceiling.max(record.ceiling());
        };
        survey.orphans.iter().filter(|ending| ending.lsn > cleared).for_each(|ending| add(&ending.record()));
        let mut buffer = Vec::new();
        for (segment, offset) in &survey.written {
            let frame = segment.frame(*offset, &mut buffer)?;
            if let Some(record) = Record::decode(&frame) {
                add(&segment.readable(*offset, record, &mut None)?);
            }
        }
        listed.end = bytes.len() as u64;
        Ok(Self { bytes, start: start as u64, listed, hints })
    }

    fn put_header(&mut self, header: &SegmentHeader) {
        let head = header.encode();
        if let Some(place) = self.bytes.get_mut(..head.len()) {
            place.copy_from_slice(&head);
        }
    }
}

/// A `.tmp` of that number may be left from a crash at this very place.
fn remove_tmp(survey: &Survey, number: u32) -> Result<()> {
    let path = survey.directory.path.join(format!("{number:08}.tmp"));
    match survey.directory.vfs.remove(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Removes temporary files, the reserve of the last opening among them, and the snapshot, which has been read.
fn give_room(survey: &Survey) {
    let directory = &survey.directory;
    let temporary = survey.leftovers.iter().filter(|name| name.ends_with(".tmp")).map(String::as_str);
    for name in temporary.chain([snapshot::FILE_NAME]) {
        let _ = directory.vfs.remove(&directory.path.join(name));
    }
}

/// Removes what counts for nothing. What cannot be removed now is tried again at the next opening.
fn remove_leftovers(survey: &Survey) -> u64 {
    let directory = &survey.directory;
    let quarantine = !survey.report.damage.is_empty();
    let gone = |name: &&String| {
        let path = directory.path.join(name);
        if quarantine && number_of(name).is_some() {
            // With damage, what looks left over may be all that is left of a session: it is put aside.
            return directory.vfs.rename(&path, &directory.path.join(format!("{name}.damaged"))).is_ok();
        }
        directory.vfs.remove(&path).is_ok()
    };
    survey.leftovers.iter().filter(gone).count() as u64
}
