//! The target: the directory that a copy of a store is written to.
//!
//! Owns: claiming it, and each step from a segment there to a header that lists them all. What a crash between two steps leaves stands in
//! [`backup`](super).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::mark::{Mark, remove};
use crate::error::{Error, Full, Result};
use crate::log::header::{SegmentHeader, StoreHeader};
use crate::log::rolling::random_salt;
use crate::log::root::{self, Root};
use crate::log::roster::{Listed, Origin, Roster};
use crate::log::segment::{file_name, number_of};
use crate::options::Recovery;
use crate::recovery::chain::Purpose;
use crate::recovery::merge::Scratch;
use crate::recovery::open::Directory;
use crate::recovery::scan::scan;
use crate::recovery::{Survey, survey};
use crate::stats::BackupReport;
use crate::vfs::{self, VfsFile};

const COPY_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// The numbers that the root of a backup has, in turns, so that a new one leaves the one before alone. No store comes that far: its own
/// numbers begin at one.
const ROOTS: [u32; 2] = [u32::MAX - 1, u32::MAX];

/// What the log ends with, in a copy that holds it up to there.
pub(crate) struct Moment {
    pub lsn: u64,
    pub clock_ms: u64,
}

/// A directory that a copy of a store is written to.
pub(crate) struct Target {
    directory: Directory,
    /// Number and salt of what the complete backup lists that stands there, and its root.
    before: Option<(u32, BTreeMap<u32, u64>)>,
    roster: Roster,
    links: bool,
    report: BackupReport,
}

impl Target {
    /// A directory for a backup: new, empty, or with an earlier backup of the same store.
    pub fn backup(directory: Directory) -> Result<Self> {
        let names = names_in(&directory)?;
        let (vfs, path) = (directory.vfs.as_ref(), &directory.path);
        match Mark::among(&names) {
            Some(Mark::Backup) if Mark::Backup.is_of(vfs, path, directory.store_id)? => {}
            Some(Mark::Backup) => {
                return refused(path, "is the backup of another store; back up to a directory of its own");
            }
            Some(Mark::Restore) => {
                return refused(
                    path,
                    "is where a restore was begun; finish that, and back up to another directory",
                );
            }
            None if holds_nothing_but(&names, Mark::Backup) => {
                Mark::Backup.set(vfs, path, directory.store_id)?
            }
            None if holds_a_store(&names) => {
                return refused(
                    path,
                    "is not empty: it holds a store and no backup; back up to a directory of its own",
                );
            }
            None => return refused(path, "is not empty and holds no backup; back up to a new directory"),
        }
        let before = before(&directory)?;
        let (roster, report) = (Roster::default(), BackupReport::default());
        Ok(Self { directory, before, roster, links: true, report })
    }

    /// A directory for a store that is restored: new or empty, or with a restore that was not finished, which begins anew.
    pub fn restore(directory: Directory) -> Result<Self> {
        let names = names_in(&directory)?;
        let (vfs, path) = (directory.vfs.as_ref(), &directory.path);
        match Mark::among(&names) {
            Some(Mark::Restore) => wipe(&directory, &names)?,
            Some(Mark::Backup) => {
                return refused(path, "is a backup itself; restore to a directory of its own");
            }
            None if holds_nothing_but(&names, Mark::Restore) => {}
            None if holds_a_store(&names) => {
                return refused(
                    path,
                    "is not empty: it holds a store; stop its server, move the directory aside (mv), and restore again",
                );
            }
            None => return refused(path, "is not empty; restore to a new directory"),
        }
        Mark::Restore.set(vfs, path, directory.store_id)?;
        let (roster, report) = (Roster::default(), BackupReport::default());
        Ok(Self { directory, before: None, roster, links: false, report })
    }

