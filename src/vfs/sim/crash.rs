//! What is left on the disk when the power goes.
//!
//! Owns: [`CrashPolicy`] and [`Hazards`], and the making of one possible disk out of all those that a crash allows.
//! The model is that of the crash file system in SQLite's `test6.c`: each change that no sync has covered is decided
//! on by itself, so what was written last may be there while what was written first is not.
//!
//! Invariants:
//! 1. What was synced and not changed since is there, every byte (only [`Hazards::neighbours`] weakens this).
//! 2. The same disk, policy and seed give the same result, always.
//! 3. The result is settled: what was read from it once, a second power loss without writes in between leaves as it is.

use super::content::{Change, Content, Data};
use super::dice::Dice;
use super::disk::Disk;
use super::inode::Inode;
use super::names::Directory;

const SECTOR: u64 = 512;

/// Garbage is a run of at most this many sectors, so that one huge write does not become megabytes of it.
const GARBAGE_SECTORS_MAX: u64 = 16;

/// What a crash leaves of the changes that no sync has covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPolicy {
    /// The process died and the machine did not: the page cache is as it was. Nothing has become durable by that; a
    /// later power loss may still take every unsynced change, and what a failed sync has lost is still lost.
    KeepAll,
    /// The power went, and nothing that was not synced had reached the disk: neither bytes nor lengths nor names.
    DropAll,
    /// The power went, with every default [`Hazards`], by this seed.
    Random(u64),
    /// The power went, with these hazards, by this seed.
    Chosen(u64, Hazards),
}

/// What may happen to a change that no sync has covered. What is not allowed to happen does not; with none of them,
/// every change survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each hazard is on or off by itself")]
pub struct Hazards {
    /// A write is missing as a whole.
    pub drops: bool,
    /// Of a write, some of its 512-byte sectors are there.
    pub torn_sectors: bool,
    /// Of a write, only the front or only the back is there, cut at any byte.
    pub torn_bytes: bool,
    /// Somewhere in a write there are other bytes than were written.
    pub garbage: bool,
    /// The length is decided apart from the bytes: it may have grown without them, or not with them.
    pub lengths: bool,
    /// A creation, rename, removal or link is missing.
    pub names: bool,
    /// Garbage fills whole sectors, and so harms synced bytes beside an unsynced write. Disks promise that they do
    /// not do this ("powersafe overwrite"); off unless asked for.
    pub neighbours: bool,
}

impl Hazards {
    /// Nothing happens: every change survives.
    pub const NONE: Hazards = Hazards {
        drops: false,
        torn_sectors: false,
        torn_bytes: false,
        garbage: false,
        lengths: false,
        names: false,
        neighbours: false,
    };
}

/// Everything but harm to synced neighbours.
impl Default for Hazards {
    fn default() -> Hazards {
        Hazards {
            drops: true,
            torn_sectors: true,
            torn_bytes: true,
            garbage: true,
            lengths: true,
            names: true,
            neighbours: false,
        }
    }
}

/// How many in 64 changes survive unharmed. A crash draws one for each file, so that long runs of survivors with a
/// single loss among them come up as well as ruins.
const SURVIVAL: [u64; 6] = [0, 16, 32, 56, 62, 64];

#[derive(Debug, Clone, Copy)]
enum Fate {
    Dropped,
    SectorsTorn,
    BytesTorn,
    Garbage,
}

impl Disk {
    /// The disk after the crash. Nobody has anything open on it.
    pub(super) fn after(mut self, policy: CrashPolicy) -> Disk {
        match policy {
            CrashPolicy::KeepAll => {}
            CrashPolicy::DropAll => {
                for inode in self.inodes.values_mut().filter(|inode| inode.is_unsettled()) {
                    inode.settle(inode.durable.clone());
                }
                for directory in self.directories.values_mut().filter(|directory| directory.is_unsettled()) {
                    directory.settle(directory.durable.clone());
                }
            }
            CrashPolicy::Random(seed) => self.lose_power(seed, Hazards::default()),
            CrashPolicy::Chosen(seed, hazards) => self.lose_power(seed, hazards),
        }
        self.forget_handles();
        self
    }

    fn lose_power(&mut self, seed: u64, hazards: Hazards) {
        // Each has numbers of its own, so that what is lost of one says nothing about another.
        for (number, inode) in self.inodes.iter_mut().filter(|(_, inode)| inode.is_unsettled()) {
            inode.lose_power(&mut Dice::of(seed, *number), hazards);
        }
        for directory in self.directories.values_mut().filter(|directory| directory.is_unsettled()) {
            directory.lose_power(&mut Dice::of(seed, directory.number), hazards);
        }
    }
}

