//! Picking: which segments are worth rewriting.
//!
//! Owns: the policy, as a pure function of what is known of each segment. In this order:
//! 1. what must be erased by now, because something in it died too long ago;
//! 2. while the store takes more room than it may, what is garbage enough, by benefit and cost (bytes won for bytes written),
//!    unless the rest will die by itself soon. A store that has room leaves its garbage: what is rewritten later has less left
//!    to be copied, and often nothing;
//! 3. when the disk limit is near, what is mostly evidence of endings, the oldest first: what a crowd of short-lived
//!    sessions leaves behind, of which by then nothing is left that the evidence could speak against;
//! 4. when the disk limit is near, what is half empty: each open of the store begins a segment, and what was allocated for
//!    the one before and never written counts against the limit like everything else;
//! 5. small segments, when there are many, for the same reason.

use std::sync::Arc;
use std::time::Duration;

use crate::log::files::FREE_BEHIND_COPIES;
use crate::log::roster::Origin;
use crate::log::segment::Segment;

/// What a store may take without a rewrite: this share of what lives, in percent, and two segments.
const ROOM_PERCENT: u64 = 125;
/// When it takes more, a segment is worth rewriting of which at least this share is garbage, in percent.
const GARBAGE_PERCENT: u64 = 20;
/// The same when the disk limit is near.
const GARBAGE_PERCENT_PRESSED: u64 = 5;
/// A segment whose rest dies within this time is left to die.
const SOON_MS: u64 = 10 * 60 * 1000;
/// Evidence is looked at when it is at least this share of a segment, in percent.
const EVIDENCE_PERCENT: u64 = 30;
/// And again when the log has gone on by so many numbers: what it speaks against dies in the same
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
    /// How large segments of a store of this size are.
    pub usual_bytes: u64,
    /// Whether the disk limit is near.
    pub pressed: bool,
    /// Whether the store takes no more than it may ([`has_room`]).
    pub roomy: bool,
    /// The number of the segment that the log is in.
    pub tail: u32,
}

/// Whether a store that takes so many bytes on the disk, of which so many live, takes no more than it may: little above what
/// lives, and two segments, for the log is in one and the next is prepared. Those of a small store count as a quarter of it.
pub(crate) fn has_room(disk_bytes: u64, live_bytes: u64, segment_bytes: u64) -> bool {
    let segment_bytes = segment_bytes.min(disk_bytes / 4);
    disk_bytes <= live_bytes.saturating_mul(ROOM_PERCENT) / 100 + 2 * segment_bytes
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
    let half_empty = policy.take(sealed.iter().filter(|segment| policy.is_half_empty(segment)));
    if !half_empty.is_empty() {
        return half_empty;
    }
    let small: Vec<_> =
        sealed.iter().filter(|segment| segment.frame_bytes() < policy.usual_bytes / 16).collect();
    if small.len() >= SMALL_COUNT { policy.take(small.into_iter()) } else { Vec::new() }
}

impl Policy {
    /// When what died at this time must be gone; half of the allowed time is left for doing it.
    fn must_erase(&self, segment: &Segment) -> bool {
        let limit_ms = u64::try_from(self.erase_within.as_millis() / 2).unwrap_or(u64::MAX);
        segment.garbage_bytes() > 0
            && segment.dead_since_ms().is_some_and(|since| self.now_ms >= since.saturating_add(limit_ms))
    }

    /// Whether the log should go on in another segment, so that this one can be rewritten. One that is longer than others
    /// was made by an opening, of what was perhaps not durable before: it can hold most of the store, and little that lives.
    pub fn should_leave(&self, tail: &Segment) -> bool {
        let is_long = tail.capacity > self.output_bytes_max.saturating_add(FREE_BEHIND_COPIES);
        self.must_erase(tail) || is_long && self.is_worth(tail)
    }

    fn is_worth(&self, segment: &Segment) -> bool {
        let percent = if self.pressed { GARBAGE_PERCENT_PRESSED } else { GARBAGE_PERCENT };
        let garbage = segment.garbage_bytes();
        // What lives on behind the ceiling was touched, and will not die with the rest.
        let ceiling = segment.ceiling();
        let dies_soon =
            !ceiling.has_passed(self.now_ms) && ceiling.has_passed(self.now_ms.saturating_add(SOON_MS));
        let wanted = self.pressed || !self.roomy;
        wanted
            && garbage > 0
            && garbage.saturating_mul(100) >= segment.frame_bytes().saturating_mul(percent)
            && (self.pressed || !dies_soon)
    }

