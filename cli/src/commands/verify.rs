//! `sessile verify`: every checksum tested, the index compared with the records, and all damage listed.

use sessile_control::{Request, Verified};

use crate::args::Look;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::output::{self, Report, bytes, counted, grouped};
use crate::progress;

pub(super) fn run(look: &Look) -> Result<(), Failure> {
    let door = door::to_verify(&look.dir)?;
    let answer = progress::during("testing every record", || door.answer(&Request::Verify))?;
    let report = expect_answer!(answer, Verified);
    output::show(&report, look.json)?;
    match u64::try_from(report.damage.len()).unwrap_or(u64::MAX) {
        0 => Ok(()),
        places => Err(Failure::DamageFound { dir: look.dir.clone(), places: counted(places, "place") }),
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
