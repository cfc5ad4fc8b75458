//! The dice of the simulation: a stream of numbers that a seed fixes for ever, so that a failure can be replayed.
//!
//! SplitMix64 (Steele, Lea, Flood 2014), in full. A library's generator could change its stream with a release, and
//! every seed noted beside a bug would then mean something else.

/// A stream of numbers fixed by its seed.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// The stream of one file or directory among all that a seed decides on.
    pub(super) fn of(seed: u64, number: u64) -> Dice {
        let mut dice = Dice::new(seed ^ number.rotate_left(32));
        dice.state = dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0. The bias of the remainder is far below what a test could see.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True `of_64` times in 64.
    pub(super) fn chance(&mut self, of_64: u64) -> bool {
        self.below(64) < of_64
    }

    /// One of `choices`, or `None` when there are none.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.below(choices.len() as u64);
        choices.get(usize::try_from(at).unwrap_or(0)).copied()
    }

    /// Bytes that mean nothing.
    pub(super) fn garbage(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.saturating_add(8));
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut dice = Dice::new(1_234_567);
        // The reference values of SplitMix64 for this seed.
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
        assert_eq!(dice.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut dice = Dice::new(7);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[usize::try_from(dice.below(6)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert!((0..100).all(|_| !dice.chance(0)) && (0..100).all(|_| dice.chance(64)));
        assert_eq!(dice.garbage(13).len(), 13);
    }
}
