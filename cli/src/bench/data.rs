//! What is stored, and which of it is asked for.
//!
//! Owns: ids, data and users by number, and who is asked for next. Everything follows from numbers, so that every home is asked for
//! the same. Nothing is kept: a million sessions take no memory here.

/// How unequally sessions are asked for: the exponent of the benchmarks, and of YCSB.
const EXPONENT: f64 = 0.99;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Random numbers that follow from a seed (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or_default()
    }

    /// A number from 0 to 1, without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are a fraction's")]
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn text(&mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 8);
        while text.len() < length {
            let bits = self.bits();
            text.extend((0..8).map(|place| letter(bits >> (6 * place))));
        }
        text.truncate(length);
        text
    }
}

fn letter(bits: u64) -> u8 {
    // Six bits are a place among 64 letters.
    LETTERS.get(usize::try_from(bits & 63).unwrap_or_default()).copied().unwrap_or(b'A')
}

/// The id of a session, as web frameworks make them: 32 characters.
pub(super) fn id(number: u64) -> Vec<u8> {
    Random::new(number.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5e55).text(32)
}

/// The data of a session, which changes with `version`.
pub(super) fn data(number: u64, version: u64, length: usize) -> Vec<u8> {
    Random::new(number ^ version.rotate_left(32) ^ 0x7061_796c_6f61_6421).text(length)
}

/// The user a session belongs to, if there are users.
pub(super) fn user(number: u64, users: u64) -> Option<Vec<u8>> {
    Some(format!("user {}", number.checked_rem(users)?).into_bytes())
}

/// Ranks from 0 on, rank `r` drawn in proportion to `1 / (r + 1)^0.99` (Gray et al., SIGMOD 1994).
#[derive(Debug, Clone)]
pub(super) struct Zipf {
    count: u64,
    eta: f64,
    zeta: f64,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions are small")]
    pub fn new(count: u64) -> Self {
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-EXPONENT)).sum();
        let two = 1.0 + 0.5f64.powf(EXPONENT);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - EXPONENT)) / (1.0 - two / zeta);
        Self { count, eta, zeta }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is small and not below zero"
    )]
    pub fn draw(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let place = unit * self.zeta;
        let rank = if place < 1.0 {
            0
        } else if place < 1.0 + 0.5f64.powf(EXPONENT) {
            1
        } else {
            (self.count as f64 * (self.eta * unit - self.eta + 1.0).powf(1.0 / (1.0 - EXPONENT))) as u64
        };
        rank.min(self.count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_all_different_and_data_changes() {
        let ids: HashSet<_> = (0..100_000).map(id).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.is_ascii()));
        assert_ne!(data(1, 0, 100), data(1, 1, 100));
        assert_eq!((data(1, 0, 0).len(), data(1, 0, 13).len()), (0, 13));
        assert_eq!((user(7, 0), user(7, 5)), (None, Some(b"user 2".to_vec())));
    }

    #[test]
    fn a_few_are_asked_for_often() {
        for count in [1, 2, 3, 10_000] {
            let (zipf, mut random) = (Zipf::new(count), Random::new(7));
            let ranks: Vec<u64> = (0..20_000).map(|_| zipf.draw(&mut random)).collect();
            assert!(ranks.iter().all(|rank| *rank < count));
            let first = ranks.iter().filter(|rank| **rank == 0).count();
            // In theory a tenth of all requests are for the first of ten thousand.
            assert!(count != 10_000 || (1_500..2_700).contains(&first), "{first}");
        }
    }
}
