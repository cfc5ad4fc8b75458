//! What the fuzz targets need of the inside. No part of the contract: hidden, behind a feature of its own, and free to
//! change or go with any release.
//!
//! Owns: nothing. Thin functions only, so that what is fuzzed is what runs: `read` hands bytes to a decoder and gives
//! back what was understood, written again; `parts` writes sound parts of a store out of plain values; `seal` puts the
//! checksum of damaged bytes right, so that a fuzzer comes past it.

mod parts;
mod read;
mod seal;

pub use parts::{
    Body, Ending, Listed, Put, SegmentHeader, SnapshotEntry, SnapshotParts, StoreHeader, digest, footer_of,
    frame_bytes, subject_digest,
};
pub use read::{
    FooterRead, LEDGER_COPY_BYTES, LedgerRead, STORE_COPY_BYTES_MAX, Scanned, SealedRead, StoreRead, footer,
    frame, leave, ledger, ledger_file, listed, mark, put, roster, scanned, sealed, segment_header, snapshot,
    store_file, store_header,
};
pub use seal::{seal_footer, seal_frame, seal_ledger, seal_segment_header, seal_snapshot, seal_store_header};
