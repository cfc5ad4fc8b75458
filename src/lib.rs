//! An embedded session store for single-node servers: a log, an index and an expiry wheel in one directory.

pub mod vfs;
