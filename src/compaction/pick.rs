//! Picking: which segments are worth rewriting.
//!
//! Owns: the policy, as a pure function of what is known of each segment. In this order:
//! 1. what must be erased by now, because something in it died too long ago;
//! 2. what is mostly garbage, by benefit and cost (bytes won for bytes written), unless the rest will die by itself soon;
//! 3. when the disk limit is near, what is mostly evidence of endings, the oldest first: what a crowd of short-lived
//!    sessions leaves behind, of which by then nothing is left that the evidence could speak against;
//! 4. small segments, when there are many: each open of the store begins one.

use std::sync::Arc;
use std::time::Duration;

use crate::log::segment::Segment;

/// A segment is worth rewriting when at least this share of it is garbage, in percent.
const GARBAGE_PERCENT: u64 = 30;
/// The same when the disk limit is near.
const GARBAGE_PERCENT_PRESSED: u64 = 5;
/// A segment whose rest dies within this time is left to die.
const SOON_MS: u64 = 10 * 60 * 1000;
/// Evidence is looked at again when the log has gone on by so many numbers: what it speaks against dies in the same
/// order. An output has a higher number than the log's segment, so one that was just looked at has to wait.
const EVIDENCE_RESTS: u32 = 6;
/// So many small segments are merged.
const SMALL_COUNT: usize = 4;

/// What the policy goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub now_ms: u64,
    pub erase_within: Duration,
    /// The largest that an output may be.
    pub output_bytes_max: u64,
    /// Whether the disk limit is near.
    pub pressed: bool,
    /// The number of the segment that the log is in.
    pub tail: u32,
}

/// The segments to rewrite together; none when nothing is worth it.
pub(crate) fn pick(sealed: &[Arc<Segment>], policy: Policy) -> Vec<Arc<Segment>> {
    let overdue = policy.take(sealed.iter().filter(|segment| policy.must_erase(segment)));
    if !overdue.is_empty() {
        return overdue;
    }
    let mut worth: Vec<_> = sealed.iter().filter(|segment| policy.is_worth(segment)).collect();
    // Writers change what is counted meanwhile, so each is looked at once.
    worth.sort_by_cached_key(|segment| {
        segment.live_bytes().saturating_mul(1000) / segment.garbage_bytes().max(1)
    });
    let worth = policy.take(worth.into_iter());
    if !worth.is_empty() {
        return worth;
    }
    let mut testimony: Vec<_> = sealed.iter().filter(|segment| policy.is_old_testimony(segment)).collect();
    testimony.sort_by_key(|segment| segment.number);
    let testimony = policy.take(testimony.into_iter());
    if !testimony.is_empty() {
        return testimony;
    }
    let small: Vec<_> =
        sealed.iter().filter(|segment| segment.frame_bytes() < policy.output_bytes_max / 16).collect();
    if small.len() >= SMALL_COUNT { policy.take(small.into_iter()) } else { Vec::new() }
}

impl Policy {
    /// When what died at this time must be gone; half of the allowed time is left for doing it.
    pub fn must_erase(&self, segment: &Segment) -> bool {
        let limit_ms = u64::try_from(self.erase_within.as_millis() / 2).unwrap_or(u64::MAX);
        segment.garbage_bytes() > 0
            && segment.dead_since_ms().is_some_and(|since| self.now_ms >= since.saturating_add(limit_ms))
    }

    fn is_worth(&self, segment: &Segment) -> bool {
        let percent = if self.pressed { GARBAGE_PERCENT_PRESSED } else { GARBAGE_PERCENT };
        let garbage = segment.garbage_bytes();
        let dies_soon = segment.ceiling().has_passed(self.now_ms.saturating_add(SOON_MS));
        garbage > 0
            && garbage.saturating_mul(100) >= segment.frame_bytes().saturating_mul(percent)
            && (self.pressed || !dies_soon)
    }

    fn is_old_testimony(&self, segment: &Segment) -> bool {
        self.pressed
            && segment.number.saturating_add(EVIDENCE_RESTS) <= self.tail
            && segment.evidence_bytes().saturating_mul(100)
                >= segment.frame_bytes().saturating_mul(GARBAGE_PERCENT)
    }

    fn take<'s>(&self, segments: impl Iterator<Item = &'s Arc<Segment>>) -> Vec<Arc<Segment>> {
        let mut bytes = 0;
        segments
            .take_while(|segment| {
                let first = bytes == 0;
                bytes += segment.frame_bytes().saturating_sub(segment.garbage_bytes()) + 4096;
                first || bytes <= self.output_bytes_max
            })
            .cloned()
            .collect()
    }
}
