//! Damage to what was durable, in a world of its own: `Strict` refuses and names the place, `Salvage` fails closed.
//!
//! Owns: where damage is done. All of it lies below what the log itself knows to be durable: behind that, a hole is the
//! ordinary end of a log, and nobody could tell.

use std::path::Path;
use std::sync::Arc;

use sessile::vfs::{CrashPolicy, SimVfs, Vfs};
use sessile::{Damage, Error, Recovery, Store};

use super::stage::{Stage, locked};
use super::{DIRECTORY, Living, Seen, look, options};
use crate::oracle::{Found, Level};
use crate::report::count;
use crate::script::{Harm, HarmKind};

const SECTOR: usize = 512;
/// The last bytes of a segment that hold anything may be what says that the rest is durable.
const LAST_BYTES: usize = 2048;

/// Where damage was done.
struct Place {
    file: String,
    from: u64,
    to: u64,
}

impl Place {
    fn is_named_by(&self, damage: &Damage) -> Result<(), String> {
        if damage.file == self.file && damage.offset <= self.to {
            return Ok(());
        }
        Err(format!(
            "Strict names {} at {}, and the damage is in {} from {} to {}",
            damage.file, damage.offset, self.file, self.from, self.to
        ))
    }

    /// Whether the damaged file is one of the store's, and neither missing nor put aside.
    fn is_in_use(&self, machine: &SimVfs) -> bool {
        machine.read_file(&Path::new(DIRECTORY).join(&self.file)).is_ok()
    }
}

impl Living {
    /// Damages a copy of the machine, which stands behind a recovery that was just checked.
    pub(super) fn harm(&self, stage: &Stage, harm: Harm, seen: &mut Seen) -> Result<(), String> {
        let machine = self.shared.sim.fork();
        let Some(place) = injure(&machine, harm) else { return Ok(()) };
        let what = format!("{:?}", harm.kind);
        match self.open_with(&machine.fork(), Recovery::Strict) {
            Ok(store) => {
                let told = self.opened_in_spite(stage, &store, &place)?;
                count(&mut self.tally().damage, format!("{what} {told}"));
            }
            Err(Error::Corrupt(damage)) => {
                place.is_named_by(&damage)?;
                count(&mut self.tally().damage, format!("{what} refused"));
                self.salvage(stage, machine, (harm, &place), seen)?;
            }
            Err(error) => return Err(format!("damage in {} is met with {error:?}", place.file)),
        }
        Ok(())
    }

    fn open_with(&self, machine: &SimVfs, recovery: Recovery) -> Result<Store, Error> {
        self.tally().recoveries += 1;
        let options = options(&self.shared.setup, &self.shared.clocks).recovery(recovery);
        options.vfs(Arc::new(machine.clone())).open(DIRECTORY)
    }

