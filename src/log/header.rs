//! The two headers: the store's, and each segment's. Each is written in the store's [`Format`](super::format::Format).

mod segment;
mod store;

pub(crate) use segment::SegmentHeader;
pub(crate) use store::{COPY_BYTES, StoreCopy, StoreHeader};
