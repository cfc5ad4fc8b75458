//! `sessile restore`: a backup becomes a store again, when somebody has decided about what it cannot know.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sessile::{ManualClock, Options, Restoring};

use crate::args::Restore;
use crate::failure::Failure;
use crate::ledger;
use crate::open;
use crate::output::{self, Report, bytes, counted, grouped, moment};
use crate::progress;

pub(super) fn run(restore: &Restore) -> Result<(), Failure> {
    let (from, dir) = (&restore.from, &restore.dir);
    // What is made belongs to who makes it, and the server must be able to open it.
    open::owned(from)?;
    if dir.is_dir() {
        open::owned(dir)?;
    }
    let what = match (restore.keep, restore.end) {
        (true, _) => Restoring::Keep,
        (_, true) => Restoring::End,
        _ => return Err(Failure::Choice(explain(restore)?)),
    };
    let options = open::with_keys(Options::new())?;
    let ledger = bring_ledger(from, dir)?;
    let work = || options.restore(from, dir, what);
    let done = progress::during("copying", work).map_err(|error| {
        // It was made a moment ago, and would be in the way of the next attempt.
        if let Some(ledger) = &ledger {
            let _ = std::fs::remove_dir_all(ledger);
        }
        Failure::store(from, error)
    })?;
    let known = Some(done.made_ms).filter(|made_ms| *made_ms > 0);
    output::show(
        &Restored {
            backup: from.display().to_string(),
            store: dir.display().to_string(),
            kept: restore.keep,
            made_ms: known,
            age_seconds: known.map(|made_ms| age(made_ms).as_secs()),
            sessions: done.sessions,
            segments: done.segments,
            bytes_copied: done.bytes_copied,
            bytes_verified: done.bytes_verified,
        },
        restore.json,
    )
}

/// Restores what is known of a store that is being left, and says where to. It is kept in any case, and is there before the sessions
/// are: who was ended there must not be asked for.
fn bring_ledger(from: &Path, dir: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(ledger) = ledger::of(from) else { return Ok(None) };
    let (options, to) = (open::with_keys(Options::new())?, ledger::place(dir));
    // Of a restore that was cut short, which is run again.
    if dir.join("RESTORE").exists() && to.exists() {
        std::fs::remove_dir_all(&to)
            .map_err(|error| Failure::io(format!("removing {}", to.display()), error))?;
    }
    options.restore(&ledger, &to, Restoring::Keep).map_err(|error| Failure::store(&ledger, error))?;
    Ok(Some(to))
}

/// How old the backup is, and what that means.
fn explain(restore: &Restore) -> Result<String, Failure> {
    let from = &restore.from;
    // A clock that stands still shows the time that the backup itself tells, and no session that was over by then.
    let options = open::with_keys(Options::new())?;
    let look = options.read_only(true).create(false).clock(Arc::new(ManualClock::at_ms(0)));
    let open = || look.open(from).map_err(|error| Failure::store(from, error));
    let stats = progress::during("looking at the backup", open)?.stats();
    let old = in_words(age(stats.clock_ms));
    Ok(format!(
        "nothing is restored yet: you have to choose.\n\n\
         {} holds the store as it was at {}, {old} ago, with {}.\n\
         What was ended after that it does not know. Whoever has logged out since, was logged out by you, or has changed a\n\
         password, would be logged in again, until the session runs out by itself.\n\n  \
         --keep  keeps these sessions, and with them whatever was ended in those {old}\n  \
         --end   ends them all: everybody logs in again\n\n\
         If accounts may have been taken over or closed meanwhile, choose --end.",
        from.display(),
        moment(stats.clock_ms),
        counted(stats.sessions, "session"),
    ))
}

fn age(made_ms: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(made_ms))
}

/// A time in its two largest units.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = match (days, hours, minutes) {
        (0, 0, 0) => [(seconds, "second"), (0, "")],
        (0, 0, _) => [(minutes, "minute"), (0, "")],
        (0, ..) => [(hours, "hour"), (minutes, "minute")],
        _ => [(days, "day"), (hours, "hour")],
    };
    let said = parts.iter().filter(|(count, unit)| *count > 0 || *unit == "second");
    said.map(|(count, unit)| counted(*count, unit)).collect::<Vec<_>>().join(" and ")
}

#[derive(Debug, Serialize)]
struct Restored {
    backup: String,
    store: String,
    kept: bool,
    made_ms: Option<u64>,
    age_seconds: Option<u64>,
    sessions: Option<u64>,
    segments: u64,
    bytes_copied: u64,
    bytes_verified: u64,
}

impl Report for Restored {
    fn text(&self) -> String {
        let unknown = || "unknown: the backup is damaged".to_owned();
        let old = self.age_seconds.map(|seconds| in_words(Duration::from_secs(seconds)));
        let made = self.made_ms.zip(old.as_ref()).map(|(made, old)| format!("{}, {old} ago", moment(made)));
        let mut text = output::facts([
            ("store", self.store.clone()),
            ("backup", self.backup.clone()),
            ("made at", made.unwrap_or_else(unknown)),
            (
                if self.kept { "sessions kept" } else { "sessions ended" },
                self.sessions.map_or_else(unknown, grouped),
            ),
            ("segments copied", grouped(self.segments)),
            ("bytes copied", bytes(self.bytes_copied)),
            ("bytes read back, all sound", bytes(self.bytes_verified)),
        ]);
        text.push_str("\n\n");
        match self.kept {
            true => text.push_str(&format!(
                "Sessions that were ended in the last {} are back: whoever logged out since, or was logged out. To end a user's:\n\
                 printf %s USER | sessile destroy-subject {}",
                old.unwrap_or_default(),
                self.store
            )),
            false => text.push_str("Everybody has to log in again."),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_two_largest_units() {
        let said = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(said(0), "0 seconds");
        assert_eq!(said(59), "59 seconds");
        assert_eq!(said(61), "1 minute");
        assert_eq!(said(3600), "1 hour");
        assert_eq!(said(14 * 3600 + 24 * 60 + 7), "14 hours and 24 minutes");
        assert_eq!(said(86_400 * 3 + 3600), "3 days and 1 hour");
    }
}