    /// Has a segment stand there, sound in every frame: as it is already, linked, or copied.
    pub fn put(&mut self, from: &Path, listed: &Listed, file: &dyn VfsFile) -> Result<()> {
        self.report.segments += 1;
        self.roster.enter(*listed);
        match self.prove(listed) {
            Ok(()) => {
                self.report.segments_kept += 1;
                return Ok(());
            }
            Err(Error::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
        let salt = self.before.as_ref().and_then(|(_, salts)| salts.get(&listed.number));
        if salt.is_some_and(|salt| *salt != listed.salt) {
            return refused(
                &self.directory.path,
                "holds a backup of another life of this store, from before a restore; back up to a new directory",
            );
        }
        let (name, path) = (file_name(listed.number), &self.directory.path);
        let tmp = path.join(format!("{:08}.tmp", listed.number));
        let failed = |error| copying(&name, path, error);
        let vfs = self.directory.vfs.as_ref();
        remove(vfs, &tmp).map_err(failed)?;
        if self.links && vfs.hard_link(&from.join(&name), &tmp).is_ok() {
            self.report.segments_linked += 1;
        } else {
            self.report.bytes_copied +=
                copy(file, vfs.create(&tmp).map_err(failed)?.as_ref()).map_err(failed)?;
            self.report.segments_copied += 1;
        }
        vfs.rename(&tmp, &path.join(&name)).map_err(failed)?;
        self.prove(listed)
    }

    /// Reads every frame of a segment where it stands.
    fn prove(&mut self, listed: &Listed) -> Result<()> {
        let open = self.directory.open_listed(listed)?;
        let start = open.start();
        let bytes = open.read(start, listed.end)?;
        let mut frames = 0;
        let holes = scan(&bytes, start, listed.salt, false, |_, _| frames += 1);
        let hole = holes.first().map(|hole| (hole.offset, hole.end));
        let read_to = start + bytes.len() as u64;
        let hole = hole.or((read_to < listed.end).then_some((read_to, listed.end)));
        if let Some((offset, end)) = hole {
            return Err(Error::corrupt(
                open.name(),
                offset,
                format!("{} bytes hold no valid record", end - offset),
            ));
        }
        self.report.bytes_verified += bytes.len() as u64;
        self.report.frames_verified += frames;
        Ok(())
    }

    /// Makes what stands there a backup of this moment, and removes what it does not list.
    pub fn finish_backup(self, store: StoreHeader, moment: &Moment) -> Result<BackupReport> {
        let taken = self.before.as_ref().map(|(root, _)| *root);
        let number = ROOTS.into_iter().find(|number| Some(*number) != taken).unwrap_or(u32::MAX);
        self.finish(store, number, moment)
    }

    /// Makes what stands there a store that goes on with this header, but for the mark.
    pub fn finish_store(self, store: StoreHeader, moment: &Moment) -> Result<BackupReport> {
        let number = self.roster.iter().map(|listed| listed.number).max().unwrap_or(0);
        self.finish(store, number.saturating_add(1), moment)
    }

    fn finish(mut self, store: StoreHeader, number: u32, moment: &Moment) -> Result<BackupReport> {
        self.put_root(&store, number, moment)?;
        let Self { directory, roster, report, .. } = &mut self;
        let header = StoreHeader { root: number, durable_lsn: moment.lsn, ..store };
        let root = Root::draft(directory.vfs.as_ref(), &directory.path, header)?;
        report.sessions = sessions(&survey(directory.clone(), &root, Purpose::Examine, Recovery::Strict)?)?;
        root.publish(directory.vfs.as_ref(), &directory.path)?;
        report.segments_removed = sweep(directory, roster, number);
        Ok(self.report)
    }

    /// The segment that the log goes on in behind this moment.
    fn put_root(&self, store: &StoreHeader, number: u32, moment: &Moment) -> Result<()> {
        let (format, salt) = (store.format, random_salt()?);
        // It holds no record, so its key is never used; but in an encrypted store every segment has one.
        let (envelope, _) = self.directory.sealing.begin(store.store_id, salt)?;
        let start = SegmentHeader::bytes(format, &envelope, self.roster.len());
        let header = SegmentHeader {
            format,
            number,
            origin: Origin::Log,
            store_id: store.store_id,
            salt,
            opening: store.opening,
            clock_ms: moment.clock_ms,
            lsn_first: moment.lsn.saturating_add(1),
            copied_to: 0,
            capacity: start.next_multiple_of(PAGE_BYTES) as u64,
            envelope,
            roster: self.roster.clone(),
        };
        let mut bytes = header.encode();
        bytes.resize(usize::try_from(header.capacity).unwrap_or(bytes.len()), 0);
        let (vfs, path) = (self.directory.vfs.as_ref(), &self.directory.path);
        let tmp = path.join(format!("{number:08}.tmp"));
        let written = remove(vfs, &tmp).and_then(|()| {
            let file = vfs.create(&tmp)?;
            vfs::write_all_at(file.as_ref(), &bytes, 0)?;
            file.sync()?;
            vfs.rename(&tmp, &path.join(file_name(number)))?;
            // Before the header names it, and with it all the others.
            vfs.sync_dir(path)
        });
        written.map_err(|error| copying(&file_name(number), path, error))
    }
}

/// How many sessions an opening of it finds.
pub(crate) fn sessions(survey: &Survey) -> Result<u64> {
    let (mut sessions, mut scratch) = (0, Scratch::default());
    for band in survey.bands() {
        survey.judge(&band, &mut scratch, |_| sessions += 1)?;
    }
    Ok(sessions)
}

fn names_in(directory: &Directory) -> Result<Vec<String>> {
    let failed = |error| Error::io(format!("looking at {}", directory.path.display()), error);
    directory.vfs.create_dir(&directory.path).map_err(failed)?;
    directory.vfs.list(&directory.path).map_err(failed)
}

/// What the complete backup lists that stands there, if one does. One that is damaged is none to be spared.
fn before(directory: &Directory) -> Result<Option<(u32, BTreeMap<u32, u64>)>> {
    let read = Root::read(directory.vfs.as_ref(), &directory.path, false).and_then(|root| {
        let Some(root) = root else { return Ok(None) };
        let number = root.header().root;
        let roster = directory.open_root(number)?.header.roster;
        Ok(Some((number, roster.iter().map(|listed| (listed.number, listed.salt)).collect())))
    });
    match read {
        Err(Error::Corrupt(_)) => Ok(None),
        read => read,
    }
}

/// Removes what a restore left that was not finished, its header first.
fn wipe(directory: &Directory, names: &[String]) -> Result<()> {
    let (vfs, path) = (directory.vfs.as_ref(), &directory.path);
    let failed = |error| Error::io(format!("emptying {}", path.display()), error);
    remove(vfs, &path.join(root::FILE_NAME)).and_then(|()| vfs.sync_dir(path)).map_err(failed)?;
    for name in names.iter().filter(|name| *name != Mark::Restore.file_name()) {
        remove(vfs, &path.join(name)).map_err(failed)?;
    }
    Ok(())
}

/// Removes what is not listed. What cannot be removed now is removed by the next run.
fn sweep(directory: &Directory, roster: &Roster, root: u32) -> u64 {
    let (vfs, path) = (directory.vfs.as_ref(), &directory.path);
    let mut removed = 0;
    for name in vfs.list(path).unwrap_or_default() {
        let segment = number_of(&name).filter(|number| *number != root && !roster.lists(*number));
        if segment.is_some() || name.ends_with(".tmp") {
            let gone = vfs.remove(&path.join(&name)).is_ok();
            removed += u64::from(gone && segment.is_some_and(|number| !ROOTS.contains(&number)));
        }
    }
    removed
}

fn holds_a_store(names: &[String]) -> bool {
    names
        .iter()
        .any(|name| name == root::FILE_NAME || name == crate::lock::FILE_NAME || number_of(name).is_some())
}

/// A mark that did not get its name is of no account.
fn holds_nothing_but(names: &[String], mark: Mark) -> bool {
    names.iter().all(|name| name.strip_suffix(".tmp") == Some(mark.file_name()))
}

fn refused<T>(path: &Path, why: &str) -> Result<T> {
    Err(Error::invalid(format!("{} {why}", path.display())))
}

fn copying(name: &str, to: &Path, error: io::Error) -> Error {
    match vfs::is_full(&error) {
        true => Error::Full(Full::FileSystem),
        false => Error::io(format!("copying {name} to {}", to.display()), error),
    }
}

/// Copies a file, durably, as long as it is, and no more of its bytes than were written; says how many.
fn copy(from: &dyn VfsFile, to: &dyn VfsFile) -> io::Result<u64> {
    let length = from.len()?;
    let end = from.written_end()?.min(length);
    let (mut offset, mut buffer) = (0, vec![0; COPY_BYTES]);
    while offset < end {
        let wanted = COPY_BYTES.min(usize::try_from(end - offset).unwrap_or(COPY_BYTES));
        let read = vfs::read_up_to(from, buffer.get_mut(..wanted).unwrap_or_default(), offset)?;
        if read == 0 {
            break;
        }
        vfs::write_all_at(to, buffer.get(..read).unwrap_or_default(), offset)?;
        offset += read as u64;
    }
    if offset < length {
        // A segment that is shorter than it was made counts as cut.
        vfs::write_all_at(to, &[0], length - 1)?;
    }
    to.sync()?;
    Ok(offset)
}
