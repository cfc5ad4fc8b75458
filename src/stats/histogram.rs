//! How often something was how large.
//!
//! Owns: [`Histogram`], which is shown, and `Counting`, which is counted into. Counting is two additions without a lock, for
//! what happens beside a wait for the disk; readers may see one of them without the other.

use crate::sync::atomic::Ordering;
use crate::sync::tally::AtomicU64;

/// How often something was how large, by upper bounds.
///
/// ```
/// # use sessile::{Options, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path())?;
/// store.create("an id", "some data")?;
/// let syncs = store.stats().sync_micros;
/// assert!(syncs.count() >= 1);
/// println!("half of the syncs took at most {:?} us", syncs.quantile(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    bounds: Vec<u64>,
    counts: Vec<u64>,
    sum: u64,
}

impl Histogram {
    /// A histogram with these upper bounds, which ascend; `counts` has one more, for what is larger than all of them.
    #[must_use]
    pub fn from_parts(bounds: Vec<u64>, counts: Vec<u64>, sum: u64) -> Self {
        Self { bounds, counts, sum }
    }

    /// How often in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of it together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Each upper bound, `None` for infinity, with how often it was at most that and more than the bound before.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().copied())
    }

    /// The least upper bound below which this share of it lies; `None` when nothing was counted, or that share lies beyond the
    /// last bound.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the cast saturates, and a count of 2^52 is beyond any machine"
    )]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let mut found = self.buckets().skip_while(|(_, count)| {
            seen += count;
            seen < wanted
        });
        found.next().and_then(|(bound, _)| bound)
    }
}

/// What is counted, with upper bounds that are fixed.
pub(crate) struct Counting<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Counting<N> {
    pub fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    pub fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts.get(at).unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn so_far(&self) -> Histogram {
        let counts = self.counts.iter().chain([&self.beyond]).map(|count| count.load(Ordering::Relaxed));
        Histogram::from_parts(self.bounds.to_vec(), counts.collect(), self.sum.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_lies_at_or_below_its_bound() {
        let counting = Counting::new(&[10, 100]);
        assert_eq!(counting.so_far().quantile(0.5), None);
        [0, 10, 11, 100, 101].into_iter().for_each(|value| counting.add(value));
        let so_far = counting.so_far();
        let buckets: Vec<_> = so_far.buckets().collect();
        assert_eq!(buckets, [(Some(10), 2), (Some(100), 2), (None, 1)]);
        assert_eq!((so_far.count(), so_far.sum()), (5, 222));
        assert_eq!(so_far.quantile(0.0), Some(10));
        assert_eq!(so_far.quantile(0.4), Some(10));
        assert_eq!(so_far.quantile(0.5), Some(100));
        assert_eq!(so_far.quantile(1.0), None, "beyond the last bound");
    }
}
