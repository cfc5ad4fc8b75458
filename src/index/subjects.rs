//! Whose sessions: from a subject's digest to the tags of its sessions.
//!
//! Owns: [`Subjects`]. It lists candidates: a tag is half a digest, and the record says whose session it is.
//! Invariants:
//! 1. A subject without sessions takes no memory.
//! 2. Attaching, detaching and asking cost the same for a subject with one session and with a million: beyond two,
//!    the tags stand in a hash table of their own.
//!
//! Lock order: one shard's lock at a time, innermost; nothing is called under it.

use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Found;

use super::entry::short_tag;
use crate::id::Digest;
use crate::sync::{Mutex, stripe_bits};

const SHARDS: usize = 1 << stripe_bits(4);

/// The tags of one subject's sessions: a set. Most subjects have one or two.
enum Tags {
    One(u64),
    Two(u64, u64),
    Many(Box<HashTable<u64>>),
}

struct Member {
    subject: Digest,
    tags: Tags,
}

#[derive(Default)]
struct Shard {
    members: HashTable<Member>,
    /// What the `Many` have beside the table.
    heap_bytes: usize,
}

/// Sessions by subject.
pub(crate) struct Subjects {
    shards: Box<[CachePadded<Mutex<Shard>>; SHARDS]>,
}

impl Default for Subjects {
    fn default() -> Self {
        Self { shards: Box::new(std::array::from_fn(|_| CachePadded::default())) }
    }
}

impl Subjects {
    /// The session belongs to the subject from now on. Twice is as once.
    pub fn attach(&self, subject: Digest, tag: u64) {
        let mut shard = self.shard(subject).lock();
        let shard = &mut *shard;
        match shard.members.entry(subject.tag(), |member| member.subject == subject, rehash) {
            Found::Vacant(vacant) => {
                vacant.insert(Member { subject, tags: Tags::One(tag) });
            }
            Found::Occupied(mut member) => {
                let tags = &mut member.get_mut().tags;
                shard.heap_bytes -= tags.heap_bytes();
                tags.add(tag);
                shard.heap_bytes += tags.heap_bytes();
            }
        }
    }

    /// The session belongs to the subject no more.
    pub fn detach(&self, subject: Digest, tag: u64) {
        let mut shard = self.shard(subject).lock();
        let shard = &mut *shard;
        let found = shard.members.find_entry(subject.tag(), |member| member.subject == subject);
        let Ok(mut member) = found else { return };
        let tags = &mut member.get_mut().tags;
        shard.heap_bytes -= tags.heap_bytes();
        if tags.take(tag) {
            shard.heap_bytes += tags.heap_bytes();
        } else {
            member.remove();
        }
    }

    /// Sessions whose tags begin like this belong to nobody any more. Walks over all subjects: for a session of which it is
    /// not known whose it was.
    pub fn forget(&self, short: u64) {
        let mut stale = Vec::new();
        self.for_each(|subject, tag| {
            if short_tag(tag) == short {
                stale.push((subject, tag));
            }
        });
        stale.into_iter().for_each(|(subject, tag)| self.detach(subject, tag));
    }

    /// The tags of the subject's sessions, in no order.
    pub fn tags(&self, subject: Digest) -> Vec<u64> {
        let shard = self.shard(subject).lock();
        match shard.members.find(subject.tag(), |member| member.subject == subject).map(|member| &member.tags)
        {
            None => Vec::new(),
            Some(Tags::One(tag)) => vec![*tag],
            Some(Tags::Two(first, second)) => vec![*first, *second],
            Some(Tags::Many(tags)) => tags.iter().copied().collect(),
        }
    }

    /// Every subject with the tag of each of its sessions, for a snapshot. Holds a shard's lock while it tells.
    pub fn for_each(&self, mut each: impl FnMut(Digest, u64)) {
        for shard in self.shards.iter() {
            for member in &shard.lock().members {
                match &member.tags {
                    Tags::One(tag) => each(member.subject, *tag),
                    Tags::Two(first, second) => {
                        [first, second].into_iter().for_each(|tag| each(member.subject, *tag))
                    }
                    Tags::Many(tags) => tags.iter().for_each(|tag| each(member.subject, *tag)),
                }
            }
        }
    }

    /// Forgets all.
    pub fn clear(&self) {
        for shard in self.shards.iter() {
            // Freed after the lock is released.
            let old = std::mem::take(&mut *shard.lock());
            drop(old);
        }
    }

    /// How many subjects have sessions.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().members.len()).sum()
    }

    /// Makes room for about so many subjects in all, before they come.
    pub fn reserve(&self, subjects: usize) {
        for shard in self.shards.iter() {
            // Best effort: a wish that memory cannot grant is none.
            let _ = shard.lock().members.try_reserve(subjects / SHARDS, rehash);
        }
    }

    /// Bytes of memory, at the capacity of the tables.
    pub fn memory_bytes(&self) -> usize {
        let bytes = |shard: &CachePadded<Mutex<Shard>>| {
            let shard = shard.lock();
            shard.members.allocation_size() + shard.heap_bytes
        };
        size_of::<Self>()
            + size_of::<[CachePadded<Mutex<Shard>>; SHARDS]>()
            + self.shards.iter().map(bytes).sum::<usize>()
    }

    #[expect(clippy::indexing_slicing, reason = "four bits cannot leave an array of 16")]
    const fn shard(&self, subject: Digest) -> &CachePadded<Mutex<Shard>> {
        // Not from the tag, which is the hash in the shard.
        let [.., last] = subject.0;
        &self.shards[last as usize % SHARDS]
    }
}

