//! The log: frames in segments, the appender at its end, the roster of what belongs to it.

pub(crate) mod ahead;
pub(crate) mod appender;
pub(crate) mod bytes;
pub(crate) mod commit;
pub(crate) mod content;
pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod hint;
pub(crate) mod latch;
pub(crate) mod mark;
pub(crate) mod record;
pub(crate) mod rolling;
pub(crate) mod root;
pub(crate) mod roster;
pub(crate) mod segment;
pub(crate) mod tail;
#[cfg_attr(not(feature = "async"), allow(dead_code, reason = "only futures wait here"))]
mod tasks;
pub(crate) mod upgrading;
