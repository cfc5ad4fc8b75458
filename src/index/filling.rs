//! Filling: many sessions at once, in the order of their tags, as an opening brings them.
//!
//! Owns: nothing. The home of an entry ascends with its tag, so a table that is large enough first is filled by one pass
//! through memory in order. One that grows meanwhile would not be: its entries would crowd into its front, since those
//! with higher tags are still to come, and each growth would move them along a run that is as long as the table.

use super::entry::{Entry, Packed, Place};
use super::shard::Shard;
use super::{Index, number};

/// Of so many entries one more has room without growth, so that the first writes after an opening need not grow each table.
const SPARE_OF: usize = 32;

impl<S> Index<S> {
    /// Adds sessions that are not there yet, sorted by tag.
    ///
    /// # Errors
    /// The place of one whose segment is not known, or does not reach so far: it is not added.
    pub fn fill(&self, sorted: &[Entry]) -> Result<(), Place> {
        let (mut misplaced, mut packed) = (Ok(()), Vec::new());
        let state = self.state.load();
        let finder = state.segments.finder();
        for entries in sorted.chunk_by(|one, next| number(one.tag()) == number(next.tag())) {
            packed.clear();
            for entry in entries {
                match finder.address(entry.place()) {
                    Some(address) => packed.push(Packed::pack_at(*entry, address)),
                    None => misplaced = Err(entry.place()),
                }
            }
            let shard = entries.first().and_then(|first| Shard::lock(self, number(first.tag())));
            shard.into_iter().for_each(|mut shard| shard.extend(&packed, packed.len() / SPARE_OF));
        }
        misplaced
    }
}
