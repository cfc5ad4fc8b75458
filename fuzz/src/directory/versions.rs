//! The version that each session was last written with, as whoever writes the next one knows it.

use std::collections::BTreeMap;

use sessile::fuzzing::{Body, Put};

use super::written::Digest;

/// What a later version may have to end: see `Before::narrowed` in the engine.
#[derive(Debug)]
struct Latest {
    lsn: u64,
    deadline_ms: u64,
    subject: Option<Digest>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Versions {
    latest: BTreeMap<Digest, Latest>,
}

impl Versions {
    /// A version that ends sooner than the one before it, or is another user's, says that it ends those before.
    pub fn next(&mut self, lsn: u64, body: &mut Body) {
        match body {
            Body::Put(put) => {
                let Put { digest, deadline_ms, subject, .. } = *put;
                let narrower =
                    |before: &Latest| deadline_ms < before.deadline_ms || subject != before.subject;
                if self.latest.get(&digest).is_some_and(narrower) {
                    put.ends = Some((digest, u64::MAX));
                }
                self.latest.insert(digest, Latest { lsn, deadline_ms, subject });
            }
            Body::Touch { digest, base, deadline_ms } => {
                if let Some(latest) = self.latest.get_mut(digest).filter(|latest| latest.lsn == *base) {
                    latest.deadline_ms = latest.deadline_ms.max(*deadline_ms);
                }
            }
            _ => {}
        }
    }
}
