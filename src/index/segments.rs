//! The segments and where each stands in the address space: an immutable table, replaced as a whole.
//!
//! An index entry has 38 bits to say where a record begins. So records have *addresses*: the segments lie one behind
//! another in a space of 2^38 units of 8 bytes (2 TiB), each from a page's beginning, in as many pages as it needs.
//! Segment numbers are never used again; pages are, and nobody outside of the index sees an address.
//!
//! Owns: [`SegmentTable`]. Knows nothing of what a segment is. Invariants:
//! 1. A table never changes: adding or removing makes another one, so a reader that holds one needs no lock.
//! 2. A segment keeps its pages as long as it is in the table. They go to another only after it has left, which is
//!    after the last entry that pointed into it (see [`Index`](super::Index)).
//! 3. No record has the address 0: page 0 is nobody's, so that an empty place in a table of entries is all zeros.

use std::sync::Arc;

use super::entry::Place;

/// Bits of an address, which counts units of 8 bytes.
pub(super) const ADDRESS_BITS: u32 = 38;
const UNIT_BYTES: u64 = 8;
const PAGE_BYTES_MIN: u64 = 64 << 10;
const PAGE_BYTES_MAX: u64 = 64 << 20;
/// Numbers that lie further apart are searched.
const FINDER_NUMBERS_MAX: usize = 4 << 10;

/// One page: whose it is, and where that one begins.
struct Page<S> {
    number: u32,
    first: u32,
    segment: Arc<S>,
}

/// Segments by number and by address.
pub(crate) struct SegmentTable<S> {
    /// A page is `1 << page_bits` units.
    page_bits: u32,
    pages: Vec<Option<Page<S>>>,
    /// Each segment's first page, by ascending number.
    numbers: Vec<(u32, u32)>,
}

/// A table of segments with their first pages by number, where the numbers lie close together.
pub(super) struct Finder<'t, S> {
    table: &'t SegmentTable<S>,
    lowest: u32,
    /// 0 where there is no segment of that number: page 0 is nobody's.
    firsts: Vec<u32>,
}

impl<S> Finder<'_, S> {
    /// As [`SegmentTable::address`].
    pub fn address(&self, place: Place) -> Option<u64> {
        if self.firsts.is_empty() {
            return self.table.address(place);
        }
        let number = place.segment.checked_sub(self.lowest)?;
        let first = self.firsts.get(number as usize).filter(|first| **first > 0)?;
        self.table.address_from(*first, place)
    }
}

