//! Recovery: what the store is, from what is on the disk.
//!
//! Owns: the order of opening. Rule 14: first everything is decided, from reads alone; then, in [`begin`], the few
//! writes follow, each of which leaves a directory that decides the same way. In order:
//! 1. `STORE` names the root, the newest log segment known to be durable. [`chain`] walks from there to the end.
//! 2. The roster that the chain leaves lists every other segment; [`sealed`] reads each, footer or frames, and checks it: what
//!    it says becomes a [`run`]. After a clean close the [`snapshot`] is read and checked instead.
//! 3. [`merge`] brings all hints together, digest by digest, and [`verdict`] says who lives. This is no decision any more,
//!    only its execution: it reads what 2 has read, sees to it that nothing else is read, and can run beside 4.
//! 4. [`begin`] writes a new segment: the roster, and copies of the records that were perhaps never synced; makes
//!    it durable; names it as root. A crash before that leaves the old root and an unlisted file, which counts for
//!    nothing; a crash after it leaves the new root.
//! 5. Files that are not on the roster are removed.

pub(crate) mod begin;
pub(crate) mod chain;
pub(crate) mod merge;
#[cfg(test)]
mod model;
pub(crate) mod open;
pub(crate) mod run;
pub(crate) mod scan;
pub(crate) mod sealed;
pub(crate) mod snapshot;
pub(crate) mod source;
pub(crate) mod spread;
pub(crate) mod verdict;

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Damage, Error, Result};
use crate::log::hint::Hints;
use crate::log::mark::Ending;
use crate::log::root::Root;
use crate::log::roster::Listed;
use crate::log::segment::{Segment, number_of};
use crate::options::Recovery;
use crate::stats::RecoveryReport;
use crate::sync::Instant;
use chain::{Chain, Purpose};
use open::Directory;
use run::Run;
use sealed::Sealed;
use spread::spread;
use verdict::{Sweeping, Verdict};

/// With so many bytes of segments a second thread is worth its beginning.
const TWO_BYTES: u64 = 64 << 20;
/// With so many hints, too.
const TWO_HINTS: usize = 100_000;

/// Everything that was decided, before anything is written.
pub(crate) struct Survey {
    pub directory: Directory,
    pub segments: Vec<Arc<Segment>>,
    pub runs: Vec<Run>,
    pub sweeping: Sweeping,
    /// Endings that are to be written anew, oldest first, because only marks tell of them that will not be kept.
    pub orphans: Vec<Ending>,
    /// Records that are to be written anew, oldest first.
    pub written: Vec<(Arc<Segment>, u64)>,
    pub snapshot: Option<snapshot::Snapshot>,
    pub clock_ms: u64,
    /// The highest number and opening seen anywhere, in files that count for nothing too.
    pub number_max: u32,
    pub opening_max: u64,
    pub leftovers: Vec<String>,
    pub report: RecoveryReport,
}

/// Reads a store and decides what it is. Writes nothing.
pub(crate) fn survey(directory: Directory, root: &Root, purpose: Purpose, mode: Recovery) -> Result<Survey> {
    let header = root.header();
    let names = directory
        .vfs
        .list(&directory.path)
        .map_err(|error| Error::io(format!("listing {}", directory.path.display()), error))?;
    let numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
    let number_max = numbers.iter().copied().max().unwrap_or(0).max(header.root);
    let mut survey = Survey {
        segments: Vec::new(),
        runs: Vec::new(),
        sweeping: Sweeping::default(),
        orphans: Vec::new(),
        written: Vec::new(),
        snapshot: None,
        clock_ms: 0,
        number_max,
        opening_max: header.opening,
        leftovers: names,
        report: RecoveryReport::default(),
        directory,
    };
    if header.root != 0 {
        survey.read_log(header, purpose, mode)?;
    }
    survey.find_leftovers(&numbers)?;
    Ok(survey)
}

impl Survey {
    fn read_log(
        &mut self,
        header: crate::log::header::StoreHeader,
        purpose: Purpose,
        mode: Recovery,
    ) -> Result<()> {
        let began = Instant::now();
        let chain = match Chain::walk(&self.directory, &header, purpose) {
            Err(Error::Corrupt(damage)) if mode == Recovery::Salvage => {
                // Without the root nothing is known of what ended last, so nothing is above the damage.
                self.damaged(damage, Some(u64::MAX), mode)?;
                return Ok(());
            }
            chain => chain?,
        };
        self.report.parts.log = began.elapsed();
        self.clock_ms = chain.clock_ms;
        self.number_max = self.number_max.max(chain.number_max);
        self.report.torn_bytes = chain.torn_bytes;
        let sound = chain.damage.is_empty() && chain.written.is_empty();
        let began = Instant::now();
        self.snapshot = if sound && purpose == Purpose::Recover {
            snapshot::Snapshot::read(&self.directory, header.opening, &chain)
        } else {
            None
        };
        self.report.parts.snapshot = began.elapsed();
        for (damage, lost_to) in chain.damage {
            self.damaged(damage, lost_to, mode)?;
        }
        chain.endings.iter().for_each(|ending| self.sweeping.add(ending));
        self.report.tail_records = chain.written.len() as u64;
        (self.orphans, self.written) = (chain.orphans, chain.written);
        let began = Instant::now();
        let listed: Vec<Listed> = chain.roster.iter().copied().collect();
        if self.snapshot.is_some() {
            let sealed = listed.iter().map(|listed| self.directory.open_sealed(listed));
            match sealed.collect::<Result<Vec<_>>>() {
                Ok(segments) => self.segments = segments,
                // What the snapshot speaks of is not all there: then it speaks of nothing.
                Err(Error::Corrupt(_)) => self.snapshot = None,
                Err(error) => return Err(error),
            }
        }
        for (segment, hints) in chain.closed {
            self.takes(segment, hints)?;
        }
        if self.snapshot.is_none() {
            self.read_sealed(&listed, mode)?;
        }
        self.report.parts.segments = began.elapsed();
        Ok(())
    }

