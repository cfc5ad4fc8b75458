//! The format of a store: which layouts its files may have.
//!
//! Owns: [`Format`], the one place that knows which formats there are, and [`Envelope`], what a newer one has room for.
//! Invariants:
//! 1. A store has one format, said by its header. Its files are written in that one, whatever this release could write; only
//!    an upgrade changes it, and only upward.
//! 2. What an older format has written stays readable in a store of a newer one: an upgrade rewrites the header and no segment.

use std::fmt;

use super::bytes::{Put, Reader};

/// The layout of a store's files.
///
/// A release reads the newest format and the ones before it, and goes on writing the one that a store has, so that the
/// release before can be put back; [`Store::upgrade`](crate::Store::upgrade) moves a store on.
///
/// ```
/// use sessile::{Format, Options};
///
/// # let dir = tempfile::tempdir()?;
/// let store = Options::new().format(Format::V2).open(dir.path())?;
/// assert_eq!(store.stats().format, Format::V2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// The first one, which every release reads. A new store has it unless told otherwise.
    #[default]
    V1,
    /// Has room for keys: in the store's header, and in that of each segment. Encryption needs it.
    V2,
}

impl Format {
    /// The newest that this release reads and writes.
    pub const NEWEST: Self = Self::V2;

    /// Its number, as it stands in the store's header.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The oldest format whose readers understand what is written in this one.
    pub(crate) const fn oldest_reader(self) -> u32 {
        self.number()
    }

    /// The format of this number.
    pub(crate) const fn of_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// As what this release reads a store of format `written` whose readers must know `oldest`; `None` for one that it cannot
    /// read.
    pub(crate) fn readable_as(written: u32, oldest: u32) -> Option<Self> {
        Self::of_number(written.min(oldest).max(1))
    }

    /// Whether the headers of such a store have room for an [`Envelope`].
    pub(crate) fn has_envelopes(self) -> bool {
        self >= Self::V2
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(out)
    }
}

/// Bytes in a header that the log keeps and does not read, no more than so many: what is needed to unlock what it heads.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Envelope<const BYTES_MAX: usize>(Vec<u8>);

/// What the store's header may hold.
pub(crate) type StoreEnvelope = Envelope<512>;
/// What a segment's header may hold.
pub(crate) type SegmentEnvelope = Envelope<256>;

impl<const BYTES_MAX: usize> Envelope<BYTES_MAX> {
    /// Bytes that go before it, which say how long it is.
    pub const HEAD_BYTES: usize = 4;
    /// The most bytes that one takes in a header.
    pub const SPAN_MAX: usize = Self::HEAD_BYTES + BYTES_MAX;

    /// An envelope with these bytes, unless they are too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= BYTES_MAX).then_some(Self(bytes))
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that it takes in a header.
    pub fn span(&self) -> usize {
        Self::HEAD_BYTES + self.0.len()
    }

    /// The same, of one that is `claimed` long, unless that is too much.
    pub fn span_of(claimed: u32) -> Option<usize> {
        let bytes = usize::try_from(claimed).ok().filter(|bytes| *bytes <= BYTES_MAX)?;
        Some(Self::HEAD_BYTES + bytes)
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.0.len() as u32);
        out.extend_from_slice(self.bytes());
    }

    /// Takes one from the front of `reader`.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let bytes = Self::span_of(reader.u32()?)? - Self::HEAD_BYTES;
        Self::new(reader.take(bytes)?.to_vec())
    }
}

/// What is in it may unlock a store, and is not shown.
impl<const BYTES_MAX: usize> fmt::Debug for Envelope<BYTES_MAX> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Envelope({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_read_as_the_newest_format_that_it_and_this_release_know() {
        let read = [(1, 1), (2, 1), (9, 1), (1, 9), (0, 0), (2, 2), (3, 2), (3, 3), (4, 3)];
        let v1 = Some(Format::V1);
        let known = [v1, v1, v1, v1, v1, Some(Format::V2), Some(Format::V2), None, None];
        assert_eq!(read.map(|(written, oldest)| Format::readable_as(written, oldest)), known);
    }

    #[test]
    fn every_format_has_its_number_and_they_ascend() {
        let all = [Format::V1, Format::V2];
        assert!(all.is_sorted_by(|one, next| one < next && one.number() < next.number()));
        assert!(all.into_iter().all(|format| Format::of_number(format.number()) == Some(format)));
        assert_eq!(all.last(), Some(&Format::NEWEST));
    }

    #[test]
    fn an_envelope_comes_back_and_one_that_is_too_long_is_none() {
        type Small = Envelope<3>;
        let envelope = Small::new(vec![7, 8, 9]).unwrap();
        let mut out = Vec::new();
        envelope.encode(&mut out);
        assert_eq!(out, [3, 0, 0, 0, 7, 8, 9]);
        assert_eq!(out.len(), envelope.span());
        assert_eq!(Small::decode(&mut Reader::new(&out)), Some(envelope));
        assert_eq!(Small::decode(&mut Reader::new(&out[..6])), None);
        assert_eq!(Small::new(vec![0; 4]), None);
        assert_eq!(Small::decode(&mut Reader::new(&[4, 0, 0, 0, 7, 8, 9, 10])), None);
        assert_eq!(Small::decode(&mut Reader::new(&[0xff; 8])), None);
    }

    #[test]
    fn what_is_in_an_envelope_is_not_shown() {
        let shown = format!("{:?}", StoreEnvelope::new(b"secret".to_vec()));
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}