    /// Strict has not met the damage: then it is found by who reads there, or it does not matter.
    fn opened_in_spite(&self, stage: &Stage, store: &Store, place: &Place) -> Result<&'static str, String> {
        let verified = store.verify().map_err(|error| format!("verify of what is damaged: {error}"))?;
        if let Some(damage) = verified.damage.iter().find(|damage| damage.file != place.file) {
            return Err(format!("verify finds damage in {}, and it is in {}", damage.file, place.file));
        }
        let oracle = locked(&stage.oracle);
        let found = look::all(store, oracle.id_count(), &stage.subjects, true)?;
        self.tally().states += 1;
        let damaged = found.contains(&Found::Damaged);
        if damaged && verified.damage.is_empty() {
            return Err("a session cannot be read, and verify finds nothing".to_owned());
        }
        oracle
            .check(&found, Level::Written, self.time_of(store))
            .map_err(|what| format!("in spite of damage: {what}"))?;
        Ok(if verified.damage.is_empty() { "harmless" } else { "found by verify" })
    }

    /// Salvage opens, reports, and shows nothing that may have ended; and what it decides stays decided.
    fn salvage(
        &self,
        stage: &Stage,
        mut machine: SimVfs,
        (harm, place): (Harm, &Place),
        seen: &mut Seen,
    ) -> Result<(), String> {
        if let Some(nth) = harm.crash {
            machine.crash_at_call(nth);
            let opened = self.open_with(&machine, Recovery::Salvage);
            if machine.has_crashed() {
                seen.in_flight.insert("salvage");
                self.tally().crash_points += 1;
                drop(opened);
                let left = if nth % 2 == 0 { CrashPolicy::DropAll } else { CrashPolicy::Random(harm.place) };
                machine = machine.crash(left);
            } else {
                machine.clear_faults();
            }
        }
        let store = self
            .open_with(&machine, Recovery::Salvage)
            .map_err(|error| format!("Salvage refuses: {error}"))?;
        let crashed = seen.in_flight.contains("salvage");
        if store.stats().recovery.damage.is_empty() && !crashed {
            return Err("Salvage opens what Strict refused, and reports no damage".to_owned());
        }
        let found = self.closed(stage, &store, "Salvage")?;
        let unclean = harm.place.is_multiple_of(2);
        if unclean {
            // A clean close would leave a snapshot, and what the log says of the verdict would not be asked.
            machine = machine.crash(CrashPolicy::DropAll);
        }
        drop(store);
        let store = match self.open_with(&machine, Recovery::Strict) {
            // The rest of the segment is in use, so the hole stays where it is. Without a snapshot the log is read, and it is
            // met again: this one hole, and in no segment that has left the roster.
            Err(Error::Corrupt(damage)) if unclean && place.is_in_use(&machine) => {
                place.is_named_by(&damage).map_err(|what| format!("after Salvage, {what}"))?;
                count(&mut self.tally().damage, format!("{:?} met again after Salvage", harm.kind));
                self.open_with(&machine, Recovery::Salvage)
            }
            opened => opened,
        };
        let store = store.map_err(|error| format!("Strict refuses what Salvage has settled: {error}"))?;
        let again = self.closed(stage, &store, "after Salvage")?;
        let back = found
            .iter()
            .zip(&again)
            .position(|(before, after)| *before == Found::Shown(None) && *after != Found::Shown(None));
        match back {
            Some(id) => Err(format!("id {id} was ended by Salvage, and is back at the next opening")),
            None => Ok(()),
        }
    }

    fn closed(&self, stage: &Stage, store: &Store, when: &str) -> Result<Vec<Found>, String> {
        let oracle = locked(&stage.oracle);
        let found = look::all(store, oracle.id_count(), &stage.subjects, true)?;
        self.tally().states += 1;
        oracle.check_closed(&found, self.time_of(store)).map_err(|what| format!("{when}: {what}"))?;
        Ok(found)
    }
}

/// Does the damage; `None` where there is nothing to be damaged.
fn injure(machine: &SimVfs, harm: Harm) -> Option<Place> {
    let directory = Path::new(DIRECTORY);
    let mut names = machine.list(directory).ok()?;
    names.retain(|name| name.ends_with(".seg"));
    names.sort();
    let file = names.get(usize::try_from(harm.file).ok()? % names.len().max(1))?.clone();
    let path = directory.join(&file);
    let mut bytes = machine.read_file(&path).ok()?;
    let used = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let room = used.checked_sub(LAST_BYTES).filter(|room| *room > 0);
    let at = room.map(|room| usize::try_from(harm.place).unwrap_or(0) % room);
    let place = |from: usize, to: usize| Some(Place { file: file.clone(), from: from as u64, to: to as u64 });
    match harm.kind {
        HarmKind::Missing => {
            machine.remove_file(&path).ok()?;
            place(0, used)
        }
        HarmKind::Cut => {
            let at = at?;
            machine.truncate(&path, at as u64).ok()?;
            place(at, bytes.len())
        }
        HarmKind::Flip => {
            let at = at?;
            machine.flip_bit(&path, at as u64, (harm.place % 8) as u8).ok()?;
            place(at, at + 1)
        }
        HarmKind::Sector | HarmKind::Garbage => {
            let start = at? / SECTOR * SECTOR;
            let end = (start + if harm.kind == HarmKind::Sector { SECTOR } else { 24 }).min(bytes.len());
            for (position, byte) in bytes.get_mut(start..end)?.iter_mut().enumerate() {
                let garbage = crate::dice::mix(harm.place.wrapping_add(position as u64)) as u8;
                *byte = if harm.kind == HarmKind::Sector { 0 } else { garbage };
            }
            machine.write_file(&path, &bytes).ok()?;
            place(start, end)
        }
    }
}