const fn rehash(member: &Member) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = member.subject.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Tags {
    fn add(&mut self, tag: u64) {
        match self {
            Self::One(one) if *one != tag => *self = Self::Two(*one, tag),
            Self::Two(first, second) if *first != tag && *second != tag => {
                let mut tags = HashTable::with_capacity(3);
                for tag in [*first, *second, tag] {
                    tags.insert_unique(tag, tag, |tag| *tag);
                }
                *self = Self::Many(Box::new(tags));
            }
            Self::Many(tags) => {
                tags.entry(tag, |other| *other == tag, |tag| *tag).or_insert(tag);
            }
            Self::One(_) | Self::Two(..) => {}
        }
    }

    /// Takes a tag out; `false` when none is left.
    fn take(&mut self, tag: u64) -> bool {
        match self {
            Self::One(one) => return *one != tag,
            Self::Two(first, second) if *first == tag => *self = Self::One(*second),
            Self::Two(first, second) if *second == tag => *self = Self::One(*first),
            Self::Two(..) => {}
            Self::Many(tags) => {
                if let Ok(found) = tags.find_entry(tag, |other| *other == tag) {
                    found.remove();
                }
                let mut rest = tags.iter().copied();
                if let (Some(first), Some(second), None) = (rest.next(), rest.next(), rest.next()) {
                    *self = Self::Two(first, second);
                } else if tags.len() < tags.num_buckets() / 8 {
                    tags.shrink_to(tags.len() * 2, |tag| *tag);
                }
            }
        }
        true
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) | Self::Two(..) => 0,
            Self::Many(tags) => size_of::<HashTable<u64>>() + tags.allocation_size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn subject(number: u8) -> Digest {
        let mut bytes = [number; 16];
        bytes[15] = number.wrapping_mul(7);
        Digest(bytes)
    }

    fn sorted(mut tags: Vec<u64>) -> Vec<u64> {
        tags.sort_unstable();
        tags
    }

    #[test]
    fn a_subject_takes_40_bytes() {
        assert_eq!(size_of::<Member>(), 40);
    }

    #[test]
    fn an_empty_list_leaves_nothing_behind() {
        let subjects = Subjects::default();
        subjects.attach(subject(1), 10);
        subjects.detach(subject(1), 11);
        assert_eq!(subjects.tags(subject(1)), [10]);
        subjects.detach(subject(1), 10);
        subjects.detach(subject(1), 10);
        assert_eq!((subjects.len(), subjects.tags(subject(1)).len()), (0, 0));
    }

    /// One subject that all share must not make each login slower than the last.
    #[test]
    fn a_subject_of_many_sessions_is_as_fast_as_any() {
        let subjects = Subjects::default();
        let tag = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let empty = subjects.memory_bytes();
        (0..200_000).for_each(|n| subjects.attach(subject(1), tag(n)));
        assert_eq!(subjects.tags(subject(1)).len(), 200_000);
        assert!(subjects.memory_bytes() > empty + 200_000 * 8);
        (2..200_000).for_each(|n| subjects.detach(subject(1), tag(n)));
        assert_eq!(sorted(subjects.tags(subject(1))), sorted(vec![tag(0), tag(1)]));
        assert!(subjects.memory_bytes() < empty + 1_024);
        subjects.clear();
        assert_eq!((subjects.len(), subjects.memory_bytes()), (0, empty));
    }

    proptest! {
        #[test]
        fn subjects_agree_with_a_map_of_sets(steps in prop::collection::vec((any::<bool>(), 0u8..4, 0u64..6), 0..200)) {
            let subjects = Subjects::default();
            let empty = subjects.memory_bytes();
            let mut model = BTreeMap::<u8, BTreeSet<u64>>::new();
            for (attach, number, tag) in steps {
                let set = model.entry(number).or_default();
                if attach {
                    subjects.attach(subject(number), tag);
                    set.insert(tag);
                } else {
                    subjects.detach(subject(number), tag);
                    set.remove(&tag);
                }
                prop_assert_eq!(sorted(subjects.tags(subject(number))), set.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(subjects.len(), model.values().filter(|set| !set.is_empty()).count());
            }
            for (number, set) in &model {
                set.iter().for_each(|tag| subjects.detach(subject(*number), *tag));
            }
            prop_assert_eq!(subjects.shards.iter().map(|shard| shard.lock().heap_bytes).sum::<usize>(), 0);
            prop_assert!(subjects.memory_bytes() >= empty);
        }
    }

    /// The memory of one subject with many sessions is told, and given back when most of them have ended.
    #[test]
    fn a_subject_that_had_a_crowd_of_sessions_gives_its_memory_back() {
        let subjects = Subjects::default();
        let empty = subjects.memory_bytes();
        assert!((SHARDS * 64..SHARDS * 512).contains(&empty), "{empty}");
        subjects.attach(subject(1), 1);
        let one = subjects.memory_bytes();
        (2..10_001).for_each(|tag: u64| subjects.attach(subject(1), tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let crowd = subjects.memory_bytes() - one;
        assert!((10_000 * 8..10_000 * 40).contains(&crowd), "{crowd}");
        (102..10_001)
            .for_each(|tag: u64| subjects.detach(subject(1), tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let left = subjects.memory_bytes() - one;
        assert!((100 * 9..100 * 9 * 16).contains(&left), "{left}");
    }
}
