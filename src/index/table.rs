//! Which segments there are, by number: an immutable table, replaced as a whole.
//!
//! Owns: [`SegmentTable`]. Knows nothing of what a segment is. Invariants:
//! 1. A table never changes: adding or removing makes another one, so a reader that holds one needs no lock.
//! 2. Its memory is proportional to the number of segments, whatever their numbers: the recent ones, which lie close
//!    together, stand in an array; the few that compaction has left behind stand in a sorted list. A directory with
//!    a segment 1 and a segment 4,000,000,000 costs no more than any other with two.

use std::sync::Arc;

/// How sparse the array may be: this many places for each segment in it, and `SPARE` more.
const SPREAD: u64 = 4;
const SPARE: u64 = 64;

/// Segments by number.
pub(crate) struct SegmentTable<S> {
    /// The number of the first slot.
    base: u32,
    slots: Vec<Option<Arc<S>>>,
    /// Those whose numbers are too far below the others, sorted.
    stragglers: Vec<(u32, Arc<S>)>,
}

impl<S> SegmentTable<S> {
    /// No segments.
    pub const fn new() -> Self {
        Self { base: 0, slots: Vec::new(), stragglers: Vec::new() }
    }

    /// The segment of that number. O(1) for recent ones.
    pub fn get(&self, number: u32) -> Option<&Arc<S>> {
        match number.checked_sub(self.base) {
            Some(slot) => self.slots.get(slot as usize)?.as_ref(),
            None => {
                let at = self.stragglers.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                self.stragglers.get(at).map(|(_, segment)| segment)
            }
        }
    }

    /// This table and one segment more, or another in the place of the one of that number.
    #[must_use]
    pub fn with(&self, number: u32, segment: Arc<S>) -> Self {
        self.iter().filter(|(other, _)| *other != number).map(cloned).chain([(number, segment)]).collect()
    }

    /// This table without that segment.
    #[must_use]
    pub fn without(&self, number: u32) -> Self {
        self.iter().filter(|(other, _)| *other != number).map(cloned).collect()
    }

    /// All segments, by ascending number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<S>)> {
        let recent = (self.base..=u32::MAX)
            .zip(&self.slots)
            .filter_map(|(number, slot)| Some((number, slot.as_ref()?)));
        self.stragglers.iter().map(|(number, segment)| (*number, segment)).chain(recent)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.stragglers.len() + self.slots.iter().flatten().count()
    }

    /// Bytes of memory, the segments themselves not counted.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.slots.capacity() * size_of::<Option<Arc<S>>>()
            + self.stragglers.capacity() * size_of::<(u32, Arc<S>)>()
    }
}

impl<S> FromIterator<(u32, Arc<S>)> for SegmentTable<S> {
    /// A table of these; of two with one number, the later stands.
    fn from_iter<I: IntoIterator<Item = (u32, Arc<S>)>>(segments: I) -> Self {
        let mut all: Vec<_> = segments.into_iter().collect();
        all.sort_by_key(|(number, _)| *number);
        let newest = all.last().map_or(0, |(number, _)| *number);
        let count = all.len();
        let dense = |(at, (number, _)): (usize, &(u32, _))| {
            u64::from(newest - *number) < SPREAD * (count - at) as u64 + SPARE
        };
        let first = all.iter().enumerate().position(dense).unwrap_or(count);
        let recent = all.split_off(first);
        let base = recent.first().map_or(0, |(number, _)| *number);
        let mut slots = Vec::new();
        if !recent.is_empty() {
            slots.resize_with((newest - base) as usize + 1, || None);
        }
        for (number, segment) in recent {
            if let Some(slot) = slots.get_mut((number - base) as usize) {
                *slot = Some(segment);
            }
        }
        // The sort is stable, so of two with one number the later one is the last.
        all.reverse();
        all.dedup_by_key(|(number, _)| *number);
        all.reverse();
        all.shrink_to_fit();
        Self { base, slots, stragglers: all }
    }
}

fn cloned<S>((number, segment): (u32, &Arc<S>)) -> (u32, Arc<S>) {
    (number, Arc::clone(segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn check(table: &SegmentTable<u32>, model: &BTreeMap<u32, u32>) {
        let listed: Vec<_> = table.iter().map(|(number, segment)| (number, **segment)).collect();
        assert_eq!(listed, model.iter().map(|(number, segment)| (*number, *segment)).collect::<Vec<_>>());
        assert_eq!(table.len(), model.len());
        for number in [0, 1, 7, 63, 64, 65, 1_000, u32::MAX - 1, u32::MAX] {
            assert_eq!(table.get(number).map(|segment| **segment), model.get(&number).copied());
        }
    }

    #[test]
    fn segments_come_and_go_by_number() {
        let (mut table, mut model) = (SegmentTable::new(), BTreeMap::new());
        for (turn, number) in [7, 64, 0, u32::MAX, 63, 1_000, 7, u32::MAX - 1, 1, 65].into_iter().enumerate()
        {
            table = table.with(number, Arc::new(turn as u32));
            model.insert(number, turn as u32);
            check(&table, &model);
        }
        for number in [u32::MAX, 7, 7, 0, 64, u32::MAX - 1, 1_000, 63, 1, 65, 9] {
            table = table.without(number);
            model.remove(&number);
            check(&table, &model);
        }
    }

    #[test]
    fn far_apart_numbers_cost_no_more_than_near_ones() {
        let table: SegmentTable<u32> =
            [0, 1_000_000, 4_000_000_000].map(|n| (n, Arc::new(n))).into_iter().collect();
        assert!(table.memory_bytes() < 4_096, "{}", table.memory_bytes());
    }

    #[test]
    fn many_segments_in_a_row_stand_in_the_array() {
        let table: SegmentTable<u32> = (500..1_500).map(|n| (n, Arc::new(n))).collect();
        assert!(table.stragglers.is_empty() && table.len() == 1_000);
    }
}
