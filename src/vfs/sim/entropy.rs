//! Random bytes that a seed fixes: a store's secret and its segments' salts, so that a run can be repeated to the byte.
//!
//! Owns: one stream for each thread, off until it is seeded. A store that is simulated draws from it instead of asking the
//! system; what it draws is no secret.

use std::cell::RefCell;

use super::dice::Dice;

thread_local! {
    static STREAM: RefCell<Option<Dice>> = const { RefCell::new(None) };
}

/// From here on, stores draw their random bytes on this thread from the stream of this seed; `None` gives them back the
/// system's. For simulations that are to be repeated, and for nothing else.
pub fn seed_entropy(seed: Option<u64>) {
    STREAM.set(seed.map(Dice::new));
}

/// Fills `bytes` from this thread's stream; `false` when it has none.
pub(crate) fn draw_seeded(bytes: &mut [u8]) -> bool {
    STREAM.with_borrow_mut(|stream| {
        let Some(dice) = stream else { return false };
        let drawn = dice.garbage(bytes.len());
        bytes.copy_from_slice(&drawn);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> Option<[u8; 13]> {
        let mut bytes = [0; 13];
        draw_seeded(&mut bytes).then_some(bytes)
    }

    #[test]
    fn a_seed_fixes_what_is_drawn_until_it_is_taken_away() {
        assert_eq!(drawn(), None);
        seed_entropy(Some(5));
        let first = [drawn(), drawn()];
        assert_ne!(first[0], first[1]);
        seed_entropy(Some(5));
        assert_eq!([drawn(), drawn()], first);
        seed_entropy(None);
        assert_eq!(drawn(), None);
    }
}
