//! The spread: one work in many parts, done by one thread or by two.
//!
//! Owns: who does which part. An opening has nobody to share the machine with but itself, so a large store is read and filled
//! on two threads; a small one is not worth the second.

use crate::error::Error;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::together;

/// Does `before` and then `part` for every number below `count`; with `two`, on another thread too, which begins at once. Gives
/// what the parts gave, by their numbers; a part is missing only if the other thread was lost.
pub(crate) fn spread<T: Send, S: Default, B>(
    count: usize,
    two: bool,
    before: impl FnOnce() -> B,
    part: impl Fn(&mut S, usize) -> T + Sync,
) -> (B, Vec<Option<T>>) {
    if !two || count < 2 {
        let (before, mut scratch) = (before(), S::default());
        return (before, (0..count).map(|number| Some(part(&mut scratch, number))).collect());
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut scratch, mut done) = (S::default(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, part(&mut scratch, number)));
        }
    };
    let (other, (before, here)) = together(work, || (before(), work()));
    let mut parts: Vec<Option<T>> = (0..count).map(|_| None).collect();
    for (number, done) in other.into_iter().flatten().chain(here) {
        if let Some(part) = parts.get_mut(number) {
            *part = Some(done);
        }
    }
    (before, parts)
}

/// What a missing part is to whoever asked for it.
pub(crate) fn lost() -> Error {
    Error::io("opening", std::io::Error::other("a thread that was to help was lost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_done_once_by_one_thread_or_by_two() {
        for two in [false, true] {
            for count in [0, 1, 2, 1_000] {
                let times: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                let (before, parts) = spread(
                    count,
                    two,
                    || "first",
                    |scratch: &mut Vec<usize>, number| {
                        scratch.push(number);
                        times[number].fetch_add(1, Ordering::Relaxed);
                        number * 3
                    },
                );
                assert_eq!(before, "first");
                assert_eq!(parts, (0..count).map(|number| Some(number * 3)).collect::<Vec<_>>());
                assert!(times.iter().all(|times| times.load(Ordering::Relaxed) == 1));
            }
        }
    }
}
