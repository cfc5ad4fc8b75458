//! What a simulated file holds at one moment: its length, its bytes, and which blocks it occupies.
//!
//! Owns: [`Content`], and the [`Change`]s that turn one content into the next. A file has two contents, that of the
//! page cache and that of the disk; a copy shares its pages until one of the two changes, so a world is cheap to copy.
//!
//! Invariants:
//! 1. A page that is not there reads as zero. Zeros written ahead into a fresh segment therefore cost no memory.
//! 2. No page holds anything but zeros behind the length.
//! 3. Blocks are counted apart from pages: a reservation occupies the disk before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

pub(super) const PAGE_BYTES: usize = 4096;
const PAGE: u64 = PAGE_BYTES as u64;

type Page = [u8; PAGE_BYTES];
const ZEROS: Page = [0; PAGE_BYTES];

/// One change to a file, as it waits in the page cache for a sync.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Bytes were written, and the file grew if they ended behind its end.
    Write { offset: u64, data: Data },
    /// Blocks were reserved up to this length, and the file grew to it.
    Grow { length: u64 },
    /// The blocks from this offset on were given back.
    Release { offset: u64 },
}

/// What was written. Zeros are told apart because a segment is written ahead with nothing else.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Bytes(Arc<[u8]>),
    Zeros(u64),
}

impl Data {
    pub(super) fn of(bytes: &[u8]) -> Data {
        // Compared a page at a time, which is a `memcmp`.
        if bytes.chunks(PAGE_BYTES).all(|chunk| ZEROS.starts_with(chunk)) {
            Data::Zeros(bytes.len() as u64)
        } else {
            Data::Bytes(bytes.into())
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Data::Bytes(bytes) => bytes.len() as u64,
            Data::Zeros(length) => *length,
        }
    }

    /// The part of the data in `range`, which is clamped to what there is.
    pub(super) fn part(&self, range: Range<u64>) -> Data {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match self {
            Data::Zeros(_) => Data::Zeros(end - start),
            Data::Bytes(bytes) => {
                let part = bytes.get(to_usize(start)..to_usize(end)).unwrap_or_default();
                Data::Bytes(part.into())
            }
        }
    }
}

/// Offsets inside one buffer always fit; `usize::MAX` is outside every buffer and so finds nothing.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    length: u64,
    pages: BTreeMap<u64, Arc<Page>>,
    blocks: Blocks,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where its last page ends.
    pub(super) fn written_end(&self) -> u64 {
        let last = self.pages.last_key_value().map_or(0, |(number, _)| number.saturating_add(1));
        last.saturating_mul(PAGE).min(self.length)
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.blocks.count().saturating_mul(PAGE)
    }

    /// How many bytes of new blocks a write or a reservation of this range would take.
    pub(super) fn growth_bytes(&self, offset: u64, length: u64) -> u64 {
        self.blocks.missing(&pages_of(offset, length)).saturating_mul(PAGE)
    }

    /// Copies bytes into `buffer`; returns how many, fewer at the end of the file.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let length = to_usize(self.length.saturating_sub(offset)).min(buffer.len());
        for span in spans(offset, length) {
            let Some(target) = buffer.get_mut(span.outside) else { continue };
            let page = self.pages.get(&span.page).map_or(&ZEROS, Arc::as_ref);
            if let Some(source) = page.get(span.inside) {
                target.copy_from_slice(source);
            }
        }
        length
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data } => self.write(*offset, data),
            Change::Grow { length } => {
                self.blocks.add(&pages_of(0, *length));
                self.length = self.length.max(*length);
            }
            Change::Release { offset } => self.release_from(*offset),
        }
    }

    pub(super) fn write(&mut self, offset: u64, data: &Data) {
        let length = data.len();
        if length == 0 {
            return;
        }
        self.blocks.add(&pages_of(offset, length));
        self.length = self.length.max(offset.saturating_add(length));
        match data {
            Data::Zeros(_) => self.zero(offset, length),
            Data::Bytes(bytes) => {
                for span in spans(offset, bytes.len()) {
                    let page = Arc::make_mut(self.pages.entry(span.page).or_insert_with(|| Arc::new(ZEROS)));
                    if let (Some(target), Some(source)) = (page.get_mut(span.inside), bytes.get(span.outside))
                    {
                        target.copy_from_slice(source);
                    }
                }
            }
        }
    }

    /// Makes the file this long: what is cut off is gone, what is added reads as zero and occupies nothing.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.release_from(length);
        }
        self.length = length;
    }

    fn release_from(&mut self, offset: u64) {
        self.blocks.release_from(offset.div_ceil(PAGE));
        if offset < self.length {
            self.zero(offset, self.length - offset);
        }
    }

    /// Zeroes a range, touching only pages that are there.
    fn zero(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let mut empty = Vec::new();
        for (number, page) in self.pages.range_mut(pages_of(offset, length)) {
            let base = number.saturating_mul(PAGE);
            let from = to_usize(offset.saturating_sub(base));
            let to = to_usize(end.saturating_sub(base)).min(PAGE_BYTES);
            if from == 0 && to == PAGE_BYTES {
                empty.push(*number);
            } else if let Some(part) = Arc::make_mut(page).get_mut(from..to) {
                part.fill(0);
            }
        }
        for number in empty {
            self.pages.remove(&number);
        }
    }
}

