//! Little-endian bytes in and out: the one place where integers become bytes.
//!
//! Invariant: a [`Reader`] never looks past its slice and never allocates; what is missing is `None`.

use crate::id::Digest;

/// Appends integers and digests to a buffer.
pub(crate) trait Put {
    fn put_u16(&mut self, value: u16);
    fn put_u24(&mut self, value: u32);
    fn put_u32(&mut self, value: u32);
    fn put_u48(&mut self, value: u64);
    fn put_u64(&mut self, value: u64);
    fn put_digest(&mut self, digest: Digest);
    fn pad_to_8(&mut self);
}

impl Put for Vec<u8> {
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u24(&mut self, value: u32) {
        let [a, b, c, _] = value.to_le_bytes();
        self.extend_from_slice(&[a, b, c]);
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u48(&mut self, value: u64) {
        let [a, b, c, d, e, f, ..] = value.to_le_bytes();
        self.extend_from_slice(&[a, b, c, d, e, f]);
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_digest(&mut self, digest: Digest) {
        self.extend_from_slice(&digest.0);
    }

    fn pad_to_8(&mut self) {
        self.resize(self.len().next_multiple_of(8), 0);
    }
}

/// Takes integers and digests from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u48(&mut self) -> Option<u64> {
        self.array().map(|[a, b, c, d, e, f]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest)
    }
}

/// A number kept to `mantissa_bits` significant bits and rounded up, in `mantissa_bits + 5` bits.
///
/// A lifetime needs no more than a few digits, and an upper bound is safe where rounding down would not be.
/// The exponent stands in the low five bits. What does not fit becomes the largest value.
pub(crate) const fn round_up(value: u64, mantissa_bits: u32) -> u32 {
    let significant = 64 - value.leading_zeros();
    let mut exponent = significant.saturating_sub(mantissa_bits);
    let mut mantissa = value >> exponent;
    if mantissa << exponent != value {
        mantissa += 1;
        if mantissa >> mantissa_bits != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    if exponent > 31 {
        return (1u32 << (mantissa_bits + 5)) - 1;
    }
    (mantissa as u32) << 5 | exponent
}

/// What [`round_up`] packed; at least what was packed, unless it did not fit.
pub(crate) const fn unround(packed: u32) -> u64 {
    ((packed >> 5) as u64) << (packed & 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_up_and_by_little() {
        for mantissa_bits in [11, 19] {
            let mut value: u64 = 0;
            while value < 1 << 40 {
                let back = unround(round_up(value, mantissa_bits));
                assert!(back >= value, "{value} came back as {back}");
                assert!(back - value <= value >> (mantissa_bits - 1), "{value} came back as {back}");
                value = value * 3 / 2 + 1;
            }
            assert_eq!(round_up(u64::MAX, mantissa_bits), (1 << (mantissa_bits + 5)) - 1);
        }
        assert_eq!(unround(round_up(1_800_000, 19)), 1_800_000);
    }

    #[test]
    fn a_reader_ends_where_the_bytes_do() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Some(513));
        assert_eq!(reader.u16(), None);
        assert_eq!(reader.u8(), Some(3));
        assert_eq!(reader.take(1), None);
    }

    #[test]
    fn rounding_up_may_need_another_bit_and_the_largest_exponent_is_not_the_end() {
        for mantissa_bits in [11, 19] {
            let carries = (1 << (mantissa_bits + 1)) - 1;
            assert_eq!(unround(round_up(carries, mantissa_bits)), carries + 1);
            let longest = 1 << (mantissa_bits + 30);
            assert_eq!(unround(round_up(longest, mantissa_bits)), longest);
        }
    }
}
