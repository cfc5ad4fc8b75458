//! `sessile verify`: every checksum tested, the index compared with the records, and all damage listed.

use serde::Serialize;
use sessile::{Damage, Recovery};

use crate::args::Look;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, bytes, counted, grouped};
use crate::progress;

/// A store that is damaged is opened with [`Recovery::Salvage`], so that it is read to its end and not refused; being
/// read only, that ends and changes nothing. A sound one is not: beside a server that is at work, only a strict opening
/// tells damage from a file that the server has just removed, and looks again.
pub(super) fn run(look: &Look) -> Result<(), Failure> {
    let dir = &look.dir;
    let store = match open::for_a_look(dir, Recovery::Strict) {
        Err(Failure::Damaged { .. }) => open::for_a_look(dir, Recovery::Salvage)?,
        opened => opened?,
    };
    let found = progress::during("testing every record", || store.verify())
        .map_err(|error| Failure::store(dir, error))?;
    let mut damage = store.stats().recovery.damage;
    for one in found.damage {
        if !damage.contains(&one) {
            damage.push(one);
        }
    }
    let report = Verified {
        segments: found.segments,
        records: found.records,
        bytes: found.bytes,
        sessions: found.sessions,
        damage: damage.into_iter().map(Place::from).collect(),
    };
    output::show(&report, look.json)?;
    match u64::try_from(report.damage.len()).unwrap_or(u64::MAX) {
        0 => Ok(()),
        places => Err(Failure::DamageFound { dir: dir.clone(), places: counted(places, "place") }),
    }
}

#[derive(Debug, Serialize)]
struct Verified {
    segments: u64,
    records: u64,
    bytes: u64,
    sessions: u64,
    damage: Vec<Place>,
}

/// Where something is damaged.
#[derive(Debug, Serialize)]
struct Place {
    file: String,
    offset: u64,
    what: String,
}

impl From<Damage> for Place {
    fn from(damage: Damage) -> Self {
        Self { file: damage.file, offset: damage.offset, what: damage.what }
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let mut text = output::facts([
            ("segments read", grouped(self.segments)),
            ("bytes read", bytes(self.bytes)),
            ("records tested", grouped(self.records)),
            ("sound live sessions", grouped(self.sessions)),
            ("damaged places", grouped(u64::try_from(self.damage.len()).unwrap_or(u64::MAX))),
        ]);
        for place in &self.damage {
            text.push_str(&format!("\n  {} at byte {}: {}", place.file, place.offset, place.what));
        }
        text
    }
}
