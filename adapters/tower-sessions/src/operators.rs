//! Operators: they act on the store while this process holds it, over a socket in its directory.

use sessile::nonblocking::AsyncStore;
use sessile_control::{Control, Error};

/// Begins to serve them. A server without is better than none.
pub(crate) fn serve_operators(sessions: &AsyncStore) -> Option<Control> {
    match Control::serve(sessions.store()) {
        Ok(control) => Some(control),
        // The commands can look themselves, as this process does.
        Err(Error::ReadOnly) => None,
        Err(error) => {
            tracing::warn!(%error, "the operators of a session store are not served");
            None
        }
    }
}
