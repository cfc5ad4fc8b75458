//! What a store may show that was opened in spite of damage: it fails closed.
//!
//! Owns: the judgement of a salvage. Sessions may be lost, and an older version may stand where a newer one was; but no
//! session is there that the damage may have ended, none that nobody wrote, and none lives longer than it was given.

use super::{Found, Level, Now, Oracle};

/// What came of a salvage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Salvaged {
    /// Sessions that are there.
    pub alive: usize,
    /// Records that the store says are damaged.
    pub damaged: usize,
}

impl Oracle {
    /// Judges what was found after damage.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check_closed(&self, found: &[Found], now: Now) -> Result<Salvaged, String> {
        let mut salvaged = Salvaged::default();
        let over_ms = now.wall_ms.max(self.floor_ms);
        for (id, found) in found.iter().enumerate() {
            let seen = match found {
                Found::Shown(None) => continue,
                Found::Damaged => {
                    salvaged.damaged += 1;
                    continue;
                }
                Found::Shown(Some(seen)) => seen,
            };
            salvaged.alive += 1;
            let mut why = Vec::new();
            let fits = self.undead(id, Level::Written).values().any(|known| {
                let differs = known.differs(seen, 0);
                let over = known.deadline_ms <= over_ms;
                why.extend(differs.clone());
                differs.is_none() && !over
            });
            if !fits {
                let why = why.join("; ");
                return Err(format!("id {id} shows {seen:?} after damage, and had ended: {why}"));
            }
        }
        Ok(salvaged)
    }
}
