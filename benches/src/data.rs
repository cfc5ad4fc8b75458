//! What is stored and which of it is asked for: the same in every run, for every peer.
//!
//! Owns: [`Random`], [`Id`], [`payload`], [`Zipf`], [`Dataset`]. Everything follows from a seed.

/// A small generator of random numbers (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// A number from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A session id as web frameworks make them: 24 random bytes in 32 URL-safe characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id([u8; 32]);

impl Id {
    /// The id of session number `number`.
    #[must_use]
    pub fn of(number: u64) -> Self {
        let mut random = Random::new(number.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5e55);
        let mut characters = [0; 32];
        for chunk in characters.chunks_exact_mut(8) {
            let bits = random.bits();
            for (place, character) in chunk.iter_mut().enumerate() {
                *character = URL_SAFE[(bits >> (6 * place)) as usize & 63];
            }
        }
        Self(characters)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The shortest payload, in bytes.
pub const PAYLOAD_BYTES_MIN: usize = 282;
/// The longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 885;

/// What `express-session` with `passport` keeps for a visitor of a shop, as JSON: 282 to 885 bytes, on average 490.
#[must_use]
pub fn payload(number: u64) -> Vec<u8> {
    let mut random = Random::new(number ^ 0x7061_796c_6f61_6421);
    let spread = (PAYLOAD_BYTES_MAX - PAYLOAD_BYTES_MIN) as f64;
    let length = PAYLOAD_BYTES_MIN + (random.unit().powf(1.9) * (spread + 1.0)) as usize;
    json(random, length)
}

/// The same in the lengths of the session workload that Redis publishes: 400 to 600 bytes.
fn published_payload(number: u64) -> Vec<u8> {
    let mut random = Random::new(number ^ 0x7265_6469_7321);
    let length = 400 + random.below(201);
    json(random, length)
}

fn json(mut random: Random, length: usize) -> Vec<u8> {
    let user = random.text(b"0123456789abcdef", 24);
    let secret = random.text(URL_SAFE, 24);
    let order = random.below(90_000) + 10_000;
    let mut json = format!(
        r#"{{"cookie":{{"originalMaxAge":1209600000,"expires":"2026-11-{:02}T{:02}:{:02}:07.120Z","secure":true,"#,
        random.below(28) + 1,
        random.below(24),
        random.below(60),
    );
    json += &format!(
        r#""httpOnly":true,"path":"/","sameSite":"lax"}},"passport":{{"user":"{user}"}},"csrfSecret":"{secret}","#
    );
    json += &format!(r#""returnTo":"/orders/{order}","viewed":["#);
    let (end, item_bytes) = (r#"""]}"#.len(), 44);
    while json.len() + item_bytes + end <= length {
        json += &format!(
            r#"{{"sku":"{}","at":{}}},"#,
            random.text(b"ABCDEFGHJKLMNPQRSTUVWXYZ", 10),
            1_763_000_000_000 + random.bits() % 9_000_000_000
        );
    }
    let rest = length - json.len() - end;
    json += &format!(r#""{}"]}}"#, random.text(URL_SAFE, rest));
    json.into_bytes()
}

/// Ranks from 0 on, rank `r` drawn in proportion to `1 / (r + 1)^exponent` (Gray et al., SIGMOD 1994, as in YCSB).
#[derive(Debug, Clone)]
pub struct Zipf {
    count: f64,
    exponent: f64,
    alpha: f64,
    eta: f64,
    zeta: f64,
}

impl Zipf {
    /// Ranks below `count`; `exponent` is below 1.
    #[must_use]
    pub fn new(count: usize, exponent: f64) -> Self {
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-exponent)).sum();
        let two = 1.0 + 0.5f64.powf(exponent);
        let count = count as f64;
        let eta = (1.0 - (2.0 / count).powf(1.0 - exponent)) / (1.0 - two / zeta);
        Self { count, exponent, alpha: 1.0 / (1.0 - exponent), eta, zeta }
    }

    /// Draws a rank.
    pub fn draw(&self, random: &mut Random) -> usize {
        let unit = random.unit();
        let place = unit * self.zeta;
        if place < 1.0 {
            0
        } else if place < 1.0 + 0.5f64.powf(self.exponent) {
            1
        } else {
            let rank = self.count * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
            (rank as usize).min(self.count as usize - 1)
        }
    }
}

/// How many different payloads there are.
const PAYLOADS: usize = 8192;
/// All of them.
#[must_use]
pub fn payloads() -> Vec<Vec<u8>> {
    (0..PAYLOADS as u64).map(payload).collect()
}

/// How many ids a drawn sequence holds before it repeats.
const SEQUENCE: usize = 1 << 19;

/// The sessions of a run, and the orders in which they are visited.
///
/// Ids are drawn before the measurement and read as a stream, so that drawing them costs nothing during it. Which
/// session is popular has nothing to do with when it was stored.
#[derive(Debug)]
pub struct Dataset {
    /// The sessions that are stored before anything is measured.
    pub stored: Vec<Id>,
    /// Ids of which a few are asked for very often.
    pub zipf: Vec<Id>,
    /// The place of each of these among the stored ones.
    pub zipf_places: Vec<u32>,
    /// Ids that are asked for equally often.
    pub uniform: Vec<Id>,
    /// Ids that are not stored.
    pub missing: Vec<Id>,
    payloads: Vec<Vec<u8>>,
    published: Vec<Vec<u8>>,
}

impl Dataset {
    /// The data of `sessions` sessions.
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        let mut random = Random::new(sessions as u64);
        let stored: Vec<Id> = (0..sessions as u64).map(Id::of).collect();
        let mut by_popularity: Vec<u32> = (0..sessions as u32).collect();
        for end in (1..sessions).rev() {
            by_popularity.swap(end, random.below(end + 1));
        }
        let ranks = Zipf::new(sessions, 0.99);
        let zipf_places: Vec<u32> = (0..SEQUENCE).map(|_| by_popularity[ranks.draw(&mut random)]).collect();
        let zipf = zipf_places.iter().map(|place| stored[*place as usize]).collect();
        let uniform = (0..SEQUENCE).map(|_| stored[random.below(sessions)]).collect();
        let missing = (0..SEQUENCE as u64).map(|number| Id::of(number + (1 << 40))).collect();
        let payloads = payloads();
        let published = (0..PAYLOADS as u64).map(published_payload).collect();
        Self { stored, zipf, zipf_places, uniform, missing, payloads, published }
    }

    /// The data of write number `number`.
    #[must_use]
    pub fn payload(&self, number: usize) -> &[u8] {
        &self.payloads[number % PAYLOADS]
    }

    /// The same in the lengths of the workload that Redis publishes.
    #[must_use]
    pub fn published_payload(&self, number: usize) -> &[u8] {
        &self.published[number % PAYLOADS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn payloads_are_as_long_as_they_are_said_to_be() {
        let lengths: Vec<usize> = (0..PAYLOADS as u64).map(|number| payload(number).len()).collect();
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        assert_eq!(*lengths.iter().min().unwrap(), PAYLOAD_BYTES_MIN);
        assert!((PAYLOAD_BYTES_MAX - 5..=PAYLOAD_BYTES_MAX).contains(lengths.iter().max().unwrap()));
        assert!((480..=500).contains(&mean), "mean {mean}");
    }

    #[test]
    fn ids_are_different_and_32_characters_long() {
        let ids: HashSet<Id> = (0..100_000).map(Id::of).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| id.as_str().len() == 32));
    }

    #[test]
    fn zipf_ranks_are_as_frequent_as_the_law_says() {
        let (zipf, mut random) = (Zipf::new(1000, 0.99), Random::new(7));
        let mut counts = vec![0u32; 1000];
        for _ in 0..1_000_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        for rank in [0, 1, 9, 99] {
            let expected = 1e6 * f64::from(rank as u32 + 1).powf(-0.99) / zipf.zeta;
            let ratio = f64::from(counts[rank]) / expected;
            assert!((0.8..1.25).contains(&ratio), "rank {rank}: {} instead of {expected}", counts[rank]);
        }
    }
}
