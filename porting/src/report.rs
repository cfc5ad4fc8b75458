//! What became of everybody: counted, with a few examples of what could not go along.
//!
//! Invariant: `read` is the sum of all that was written, was there already, had run out, or was skipped.

use serde::{Deserialize, Serialize};

use crate::session::{Note, Why};

/// So many examples of each reason are kept.
const EXAMPLES: usize = 3;

/// The outcome of a move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The format that was read.
    pub from: String,
    /// The format that was written.
    pub to: String,
    /// Nothing was written; `written` is what would have been.
    pub dry_run: bool,
    /// It went on where an earlier one was cut off; the counts are those of both.
    pub resumed: bool,
    /// Entries of the source.
    pub read: u64,
    /// Sessions that are in the new home, and were not before.
    pub written: u64,
    /// Sessions that were there before, and were left as they were.
    pub already_there: u64,
    /// Sessions that had run out, in the old home or on the way.
    pub expired: u64,
    /// Entries that did not go along, by reason.
    pub skipped: Vec<Skipped>,
    /// Of those: how many the new home did not take.
    pub refused: u64,
    /// What was guessed about sessions that did.
    pub notes: Vec<Counted>,
    /// Of those that were written: how many belong to a user.
    pub with_subject: u64,
    /// Of those that were written: in how many of them what stands where the user should stand is no name.
    pub odd_subjects: u64,
    /// What the second pass found; `None` where there was none.
    pub verified: Option<Verified>,
}

/// Entries that did not go along for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first few: where they stand, and what exactly.
    pub examples: Vec<String>,
}

/// Something that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// What.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// What a second pass found: each live session of the source, looked up in the new home.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Sessions that were looked up.
    pub compared: u64,
    /// Those that are not there.
    pub missing: u64,
    /// Those whose data is another.
    pub different: u64,
    /// Those that end later there.
    pub longer: u64,
}

impl Report {
    /// How many did not go along.
    #[must_use]
    pub fn skipped_count(&self) -> u64 {
        self.skipped.iter().map(|skipped| skipped.count).sum()
    }

    /// Whether the second pass found what the first one said. Sessions that were there before may differ.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.verified.is_none_or(|found| {
            found.missing <= self.refused && found.different.max(found.longer) <= self.already_there
        })
    }

    pub(crate) fn skip(&mut self, place: &str, why: &Why) {
        let reason = why.kind.to_string();
        let at = self.skipped.iter().position(|skipped| skipped.reason == reason);
        let at = at.unwrap_or_else(|| {
            self.skipped.push(Skipped { reason, count: 0, examples: Vec::new() });
            self.skipped.len() - 1
        });
        let Some(skipped) = self.skipped.get_mut(at) else { return };
        skipped.count += 1;
        if skipped.examples.len() < EXAMPLES {
            let detail = why.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
            skipped.examples.push(format!("{place}{detail}"));
        }
    }

    pub(crate) fn note(&mut self, note: Note) {
        let what = note.to_string();
        match self.notes.iter_mut().find(|counted| counted.what == what) {
            Some(counted) => counted.count += 1,
            None => self.notes.push(Counted { what, count: 1 }),
        }
    }
}
