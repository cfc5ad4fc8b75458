//! How far a move has come, and its end.
//!
//! Owns: [`Progress`], and bringing what nobody has used. Nothing here goes faster than the homes answer; requests go on meanwhile.

use futures_util::TryStreamExt;
use sessile::Deadline;

use super::ledger::State;
use super::left::Wanted;
use super::{Answers, Moving};
use crate::error::{Error, Result};

/// How far a move has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many sessions live in the old home and nowhere else.
    pub left: u64,
    /// How many of the old home's this call has brought.
    pub brought: u64,
    /// How many live in the old home, but were ended here, so that nobody answers for them.
    pub refused: u64,
    /// When the last of those that are left ends by itself, unless it is used and so brought before.
    pub until: Deadline,
}

impl Progress {
    const NOTHING: Self = Self { left: 0, brought: 0, refused: 0, until: Deadline::at_ms(0) };

    /// Whether the old home can be switched off with nobody logged out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}

impl Moving {
    /// Looks through the old home and says what is left there.
    ///
    /// # Errors
    /// `Invalid` when the old home cannot list its sessions; else what one of the homes says.
    pub async fn progress(&self) -> Result<Progress> {
        let mut progress = Progress::NOTHING;
        let mut unmoved = self.unmoved(self.old.all().ok_or_else(cannot_list)?);
        while let Some(carried) = unmoved.try_next().await? {
            progress.left += 1;
            progress.until = progress.until.max(carried.deadline.min(carried.absolute));
        }
        Ok(progress)
    }

    /// Brings every session that nobody has used yet, and clears away what crashes have left. Says what is left after all: that
    /// is what other servers have begun to bring meanwhile.
    ///
    /// # Errors
    /// As [`progress`](Self::progress). What was brought before an error stays brought.
    pub async fn move_rest(&self) -> Result<Progress> {
        let (mut brought, mut refused) = (0, 0);
        let mut there = self.old.all().ok_or_else(cannot_list)?;
        while let Some(carried) = there.try_next().await? {
            let is_moved = self.ledger.state(carried.handle).await? == Some(State::Moved);
            match self.bring(Wanted { handle: carried.handle, id: carried.id.as_deref() }).await? {
                Answers::Nobody => refused += 1,
                Answers::New => brought += u64::from(!is_moved),
            }
        }
        for (handle, _) in self.ledger.open_ends().await? {
            self.bring(Wanted { handle, id: None }).await?;
        }
        Ok(Progress { brought, refused, ..self.progress().await? })
    }

    /// Brings the rest and burns the ledger: from now on the new home stands alone. Let no server go on with the two.
    ///
    /// # Errors
    /// As [`move_rest`](Self::move_rest), and `Invalid` when something is left, which is then as it was.
    pub async fn finish(self) -> Result<Progress> {
        let progress = self.move_rest().await?;
        if !progress.is_done() {
            return Err(Error::invalid(format!(
                "{} sessions are left in the old home; is another server still moving? Try again",
                progress.left
            )));
        }
        self.ledger.burn().await?;
        Ok(progress)
    }
}

fn cannot_list() -> Error {
    Error::invalid(
        "the old home cannot list its sessions, so nobody can say what is left; wait until the longest of them has ended",
    )
}
