//! How often each kind of call is made, and how long it takes.
//!
//! Owns: [`Calls`], which is shown, and `Counted`, which is counted into. Every call is counted, one in [`TIMED`] is timed: two looks at
//! the clock would cost a read a tenth of what it takes. Counts are striped by digest, so that readers on many cores do not wait for
//! one line of memory. What is timed is the caller's thread, until what the call does can be seen; how long it then waits for the
//! disk is [`Stats::sync_micros`](crate::Stats::sync_micros).

use super::{Counting, Histogram};
use crate::id::Digest;
use crate::sync::Instant;
use crate::sync::atomic::Ordering;
use crate::sync::tally::AtomicU64;

/// One call in so many is timed.
const TIMED: u64 = 64;
/// Parts that a count is cut into.
const STRIPES: usize = 16;
const NANOS: [u64; 15] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
];

/// The calls that were made since the store was opened, by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// `get` and `get_ref`, and each session that a stream gives.
    pub read: Call,
    /// `touch`.
    pub touch: Call,
    /// `create`, `update`, `set`, `replace_if`, `update_with`, `rotate`.
    pub write: Call,
    /// `destroy`, `destroy_handle`, `destroy_subject`, `clear`.
    pub end: Call,
}

impl Calls {
    /// The kinds with their names.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// for (name, call) in store.stats().calls.named() {
    ///     println!("{name}: {} calls, half of them within {:?} ns", call.count, call.nanos.quantile(0.5));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn named(&self) -> [(&'static str, &Call); 4] {
        [("read", &self.read), ("touch", &self.touch), ("write", &self.write), ("end", &self.end)]
    }
}

/// One kind of call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// How often it was made, whatever came of it.
    pub count: u64,
    /// How long one in 64 of these took, in nanoseconds, without the wait for the disk.
    pub nanos: Histogram,
}

/// What is counted of each kind.
pub(crate) struct CountedCalls {
    pub read: Counted,
    pub touch: Counted,
    pub write: Counted,
    pub end: Counted,
}

impl Default for CountedCalls {
    fn default() -> Self {
        Self { read: Counted::new(), touch: Counted::new(), write: Counted::new(), end: Counted::new() }
    }
}

impl CountedCalls {
    pub fn so_far(&self) -> Calls {
        let Self { read, touch, write, end } = self;
        Calls { read: read.so_far(), touch: touch.so_far(), write: write.so_far(), end: end.so_far() }
    }
}

/// What is counted of one kind of call.
pub(crate) struct Counted {
    stripes: [Stripe; STRIPES],
    nanos: Counting<15>,
}

/// Alone in its line of memory.
#[repr(align(64))]
struct Stripe(AtomicU64);

impl Counted {
    fn new() -> Self {
        Self { stripes: std::array::from_fn(|_| Stripe(AtomicU64::new(0))), nanos: Counting::new(&NANOS) }
    }

    /// Counts a call about this digest; it is over when what is returned is dropped.
    #[inline]
    pub fn begin(&self, digest: Digest) -> Timing<'_> {
        let [first, ..] = digest.0;
        let stripe = self.stripes.get(usize::from(first) % STRIPES);
        let before = stripe.map_or(0, |stripe| stripe.0.fetch_add(1, Ordering::Relaxed));
        Timing { of: self, began: before.is_multiple_of(TIMED).then(Instant::now) }
    }

    fn so_far(&self) -> Call {
        let count = self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum();
        Call { count, nanos: self.nanos.so_far() }
    }
}

/// A call that has begun.
#[must_use = "the call is over when this is dropped"]
pub(crate) struct Timing<'c> {
    of: &'c Counted,
    began: Option<Instant>,
}

impl Drop for Timing<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(began) = self.began {
            self.of.nanos.add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_counted_and_one_in_many_timed() {
        let counted = Counted::new();
        (0..=255).cycle().take(4096).for_each(|byte| drop(counted.begin(Digest([byte; 16]))));
        let so_far = counted.so_far();
        assert_eq!((so_far.count, so_far.nanos.count()), (4096, 4096 / TIMED));
    }
}
