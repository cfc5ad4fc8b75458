//! What is told of keys: which are in use, and how far a change of them has come.

/// Which keys the files of a store need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeysInUse {
    /// One for each key, and one for what needs none, if there is any; by name, what needs none last.
    pub uses: Vec<KeyUse>,
    /// Whether the store is being encrypted: then it is opened only by who goes on with that.
    pub unfinished: bool,
}

/// What one key is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeyUse {
    /// The key's name; `None` for what is plain.
    pub name: Option<String>,
    /// How many segments need it.
    pub segments: u64,
    /// How long their files are.
    pub bytes: u64,
    /// Whether it has wrapped the store's secret, without which nobody can open the store.
    pub has_secret: bool,
}

/// How far a store is encrypted anew: see [`Store::reencrypt`](crate::Store::reencrypt).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reencrypted {
    /// Segments that were rewritten or removed.
    pub done: u64,
    /// How many there are to be in the end, by what is known now.
    pub segments: u64,
    /// Bytes of records in those that are done.
    pub bytes: u64,
    /// Files that may hold what is plain, and are left alone: what a salvage has put aside, what was being written when a process died,
    /// and segments that could not be removed, which the next opening removes.
    pub left_plain: Vec<String>,
}
