//! Where tests put something else in the place of what a server has.

use std::sync::Arc;

use super::Options;
use crate::vfs::Vfs;

impl Options {
    /// The file system. Default the real one.
    #[doc(hidden)]
    #[must_use]
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self
    }

    /// Rewrites garbage also while the store has room for it, so that a small store sees as much compaction as a large one.
    /// Default off.
    #[doc(hidden)]
    #[must_use]
    pub fn eager_compaction(mut self, eager: bool) -> Self {
        self.eager_compaction = eager;
        self
    }
}