    /// An output is made as large as what it holds, so it is not picked again.
    fn is_half_empty(&self, segment: &Segment) -> bool {
        self.pressed && segment.origin == Origin::Log && segment.end() <= segment.capacity / 2
    }

    fn is_old_testimony(&self, segment: &Segment) -> bool {
        self.pressed
            && segment.number.saturating_add(EVIDENCE_RESTS) <= self.tail
            && segment.evidence_bytes().saturating_mul(100)
                >= segment.frame_bytes().saturating_mul(EVIDENCE_PERCENT)
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

#[cfg(test)]
#[cfg(feature = "simulation")]
pub(crate) mod tests {
    use super::*;
    use crate::log::roster::Listed;
    use crate::options::ReadMode;
    use crate::session::Deadline;
    use crate::vfs::{SimVfs, Vfs};

    const MIB: u64 = 1 << 20;

    /// A segment of so many bytes of frames, of which so many are live and so many evidence.
    pub(crate) fn segment(number: u32, frames: u64, live: u64, evidence: u64) -> Arc<Segment> {
        let path = std::path::Path::new("/").join(number.to_string());
        let file = SimVfs::new().create(&path).unwrap();
        let (origin, ceiling) = (Origin::Log, Deadline::NEVER);
        let listed = Listed { number, origin, salt: 1, end: frames, lsn_min: 1, lsn_max: 2, ceiling };
        let segment = Segment::new(listed, 0, file, ReadMode::Plain, None).unwrap();
        segment.gains(live as usize);
        segment.testifies(evidence as usize);
        segment
    }

    /// A segment of this capacity whose frames end there.
    pub(crate) fn segment_of(capacity: u64, end: u64) -> Arc<Segment> {
        let file = SimVfs::new().create(std::path::Path::new("/1")).unwrap();
        file.allocate(capacity).unwrap();
        let listed = Listed { number: 1, ..segment(1, end, 0, 0).listed() };
        Segment::new(listed, 0, file, ReadMode::Plain, None).unwrap()
    }

    pub(crate) fn policy(pressed: bool) -> Policy {
        let erase_within = Duration::from_secs(100);
        Policy {
            now_ms: 1_000_000,
            erase_within,
            output_bytes_max: MIB,
            usual_bytes: MIB,
            pressed,
            roomy: false,
            tail: 20,
        }
    }

    fn picked(sealed: &[Arc<Segment>], pressed: bool) -> Vec<u32> {
        pick(sealed, policy(pressed)).iter().map(|segment| segment.number).collect()
    }

    #[test]
    fn half_empty_segments_are_merged_when_the_disk_limit_is_near() {
        let (half, more) = (segment_of(2 * MIB, MIB), segment_of(2 * MIB, MIB + 8));
        let live = |segment: &Segment| segment.gains(segment.frame_bytes() as usize);
        [&half, &more].into_iter().for_each(|segment| live(segment));
        assert!(pick(&[Arc::clone(&half)], policy(false)).is_empty());
        assert_eq!(pick(&[Arc::clone(&half)], policy(true)).len(), 1);
        assert!(pick(&[more], policy(true)).is_empty());
    }

    #[test]
    fn a_long_tail_is_left_when_little_in_it_lives() {
        let (long, usual) = (segment_of(2 * MIB, MIB), segment_of(MIB, MIB));
        assert!(policy(false).should_leave(&long));
        assert!(!policy(false).should_leave(&usual));
        assert!(!Policy { roomy: true, ..policy(false) }.should_leave(&long));
        long.gains(long.frame_bytes() as usize);
        assert!(!policy(true).should_leave(&long));
        usual.died_at(0);
        assert!(policy(false).should_leave(&usual), "what died long ago");
    }

    #[test]
    fn what_wins_most_for_what_it_costs_comes_first() {
        let dear = segment(1, 900_000, 600_000, 0);
        let cheap = segment(2, 999_000, 500_000, 0);
        assert_eq!(picked(&[dear, cheap], false), [2]);
        let dear = segment(1, 800_000, 600_000, 0);
        let cheap = segment(2, 999_900, 500_000, 0);
        assert_eq!(picked(&[dear, cheap], true), [2]);
    }

    /// What dies by itself need not be copied to be rid of it.
    #[test]
    fn garbage_is_left_while_there_is_room_but_not_for_ever() {
        let garbage = segment(1, 900_000, 300_000, 0);
        let roomy = Policy { roomy: true, ..policy(false) };
        assert!(pick(&[Arc::clone(&garbage)], roomy).is_empty());
        assert_eq!(pick(&[Arc::clone(&garbage)], Policy { pressed: true, ..roomy }).len(), 1);
        garbage.died_at(0);
        assert_eq!(pick(&[garbage], roomy).len(), 1, "what died long ago");
    }

    #[test]
    fn a_store_may_take_two_segments_above_what_lives_and_a_small_one_less() {
        assert!(has_room(125 * MIB + 2 * MIB, 100 * MIB, MIB));
        assert!(!has_room(125 * MIB + 2 * MIB + 1, 100 * MIB, MIB));
        assert!(has_room(5 * MIB, 2 * MIB, 64 * MIB));
        assert!(!has_room(5 * MIB + 4, 2 * MIB, 64 * MIB));
        assert!(has_room(0, 0, MIB));
    }

    /// Sessions that are used live on where the others died with their segment's ceiling.
    #[test]
    fn the_last_of_a_segment_are_moved_when_the_ceiling_has_gone_over_them() {
        let until = |ceiling_ms: u64| {
            let garbage = segment(1, 900_000, 300_000, 0);
            let listed = Listed { ceiling: Deadline::at_ms(ceiling_ms), ..garbage.listed() };
            let segment = Segment::new(listed, 0, Arc::clone(&garbage.file), ReadMode::Plain, None).unwrap();
            segment.gains(300_000);
            pick(&[segment], policy(false)).len()
        };
        let now_ms = policy(false).now_ms;
        assert_eq!(until(now_ms + SOON_MS - 1), 0, "the rest dies by itself");
        assert_eq!(until(now_ms + SOON_MS + 1), 1);
        assert_eq!(until(now_ms - 1), 1, "the rest does not");
    }

    #[test]
    fn an_output_is_no_larger_than_a_segment_unless_one_input_alone_is() {
        let inputs: Vec<_> = (1..5).map(|number| segment(number, 700_000, 400_000, 0)).collect();
        assert_eq!(picked(&inputs, false), [1, 2]);
        let large = segment(1, 4 * MIB, 2 * MIB, 0);
        assert_eq!(picked(&[large, segment(2, 700_000, 500_000, 0)], false).len(), 1);
    }

    #[test]
    fn a_segment_without_garbage_is_left_alone() {
        let live = segment(1, 500_000, 500_000, 0);
        live.died_at(0);
        assert_eq!(picked(&[live, segment(2, 0, 0, 0)], false), [0; 0]);
        let died = segment(1, 500_000, 499_000, 0);
        died.died_at(0);
        assert_eq!(picked(&[died], false), [1], "what died long ago must be erased, however little it is");
    }

    #[test]
    fn old_evidence_is_asked_again_when_the_disk_limit_is_near() {
        let old = || segment(14, 500_000, 300_000, 200_000);
        assert_eq!(picked(&[old()], false), [0; 0]);
        assert_eq!(picked(&[old()], true), [14]);
        assert_eq!(picked(&[segment(15, 500_000, 300_000, 200_000)], true), [0; 0], "it was just written");
        assert_eq!(picked(&[segment(14, 500_000, 400_000, 100_000)], true), [0; 0], "it is little");
    }

    #[test]
    fn only_many_small_segments_are_merged() {
        let live = |number, bytes| segment(number, bytes, bytes, 0);
        let small: Vec<_> = (1..5).map(|number| live(number, MIB / 16 - 8)).collect();
        assert_eq!(picked(&small, false), [1, 2, 3, 4]);
        assert_eq!(picked(&small[..3], false), [0; 0]);
        let larger: Vec<_> = (1..9).map(|number| live(number, MIB / 16)).collect();
        assert_eq!(picked(&larger, false), [0; 0]);
        let of_small_store = Policy { usual_bytes: MIB / 2, ..policy(false) };
        assert!(pick(&small, of_small_store).is_empty(), "its segments are all so small");
    }
}
