//! `sessile backup`: the store as it is at one moment, in another directory.

use std::path::Path;

use serde::Serialize;
use sessile_control::{BackedUp, Bytes, Request};

use crate::args::Backup;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::ledger;
use crate::output::{self, Report, bytes, counted, grouped};
use crate::progress;

pub(super) fn run(backup: &Backup) -> Result<(), Failure> {
    let Some((dir, destination)) = backup.ends() else {
        return Err(Failure::Usage("name the store and where to: sessile backup DIR TO".to_owned()));
    };
    let done = copied(dir, destination, backup)?;
    // After the sessions: what has ended between the two has ended in the copy.
    let ledger = ledger::of(dir);
    let ledger = ledger.map(|ledger| copied(&ledger, &ledger::place(destination), backup)).transpose()?;
    output::show(&Made { destination: destination.display().to_string(), done, ledger }, backup.json)
}

fn copied(dir: &Path, destination: &Path, backup: &Backup) -> Result<BackedUp, Failure> {
    let changer = door::to_change(dir)?;
    // Who holds the store may have another working directory.
    let absolute = std::path::absolute(destination)
        .map_err(|error| Failure::io(format!("naming {}", destination.display()), error))?;
    let request = Request::Backup { destination: Bytes::from(absolute) };
    Ok(expect_answer!(progress::during("copying", || changer.ask(backup.wait, &request))?, BackedUp))
}

#[derive(Debug, Serialize)]
struct Made {
    destination: String,
    #[serde(flatten)]
    done: BackedUp,
    /// What was copied of the ledger, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<BackedUp>,
}

impl Report for Made {
    fn text(&self) -> String {
        let done = &self.done;
        let mut text = output::facts([
            ("backup", self.destination.clone()),
            ("sessions", grouped(done.sessions)),
            ("segments there already", grouped(done.segments_kept)),
            ("segments linked", grouped(done.segments_linked)),
            ("segments copied", grouped(done.segments_copied)),
            ("segments removed", grouped(done.segments_removed)),
            ("bytes copied", bytes(done.bytes_copied)),
            ("bytes read back, all sound", bytes(done.bytes_verified)),
        ]);
        if done.segments_linked > 0 {
            text.push_str(&format!(
                "\n\n{} on the store's own disk: if it dies, both are gone. A backup on another disk is a copy.",
                match done.segments_linked {
                    1 => "1 segment is a link to a file".to_owned(),
                    many => format!("{} are links to files", counted(many, "segment")),
                }
            ));
        }
        if self.ledger.is_some() {
            text.push_str("\n\nWith it goes what is known of the store that is being left (moving).");
        }
        text
    }
}
