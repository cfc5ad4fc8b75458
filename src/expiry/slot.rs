//! The entries of one slot: six bytes each, in chunks.
//!
//! ```text
//!        47          44 43                                   8 7            0
//!       ┌──────────────┬──────────────────────────────────────┬──────────────┐
//!       │ 0            │ short tag (36)                       │ arming (8)   │  little-endian
//!       └──────────────┴──────────────────────────────────────┴──────────────┘
//! ```
//!
//! Owns: [`Packed`], [`List`] and [`Slot`]. Invariants:
//! 1. Every chunk of a list but its first is full, so a list wastes less than one chunk, and nothing is ever moved or
//!    doubled to make room. An emptied chunk goes back to the allocator at once.
//! 2. A list is as long as it likes; nothing here recurses along it.

/// Entries in a chunk: with its link, 440 bytes, of which allocators make 448.
const CHUNK: usize = 72;

/// What the wheel holds of one arming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed([u8; 6]);

impl Packed {
    pub const fn new(short: u64, arming: u8) -> Self {
        let [a, b, c, d, e, ..] = short.to_le_bytes();
        Self([arming, a, b, c, d, e])
    }

    pub const fn short(self) -> u64 {
        let [_, a, b, c, d, e] = self.0;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }

    pub const fn arming(self) -> u8 {
        let [arming, ..] = self.0;
        arming
    }
}

struct Chunk {
    next: Option<Box<Chunk>>,
    entries: [Packed; CHUNK],
}

/// A stack of entries. The order among them has no meaning.
#[derive(Default)]
pub(super) struct List {
    first: Option<Box<Chunk>>,
    len: usize,
}

impl List {
    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, entry: Packed) {
        let at = self.len % CHUNK;
        if at == 0 {
            let next = self.first.take();
            self.first = Some(Box::new(Chunk { next, entries: [entry; CHUNK] }));
        } else if let Some(place) = self.first.as_mut().and_then(|chunk| chunk.entries.get_mut(at)) {
            *place = entry;
        }
        self.len += 1;
    }

    /// What the next [`pop`](Self::pop) gives.
    pub fn last(&self) -> Option<Packed> {
        let at = self.len.checked_sub(1)? % CHUNK;
        self.first.as_ref()?.entries.get(at).copied()
    }

    pub fn pop(&mut self) -> Option<Packed> {
        let entry = self.last()?;
        self.len -= 1;
        if self.len.is_multiple_of(CHUNK) {
            self.first = self.first.take().and_then(|mut chunk| chunk.next.take());
        }
        Some(entry)
    }

    pub const fn memory_bytes(&self) -> usize {
        // 8 more a chunk is what a common allocator adds.
        self.len.div_ceil(CHUNK) * (size_of::<Chunk>() + 8)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // Chunk by chunk: left to itself, a long list would be freed by recursion and overflow the stack.
        let mut first = self.first.take();
        while let Some(mut chunk) = first {
            first = chunk.next.take();
        }
    }
}

/// A slot: what a walk over the wheel has still to look at, and what it has looked at and left here.
#[derive(Default)]
pub(super) struct Slot {
    pub ahead: List,
    pub behind: List,
}

impl Slot {
    pub const fn len(&self) -> usize {
        self.ahead.len() + self.behind.len()
    }

    /// The list that a firing takes from: any, as long as there is something in it.
    pub const fn any(&mut self) -> &mut List {
        if self.ahead.len() > 0 { &mut self.ahead } else { &mut self.behind }
    }

    /// A walk has reached the end of this slot: all of it lies ahead of the next one.
    pub const fn turn(&mut self) {
        if self.ahead.len() == 0 {
            std::mem::swap(&mut self.ahead, &mut self.behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_packs_into_six_bytes() {
        assert_eq!((size_of::<Packed>(), size_of::<Chunk>()), (6, 440));
        for (short, arming) in [(0, 0), ((1 << 36) - 1, 0), (0, u8::MAX), (0x1_2345_6789, 0xbc)] {
            let entry = Packed::new(short, arming);
            assert_eq!((entry.short(), entry.arming()), (short, arming));
        }
    }

    #[test]
    fn a_list_gives_back_what_it_was_given_and_its_memory() {
        let mut list = List::default();
        assert_eq!((list.pop(), list.memory_bytes()), (None, 0));
        for round in [1, 63, 64, 65, 1_000] {
            (0..round).for_each(|n| list.push(Packed::new(n, n as u8)));
            assert_eq!(list.len() as u64, round);
            assert!(list.memory_bytes() <= (round as usize + CHUNK) * 8);
            for n in (0..round).rev() {
                assert_eq!(list.last(), Some(Packed::new(n, n as u8)));
                assert_eq!(list.pop(), Some(Packed::new(n, n as u8)));
            }
            assert_eq!((list.pop(), list.len(), list.memory_bytes()), (None, 0, 0));
            assert!(list.first.is_none());
        }
    }

    #[test]
    fn a_long_list_is_freed_without_recursion() {
        let mut list = List::default();
        (0..20_000_000).for_each(|n| list.push(Packed::new(n, 0)));
        drop(list);
    }
}
