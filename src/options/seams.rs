//! What is not for servers: for tests, and for the command that compacts a store at rest.

use std::sync::Arc;

use super::Options;
use crate::vfs::Vfs;

impl Options {
    /// The file system, for tests. Default the real one.
    #[doc(hidden)]
    #[must_use]
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self
    }

    /// Rewrites garbage also while the store has room for it: for who wants that room, and for tests, in which a small store
    /// is to see as much compaction as a large one.
    /// Default off.
    #[doc(hidden)]
    #[must_use]
    pub fn eager_compaction(mut self, eager: bool) -> Self {
        self.eager_compaction = eager;
        self
    }
}
