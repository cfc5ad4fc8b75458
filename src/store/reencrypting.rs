//! Reencrypting: until no segment needs an older key, or none at all.
//!
//! Owns: the end of a rotation of keys, and the encryption of a plain store, which is the same with one step before it and one
//! behind. They are two calls: one that did whichever is needed would seal, in the name of a rotation, what somebody has put in the
//! place of an encrypted store. It is compaction with another choice of inputs, so it goes on while the store is used. A crash can fall between any
//! two of its steps:
//! 0. Whether it can be ended is looked at ([`can_be_ended`]), since from here on only who goes on can open the store for writing:
//!    each frame that is to be rewritten is read, and the file system asked for its room.
//! 1. The store's header says that the store is being encrypted, and has its secret sealed. From here on new segments are
//!    encrypted, and nobody opens the store but who goes on. Both of its copies are written before anything else.
//! 2. Segments are rewritten, some at a time, each batch as compaction does it: what a crash leaves is plain or encrypted, and
//!    whole.
//!    Then the directory is synced, so that what was removed stays so.
//! 3. The header says that the store is encrypted. From here on a plain segment is not the store's.

use std::path::Path;
use std::sync::Arc;

use super::core::Core;
use super::planning::{GROWTH_BYTES, SEAL_BYTES};
use super::{Store, keys, opening};
use crate::error::{Error, Full, Result};
use crate::log::appender::Appender;
use crate::log::files::SEGMENT_BYTES_MIN;
use crate::log::roster::Origin;
use crate::log::segment::Segment;
use crate::options::Options;
use crate::recovery::Survey;
use crate::recovery::scan::scan_segment;
use crate::sealing::wrapped::Stage;
use crate::stats::Reencrypted;

impl Core {
    /// Rewrites whatever is not encrypted with the newest key, and tells `progress` of each step.
    pub fn reencrypt(&self, mut progress: impl FnMut(&Reencrypted)) -> Result<Reencrypted> {
        let appender = self.appender()?;
        let mut told = Reencrypted::default();
        loop {
            let mut memory = self.upkeep.compactor.running.lock();
            self.check_open()?;
            if !appender.files.sealing.is_newest(appender.tail_segment().key()) {
                appender.roll()?;
            }
            let old = self.older(appender);
            told.segments = told.done + old.len() as u64;
            if let Some(stuck) = old.iter().find(|segment| memory.damaged.contains(&segment.number)) {
                // Perhaps it only cannot be read, which is another thing.
                scan_segment(stuck, false, |_, _| {})?;
                let what = "it is damaged, so it cannot be encrypted anew";
                return Err(Error::corrupt(stuck.name(), stuck.start, what));
            }
            let inputs = batch(&old, appender.files.segment_bytes());
            let (count, bytes) =
                (inputs.len() as u64, inputs.iter().map(|input| input.frame_bytes()).sum::<u64>());
            if inputs.is_empty() {
                return Ok(told);
            }
            self.settle_full_segments(appender)?;
            if self.rewrite(inputs, &mut memory)?.removed > 0 {
                (told.done, told.bytes) = (told.done + count, told.bytes + bytes);
            }
            drop(memory);
            progress(&told);
        }
    }

    /// The full segments whose data keys are not wrapped by the newest key.
    fn older(&self, appender: &Appender) -> Vec<Arc<Segment>> {
        let mut full = self.full_segments(appender);
        full.retain(|segment| !appender.files.sealing.is_newest(segment.key()));
        full
    }
}

