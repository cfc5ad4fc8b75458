//! Copies of a store that are no store: backups, and restores that are not finished.
//!
//! A backup is a directory with a file `BACKUP`, the header `STORE`, and segments: those that made up the store at a moment,
//! and one that begins behind them, holds no record and is the root. So it can be read like a store. It is not opened to be
//! written to, since it knows nothing of what was ended later: it is restored, and whoever restores it decides about that.
//!
//! Owns: what makes a directory such a copy, and the order in which one is written. Invariants:
//! 1. The mark, `BACKUP` or `RESTORE`, is durable before anything else stands there, and names the store. What has none is
//!    never written to.
//! 2. `STORE` is what makes a backup. It takes the place of the one before in one step, when every frame of every
//!    segment that it lists was read where it stands and found sound, and the names are durable. Until then the backup before it
//!    is what it was: of its files, only one that is damaged is written anew.
//! 3. A segment that is on the roster of a running store and is not its tail never changes below its end. So it may be linked, and
//!    one that stands there already need not be copied again. Behind its end a footer may be added, which is a cache, has a
//!    checksum, and is the same whoever writes it.
//! 4. What the new backup does not list is removed last.
//!
//! | a crash between | leaves |
//! |---|---|
//! | the mark's name and the first segment | a backup that is none yet; the next run goes on |
//! | two segments | the backup before, and files that it does not list; the next run finds them there |
//! | the last segment and `STORE` | the same |
//! | `STORE` and the last removal | the new backup, and files that it does not list; the next run removes them |

pub(crate) mod mark;
pub(crate) mod target;