impl<S> SegmentTable<S> {
    /// No segments; pages for segments of this size, of which one takes up to a page. Where so many bytes are there
    /// already in so many segments, pages are small enough that these fill at most a quarter of the space.
    pub fn new(segment_bytes: u64, (count, bytes): (u64, u64)) -> Self {
        let mut page_bytes = segment_bytes.clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX).next_power_of_two();
        let space = (UNIT_BYTES << ADDRESS_BITS) / 4;
        while page_bytes > PAGE_BYTES_MIN && bytes.saturating_add(count.saturating_mul(page_bytes)) > space {
            page_bytes /= 2;
        }
        Self { page_bits: (page_bytes / UNIT_BYTES).ilog2(), pages: Vec::new(), numbers: Vec::new() }
    }

    /// The segment of that number.
    pub fn get(&self, number: u32) -> Option<&Arc<S>> {
        let first = self.first_page(number)?;
        self.pages.get(first)?.as_ref().map(|page| &page.segment)
    }

    /// This table and one segment more, of so many bytes; `None` when there are not so many pages in a row.
    #[must_use]
    pub fn with(&self, number: u32, bytes: u64, segment: &Arc<S>) -> Option<Self> {
        let mut table = self.without(number);
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        let needed = usize::try_from(units.div_ceil(1 << self.page_bits)).ok()?;
        let first = table.free_run(needed)?;
        table.pages.resize_with(table.pages.len().max(first + needed), || None);
        let number_of_first = u32::try_from(first).ok()?;
        for page in table.pages.iter_mut().skip(first).take(needed) {
            *page = Some(Page { number, first: number_of_first, segment: Arc::clone(segment) });
        }
        let at = table.numbers.partition_point(|(other, _)| *other < number);
        table.numbers.insert(at, (number, number_of_first));
        Some(table)
    }

    /// This table without that segment.
    #[must_use]
    pub fn without(&self, number: u32) -> Self {
        let keep = |page: &Option<Page<S>>| match page {
            Some(page) if page.number != number => {
                Some(Page { number: page.number, first: page.first, segment: Arc::clone(&page.segment) })
            }
            _ => None,
        };
        let pages = self.pages.iter().map(keep).collect();
        let numbers = self.numbers.iter().filter(|(other, _)| *other != number).copied().collect();
        Self { page_bits: self.page_bits, pages, numbers }
    }

    /// All segments, by ascending number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<S>)> {
        self.numbers.iter().filter_map(|(number, first)| {
            Some((*number, &self.pages.get(*first as usize)?.as_ref()?.segment))
        })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Where a place is; `None` when its segment is not here, or does not reach so far.
    pub fn address(&self, place: Place) -> Option<u64> {
        self.address_from(self.first_page(place.segment)? as u32, place)
    }

    fn address_from(&self, first: u32, place: Place) -> Option<u64> {
        let address = (u64::from(first) << self.page_bits) + u64::from(place.offset);
        self.page(address).filter(|page| page.number == place.segment).map(|_| address)
    }

    /// For asking for the addresses of many places.
    pub(super) fn finder(&self) -> Finder<'_, S> {
        let lowest = self.numbers.first().map_or(0, |(number, _)| *number);
        let highest = self.numbers.last().map_or(0, |(number, _)| *number);
        let count = (highest - lowest) as usize + 1;
        let mut firsts = vec![0; if count <= FINDER_NUMBERS_MAX { count } else { 0 }];
        for (number, first) in &self.numbers {
            if let Some(place) = firsts.get_mut((number - lowest) as usize) {
                *place = *first;
            }
        }
        Finder { table: self, lowest, firsts }
    }

    /// What stands at an address: the place, and the segment.
    pub fn at(&self, address: u64) -> Option<(Place, &Arc<S>)> {
        let page = self.page(address)?;
        let offset = address - (u64::from(page.first) << self.page_bits);
        Some((Place { segment: page.number, offset: offset as u32 }, &page.segment))
    }

    /// Bytes of memory, the segments themselves not counted.
    pub const fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.pages.capacity() * size_of::<Option<Page<S>>>()
            + self.numbers.capacity() * size_of::<(u32, u32)>()
    }

    fn page(&self, address: u64) -> Option<&Page<S>> {
        self.pages.get((address >> self.page_bits) as usize)?.as_ref()
    }

    fn first_page(&self, number: u32) -> Option<usize> {
        let at = self.numbers.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.numbers.get(at).map(|(_, first)| *first as usize)
    }

    /// The first of so many pages in a row that are nobody's.
    fn free_run(&self, needed: usize) -> Option<usize> {
        let (mut first, mut end) = (1, 1);
        while end - first < needed {
            if end >= 1 << (ADDRESS_BITS - self.page_bits) {
                return None;
            }
            if self.pages.get(end).is_some_and(Option::is_some) {
                first = end + 1;
            }
            end += 1;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const PAGE: u64 = PAGE_BYTES_MIN;

    fn empty() -> SegmentTable<u32> {
        SegmentTable::new(PAGE, (0, 0))
    }

    fn place(segment: u32, offset: u32) -> Place {
        Place { segment, offset }
    }

    fn check(table: &SegmentTable<u32>, model: &BTreeMap<u32, (u64, u32)>) {
        let listed: Vec<_> = table.iter().map(|(number, segment)| (number, **segment)).collect();
        let expected: Vec<_> = model.iter().map(|(number, (_, segment))| (*number, *segment)).collect();
        assert_eq!(listed, expected);
        assert_eq!(table.len(), model.len());
        let mut seen = BTreeMap::new();
        for (number, (bytes, segment)) in model {
            for offset in [0, (bytes / 8 - 1) as u32] {
                let address = table.address(place(*number, offset)).unwrap();
                assert_eq!(table.finder().address(place(*number, offset)), Some(address));
                assert!(address > 0 && seen.insert(address, number).is_none());
                let (found, at) = table.at(address).unwrap();
                assert_eq!((found, **at), (place(*number, offset), *segment));
            }
        }
        for number in [0, 1, 7, 63, 64, 65, 1_000, u32::MAX - 1, u32::MAX] {
            assert_eq!(table.get(number).map(|s| **s), model.get(&number).map(|(_, s)| *s));
            assert_eq!(table.address(place(number, 3)).is_some(), model.contains_key(&number));
            assert_eq!(table.finder().address(place(number, 3)), table.address(place(number, 3)));
        }
    }

    #[test]
    fn segments_come_and_go_by_number_and_keep_their_addresses() {
        let (mut table, mut model) = (empty(), BTreeMap::new());
        for (turn, number) in [7, 64, 0, u32::MAX, 63, 1_000, 7, u32::MAX - 1, 1, 65].into_iter().enumerate()
        {
            let before: Vec<_> = model.keys().map(|n| (*n, table.address(place(*n, 0)))).collect();
            let bytes = PAGE / 2 * (1 + turn as u64 % 5);
            table = table.with(number, bytes, &Arc::new(turn as u32)).unwrap();
            model.insert(number, (bytes, turn as u32));
            check(&table, &model);
            for (other, address) in before.into_iter().filter(|(other, _)| *other != number) {
                assert_eq!(table.address(place(other, 0)), address);
            }
        }
        for number in [u32::MAX, 7, 7, 0, 64, u32::MAX - 1, 1_000, 63, 1, 65, 9] {
            table = table.without(number);
            model.remove(&number);
            check(&table, &model);
        }
    }

    #[test]
    fn pages_that_are_free_are_used_again() {
        let mut table = empty();
        for number in 0..1_000 {
            table = table.with(number, 3 * PAGE, &Arc::new(number)).unwrap();
            table = table.without(number.wrapping_sub(2));
        }
        assert!(table.pages.len() <= 1 + 3 * 3, "{}", table.pages.len());
        assert!(table.memory_bytes() < 4_096);
    }

    #[test]
    fn what_the_space_does_not_hold_is_refused() {
        let table = SegmentTable::new(PAGE_BYTES_MAX, (0, 0));
        let table =
            table.with(1, 1 << 40, &Arc::new(())).unwrap().with(2, (1 << 40) - (1 << 30), &Arc::new(()));
        let table = table.unwrap();
        assert!(table.with(3, 1 << 30, &Arc::new(())).is_none());
        assert!(table.with(3, 1 << 20, &Arc::new(())).is_some());
        let last = Place { segment: 2, offset: u32::MAX };
        assert!(table.address(last).unwrap() < 1 << ADDRESS_BITS);
    }

    #[test]
    fn a_place_behind_its_segment_is_not_another_ones() {
        let table = empty().with(1, 8, &Arc::new(1)).unwrap().with(2, 8, &Arc::new(2)).unwrap();
        assert!(table.address(place(1, (PAGE / 8 - 1) as u32)).is_some());
        assert_eq!(table.address(place(1, (PAGE / 8) as u32)), None);
        assert_eq!(table.address(place(2, (PAGE / 8) as u32)), None);
        assert_eq!(table.finder().address(place(1, (PAGE / 8) as u32)), None);
    }

    #[test]
    fn pages_are_smaller_where_there_are_many_segments() {
        assert_eq!(SegmentTable::<()>::new(1 << 30, (0, 0)).page_bits, 23);
        assert_eq!(SegmentTable::<()>::new(1 << 30, (1_000_000, 64_000_000_000)).page_bits, 15);
        assert_eq!(SegmentTable::<()>::new(1, (0, 0)).page_bits, 13);
    }

    #[test]
    fn the_memory_that_is_told_is_that_of_its_two_lists() {
        let table =
            (1..40).fold(empty(), |table, number| table.with(number, PAGE * 3, &Arc::new(number)).unwrap());
        let pages = table.pages.capacity() * size_of::<Option<Page<u32>>>();
        let numbers = table.numbers.capacity() * 8;
        assert!(pages >= 39 * 3 * 8 && numbers >= 39 * 8);
        assert_eq!(table.memory_bytes(), size_of::<SegmentTable<u32>>() + pages + numbers);
    }
}
