//! One shard of the index, for who writes in it.
//!
//! Owns: [`Shard`], which is the right to change one table, and how a table is replaced by another. Invariants:
//! 1. A table changes only in here, with the shard's lock held and its version odd.
//! 2. A larger table is filled before it takes the place of the other. Who still reads the other keeps it; the last one
//!    frees it.

use arc_swap::Guard;
use std::sync::Arc;

use super::entry::Packed;
use super::lines::Lines;
use super::turn::Turn;
use super::{Index, State};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

/// A shard in which nobody else writes for as long as this lives.
pub(super) struct Shard<'a, S> {
    index: &'a Index<S>,
    turn: &'a Turn,
    number: usize,
    len: MutexGuard<'a, usize>,
    /// Loaded under the lock: its table is this shard's, which only its writer replaces, and of the segments it knows all
    /// that entries in it name.
    pub state: Guard<Arc<State<S>>>,
}

impl<'a, S> Shard<'a, S> {
    /// Waits until nobody else writes in this shard. `None` when there is none of that number.
    pub fn lock(index: &'a Index<S>, number: usize) -> Option<Self> {
        let turn = index.turns.get(number)?;
        let len = turn.lock();
        Some(Self { index, turn, number, len, state: index.state.load() })
    }

    /// Its table.
    pub fn lines(&self) -> &Lines {
        self.state.lines(self.number)
    }

    pub fn insert(&mut self, entry: Packed) {
        if *self.len >= self.lines().room() {
            self.put_in_place(self.lines().grown());
        }
        self.turn.change(|| self.lines().put(entry));
        self.count(*self.len + 1);
    }

    /// Adds many at once, sorted by tag, with room for `spare` more: into another table, which is filled from its front to its
    /// end before it takes the place of this one.
    pub fn extend(&mut self, entries: &[Packed], spare: usize) {
        let Some(larger) = Lines::with_room_for(*self.len + entries.len() + spare) else {
            return entries.iter().for_each(|entry| self.insert(*entry));
        };
        let lines = self.lines().copied_into(larger);
        entries.iter().for_each(|entry| lines.put(*entry));
        self.put_in_place(lines);
        self.count(*self.len + entries.len());
    }

    /// Takes out the first entry with this short tag of which `is_it` is true.
    pub fn remove(&mut self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<Packed> {
        let removed = self.turn.change(|| self.lines().remove(short, is_it))?;
        self.count(*self.len - 1);
        Some(removed)
    }

    /// Changes the first entry with this short tag of which `is_it` is true, if `change` gives another.
    pub fn change(
        &self,
        short: u64,
        is_it: impl Fn(Packed) -> bool,
        change: impl FnOnce(Packed) -> Option<Packed>,
    ) -> bool {
        self.turn.change(|| self.lines().change(short, is_it, change))
    }

    #[cfg(test)]
    /// Makes room for so many entries in all. Best effort: a wish that memory cannot grant is none.
    pub fn reserve(&mut self, entries: usize) {
        if entries > self.lines().room() {
            self.resize(entries);
        }
    }

    /// Gives memory back where less than an eighth of it is used.
    pub fn trim(&mut self) {
        if *self.len < self.lines().places() / 8 {
            self.resize(*self.len * 2);
        }
    }

    /// Takes all entries out, and gives how many there were.
    pub fn clear(&mut self) -> usize {
        self.put_in_place(Lines::default());
        let len = *self.len;
        self.count(0);
        len
    }

    fn resize(&mut self, entries: usize) {
        if let Some(other) = Lines::with_room_for(entries) {
            self.put_in_place(self.lines().copied_into(other));
        }
    }

    /// Another table takes the place of this shard's, for who looks from now on.
    fn put_in_place(&mut self, lines: Lines) {
        let changing = self.index.changing.lock();
        let state = Arc::new(self.index.state.load().with_lines(self.number, lines));
        let old = self.turn.change(|| self.index.state.swap(state));
        drop(changing);
        self.state = self.index.state.load();
        drop(old);
    }

    fn count(&mut self, len: usize) {
        let before = std::mem::replace(&mut *self.len, len);
        if len > before {
            self.index.len.fetch_add(len - before, Ordering::Relaxed);
        } else {
            self.index.len.fetch_sub(before - len, Ordering::Relaxed);
        }
    }
}