/// Refuses a plain store whose encryption would come to a segment that cannot be rewritten, or to a full disk, before anything is
/// written of it.
pub(super) fn can_be_ended(survey: &Survey, options: &Options) -> Result<()> {
    let (mut bytes, mut growth_bytes, mut largest_bytes) = (0_u64, 0_u64, 0);
    for segment in &survey.segments {
        let mut frames = 0;
        let holes = scan_segment(segment, segment.origin == Origin::Log, |_, _| frames += 1)?;
        if let Some(hole) = holes.first() {
            let what = "no valid record stands here, so the segment cannot be encrypted, and nothing was changed; what can be read \
                        can be exported into an encrypted store";
            return Err(Error::corrupt(segment.name(), hole.offset, what));
        }
        growth_bytes = growth_bytes.saturating_add((GROWTH_BYTES + SEAL_BYTES).saturating_mul(frames));
        largest_bytes = segment.frame_bytes().max(largest_bytes);
        bytes = bytes.saturating_add(segment.frame_bytes());
    }
    // Roughly what it takes beside what is there: the segment that the opening begins, and an output while its inputs stay.
    let segment_bytes = options.segment_bytes.min(bytes.max(SEGMENT_BYTES_MIN)).max(largest_bytes);
    let directory = &survey.directory.path;
    let free = options.vfs.free_bytes(directory);
    let free =
        free.map_err(|error| Error::io(format!("asking what is free in {}", directory.display()), error))?;
    if free < segment_bytes.saturating_mul(3).saturating_add(growth_bytes) {
        return Err(Error::Full(Full::FileSystem));
    }
    Ok(())
}

/// As many of them as fill a segment, and one at least.
fn batch(segments: &[Arc<Segment>], bytes_max: u64) -> Vec<Arc<Segment>> {
    let mut bytes = 0_u64;
    let fits = |segment: &&Arc<Segment>| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(segment.frame_bytes().max(1));
        is_first || bytes <= bytes_max
    };
    segments.iter().take_while(fits).cloned().collect()
}

impl Store {
    /// Rewrites whatever is not encrypted with the newest key of [`Options::encryption`], while the store goes on running, and tells
    /// `progress` of each step. When it is done, no older key is needed any more. Without it compaction comes to the same in
    /// time. A rotation of keys is: a ring with a new key before the old ones, an opening with it, this call, and then a ring
    /// without the old ones. Backups from before need those as before.
    ///
    /// ```
    /// use sessile::{KeyRing, Options};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let (old, new) = ([1; 32], [2; 32]);
    /// let store = Options::new().encryption(KeyRing::new("2025", old)?).open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// store.close()?;
    ///
    /// let both = KeyRing::new("2026", new)?.and_older("2025", old)?;
    /// let store = Options::new().encryption(both).open(dir.path())?;
    /// store.reencrypt(|_| {})?;
    /// store.close()?;
    ///
    /// let store = Options::new().encryption(KeyRing::new("2026", new)?).open(dir.path())?;
    /// assert!(store.get("an id")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` where a segment is damaged and cannot be rewritten, `Full` where there is no room for rewriting, `Latched`,
    /// `Closed`, `ReadOnly`, `Io`. What was done stays done.
    pub fn reencrypt(&self, progress: impl FnMut(&Reencrypted)) -> Result<Reencrypted> {
        self.core().reencrypt(progress)
    }
}

/// Encrypts a plain store.
pub(crate) fn encrypt(
    directory: &Path,
    options: Options,
    progress: impl FnMut(&Reencrypted),
) -> Result<Reencrypted> {
    if options.keys.is_none() {
        return Err(Error::invalid("a store is encrypted with keys: give some with Options::encryption"));
    }
    let options = options.encrypting();
    let vfs = Arc::clone(&options.vfs);
    let failed = |error| Error::io(format!("syncing {}", directory.display()), error);
    let held = opening::open(directory, options.clone())?;
    let core = &held.core;
    let mut reencrypted = core.reencrypt(progress)?;
    // Else a file that was plain and is removed could be there again after a crash, beside a header that says it cannot.
    vfs.sync_dir(directory).map_err(failed)?;
    let appender = core.appender()?;
    let envelope = core.sealing.wrap_secret(appender.store_id(), &core.secret.to_bytes(), Stage::Sealed)?;
    appender.seal(envelope)?;
    core.close()?;
    reencrypted.left_plain = keys::perhaps_plain(directory, &options)?;
    Ok(reencrypted)
}