impl Directory {
    fn is_unsettled(&self) -> bool {
        self.lost || !self.unsynced.is_empty()
    }

    fn lose_power(&mut self, dice: &mut Dice, hazards: Hazards) {
        let survival = dice.pick(&SURVIVAL).unwrap_or(0);
        let mut names = self.durable.clone();
        for change in &self.unsynced {
            let survives = !hazards.names || dice.chance(survival);
            if survives && change.possible(&names) {
                change.apply(&mut names);
            }
        }
        self.settle(names);
    }
}

impl Inode {
    fn is_unsettled(&self) -> bool {
        self.lost || !self.unsynced.is_empty()
    }

    fn lose_power(&mut self, dice: &mut Dice, hazards: Hazards) {
        let survival = dice.pick(&SURVIVAL).unwrap_or(0);
        let mut content = self.durable.clone();
        let mut fates = Vec::new();
        for (wanted, fate) in [
            (hazards.drops, Fate::Dropped),
            (hazards.torn_sectors, Fate::SectorsTorn),
            (hazards.torn_bytes, Fate::BytesTorn),
            (hazards.garbage, Fate::Garbage),
        ] {
            if wanted {
                fates.push(fate);
            }
        }
        for change in &self.unsynced {
            let fate = if dice.chance(survival) { None } else { dice.pick(&fates) };
            match (change, fate) {
                (change, None) => content.apply(change),
                (Change::Write { offset, data }, Some(fate)) => {
                    harm(&mut content, *offset, data, fate, dice, hazards);
                }
                // There or not: the other fates are those of bytes.
                (Change::Grow { .. } | Change::Release { .. }, Some(_)) if hazards.drops => {}
                (Change::Grow { .. } | Change::Release { .. }, Some(_)) => content.apply(change),
            }
        }
        if hazards.lengths {
            let length = self.some_length(content.length(), dice);
            content.set_length(length);
        }
        self.settle(content);
    }

    /// A length that the file may have after the crash, given that of the changes which survived.
    fn some_length(&self, surviving: u64, dice: &mut Dice) -> u64 {
        let synced = self.durable.length();
        let mut lengths = vec![surviving, surviving, synced];
        let mut longest = synced;
        for change in &self.unsynced {
            longest = match change {
                Change::Write { offset, data } => longest.max(offset.saturating_add(data.len())),
                Change::Grow { length } => longest.max(*length),
                Change::Release { .. } => longest,
            };
            lengths.push(longest);
        }
        lengths.push(synced.saturating_add(dice.below(longest.saturating_sub(synced).saturating_add(1))));
        dice.pick(&lengths).unwrap_or(surviving)
    }
}

/// Applies what a crash left of one write.
fn harm(content: &mut Content, offset: u64, data: &Data, fate: Fate, dice: &mut Dice, hazards: Hazards) {
    let length = data.len();
    match fate {
        Fate::Dropped => {}
        Fate::SectorsTorn => {
            // Cut where the sectors of the file are, not where the write began.
            let mut from = 0;
            while from < length {
                let to = (from + SECTOR - offset.saturating_add(from) % SECTOR).min(length);
                if dice.chance(32) {
                    content.write(offset.saturating_add(from), &data.part(from..to));
                }
                from = to;
            }
        }
        Fate::BytesTorn => {
            let cut = dice.below(length);
            if dice.chance(48) {
                content.write(offset, &data.part(0..cut));
            } else {
                content.write(offset.saturating_add(cut), &data.part(cut..length));
            }
        }
        Fate::Garbage => {
            if dice.chance(32) {
                content.write(offset, data);
            }
            write_garbage(content, offset, length, dice, hazards.neighbours);
        }
    }
}

/// Puts garbage somewhere in a write, in whole sectors of the file as far as the write covers them.
fn write_garbage(content: &mut Content, offset: u64, length: u64, dice: &mut Dice, neighbours: bool) {
    let end = offset.saturating_add(length);
    let (first, last) = (offset / SECTOR, end.saturating_sub(1) / SECTOR);
    let start = first + dice.below(last - first + 1);
    let count = 1 + dice.below((last - start + 1).min(GARBAGE_SECTORS_MAX));
    let (mut from, mut to) = (start * SECTOR, start.saturating_add(count).saturating_mul(SECTOR));
    if neighbours {
        // Nobody's length grows by the harm that is done to its neighbour.
        to = to.min(content.length().max(end));
    } else {
        from = from.max(offset);
        to = to.min(end);
    }
    let bytes = dice.garbage(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
    content.write(from, &Data::of(&bytes));
}
