//! Settings that are one of several words.

/// What happens when a limit of the store is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtLimit {
    /// Refuse the write with [`Error::Full`](crate::Error::Full).
    Reject,
    /// End the sessions without a subject that would end soonest by themselves; never one with a subject.
    EvictAnonymous,
}

/// What to do about files that are damaged below what is known to have been durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// Refuse to open, and name the place.
    Strict,
    /// Open without what the damage may have ended, and report it.
    Salvage,
}

/// How sealed segments are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadMode {
    /// From a memory map: fastest; a media error under it is a signal to the process.
    Map,
    /// With plain reads: a media error is an [`Error::Io`](crate::Error::Io).
    Plain,
}