    fn read_sealed(&mut self, listed: &[Listed], mode: Recovery) -> Result<()> {
        let bytes = listed.iter().fold(0, |bytes: u64, listed| bytes.saturating_add(listed.end));
        let read = |(): &mut (), number: usize| {
            let listed = listed.get(number)?;
            Some((listed.lsn_max, Sealed::read(&self.directory, listed)))
        };
        let ((), sealed) = spread(listed.len(), bytes >= TWO_BYTES, || (), read);
        for sealed in sealed {
            let (lsn_max, sealed) = sealed.flatten().ok_or_else(spread::lost)?;
            match sealed {
                Ok(sealed) => {
                    self.report.segments_scanned += u64::from(sealed.scanned);
                    for (damage, lost_to) in sealed.damage {
                        self.damaged(damage, lost_to, mode)?;
                    }
                    sealed.endings.iter().for_each(|ending| self.sweeping.add(ending));
                    self.runs.push(sealed.run);
                    self.segments.push(sealed.segment);
                }
                Err(Error::Corrupt(damage)) => {
                    planted!(MissingSegmentIgnored, (), self.damaged(damage, Some(lsn_max), mode)?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes in a segment and what is known of it in memory.
    fn takes(&mut self, segment: Arc<Segment>, hints: Hints) -> Result<()> {
        hints.sweeping.iter().for_each(|ending| self.sweeping.add(ending));
        if self.snapshot.is_none() {
            self.runs.push(Run::of(segment.number, hints)?);
        }
        self.segments.push(segment);
        Ok(())
    }

    /// `Strict` refuses; `Salvage` notes it, and trusts nothing that the damage may have ended (rule 12).
    fn damaged(&mut self, damage: Damage, lost_to: Option<u64>, mode: Recovery) -> Result<()> {
        if mode == Recovery::Strict && !planted!(StrictOpensOnDamage) {
            return planted!(PanicsOnDamage, crate::planted::panics(), Err(Error::Corrupt(damage)));
        }
        if let Some(lsn) = lost_to {
            planted!(SalvageTrustsAll, (), self.sweeping.add_damage(lsn));
        }
        self.report.damage.push(damage);
        Ok(())
    }

    /// What is not on the roster is left over from a crash: it counts for nothing, but its numbers stay taken.
    fn find_leftovers(&mut self, numbers: &[u32]) -> Result<()> {
        let unlisted = |number: &&u32| !self.segments.iter().any(|segment| segment.number == **number);
        for number in numbers.iter().filter(unlisted) {
            if let Some(open) = self.directory.open_segment(*number)? {
                self.opening_max = self.opening_max.max(open.header.opening);
            }
        }
        let listed: Vec<String> = self.segments.iter().map(|segment| segment.name()).collect();
        let ours = |name: &String| name.ends_with(".tmp") || number_of(name).is_some();
        self.leftovers.retain(|name| ours(name) && !listed.contains(name));
        Ok(())
    }

    /// All digests, in bands to be judged one by one, in any order.
    pub fn bands(&self) -> Vec<Range<usize>> {
        merge::bands(&self.runs)
    }

    /// Whether what is to be made memory is enough for two threads.
    pub fn is_large(&self) -> bool {
        let hints = || self.runs.iter().map(Run::len).sum::<usize>();
        self.snapshot.as_ref().map_or_else(|| hints() >= TWO_HINTS, snapshot::Snapshot::is_large)
    }

    /// Judges every digest of a band and tells `each` who lives, by ascending digest. Gives how many damage may have
    /// ended. The new segment's run must have been added before.
    ///
    /// # Errors
    /// `Io` where what has been read cannot be read again.
    pub fn judge(
        &self,
        band: &Range<usize>,
        scratch: &mut merge::Scratch,
        mut each: impl FnMut(verdict::Alive),
    ) -> Result<u64> {
        let mut perhaps = 0;
        let by = (&self.sweeping, self.clock_ms);
        merge::merge(&self.runs, band, scratch, by, |verdict| match verdict {
            Verdict::Alive(alive) => each(alive),
            Verdict::Dead => {}
            Verdict::PerhapsEnded => perhaps += 1,
        })?;
        Ok(perhaps)
    }
}