/// Which pages a range of bytes touches.
fn pages_of(offset: u64, length: u64) -> Range<u64> {
    let end = offset.saturating_add(length);
    if length == 0 { 0..0 } else { offset / PAGE..end.div_ceil(PAGE) }
}

/// The part of a transfer that falls into one page.
struct Span {
    page: u64,
    inside: Range<usize>,
    outside: Range<usize>,
}

fn spans(offset: u64, length: usize) -> impl Iterator<Item = Span> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= length {
            return None;
        }
        let at = offset.saturating_add(done as u64);
        let start = to_usize(at % PAGE);
        let take = (PAGE_BYTES - start).min(length - done);
        let span = Span { page: at / PAGE, inside: start..start + take, outside: done..done + take };
        done += take;
        Some(span)
    })
}

/// The blocks a file occupies: all below `prefix`, and those `beyond` one by one. Logs are written front to back, so
/// the second part is nearly always empty.
#[derive(Debug, Clone, Default)]
struct Blocks {
    prefix: u64,
    beyond: BTreeSet<u64>,
}

impl Blocks {
    fn count(&self) -> u64 {
        self.prefix.saturating_add(self.beyond.len() as u64)
    }

    fn missing(&self, range: &Range<u64>) -> u64 {
        let start = range.start.max(self.prefix);
        if range.end <= start {
            return 0;
        }
        (range.end - start).saturating_sub(self.beyond.range(start..range.end).count() as u64)
    }

    fn add(&mut self, range: &Range<u64>) {
        if range.start > self.prefix {
            self.beyond.extend(range.clone());
            return;
        }
        self.prefix = self.prefix.max(range.end);
        if !self.beyond.is_empty() {
            self.beyond = self.beyond.split_off(&self.prefix);
            while self.beyond.remove(&self.prefix) {
                self.prefix += 1;
            }
        }
    }

    fn release_from(&mut self, block: u64) {
        self.prefix = self.prefix.min(block);
        self.beyond.split_off(&block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut all = vec![0xAA; to_usize(content.length())];
        let read = content.read(&mut all, 0);
        assert_eq!(read, all.len());
        all
    }

    #[test]
    fn it_agrees_with_a_plain_vector_whatever_is_done() {
        let mut dice = super::super::dice::Dice::new(42);
        for _ in 0..50 {
            let (mut content, mut model) = (Content::default(), Vec::<u8>::new());
            for _ in 0..40 {
                let offset = to_usize(dice.below(20_000));
                match dice.below(5) {
                    0 => {
                        content.set_length(offset as u64);
                        model.resize(offset, 0);
                    }
                    1 => {
                        content.apply(&Change::Release { offset: offset as u64 });
                        let from = offset.min(model.len());
                        model[from..].fill(0);
                    }
                    choice => {
                        let length = to_usize(dice.below(9000));
                        let data = if choice == 2 { vec![0; length] } else { dice.garbage(length) };
                        content.apply(&Change::Write { offset: offset as u64, data: Data::of(&data) });
                        if length > 0 {
                            model.resize(model.len().max(offset + length), 0);
                            model[offset..offset + length].copy_from_slice(&data);
                        }
                    }
                }
                assert_eq!(bytes(&content), model);
            }
        }
    }

    #[test]
    fn a_copy_does_not_see_what_is_written_later() {
        let mut content = Content::default();
        content.write(0, &Data::of(b"before"));
        let copy = content.clone();
        content.write(0, &Data::of(b"after!"));
        assert_eq!(bytes(&copy), b"before");
        assert_eq!(bytes(&content), b"after!");
    }

    #[test]
    fn zeros_and_reservations_cost_no_pages_but_count_as_blocks() {
        let mut content = Content::default();
        content.apply(&Change::Grow { length: 64 << 20 });
        content.write(0, &Data::of(&vec![0; 1 << 20]));
        assert!(content.pages.is_empty());
        assert_eq!(content.length(), 64 << 20);
        assert_eq!(content.allocated_bytes(), 64 << 20);
        assert_eq!(content.growth_bytes(0, 64 << 20), 0);
        content.apply(&Change::Release { offset: 1 << 20 });
        assert_eq!(content.allocated_bytes(), 1 << 20);
        assert_eq!(content.length(), 64 << 20);
    }

    #[test]
    fn blocks_are_counted_once_in_whatever_order_they_come() {
        let mut content = Content::default();
        content.write(3 * PAGE, &Data::of(b"x"));
        assert_eq!(content.growth_bytes(0, 4 * PAGE), 3 * PAGE);
        content.write(PAGE, &Data::of(b"x"));
        assert_eq!(content.allocated_bytes(), 2 * PAGE);
        content.write(0, &Data::of(&[1; 2 * PAGE_BYTES + 1]));
        assert_eq!(content.allocated_bytes(), 4 * PAGE);
        assert_eq!(content.blocks.prefix, 4);
        assert_eq!(content.growth_bytes(PAGE, 4 * PAGE), PAGE);
        assert_eq!(content.growth_bytes(0, 0), 0);
    }
}
