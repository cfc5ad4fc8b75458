//! Expiry: a wheel that knows when to look at a session.
//!
//! Owns: [`Wheel`], which holds for each session the moment at which somebody should look it up. Knows nothing of
//! sessions: a short tag and an arming come back out when their time has come, and the caller says what they mean.
//! It only reclaims; that nobody reads an expired session is for the reader of the deadline to see to.
//!
//! Lock order: the wheel has no lock. Who wraps it in one holds that while the callbacks run, so these look things up
//! (a shard's lock is inside the wheel's) and note what they find; they write nothing and wait for nothing.
//!
//! A crash falls nowhere in here: this is memory, rebuilt from the index.

mod levels;
mod slot;
#[cfg(test)]
mod tests;
mod wheel;

#[cfg(test)]
pub(crate) use wheel::Work;
pub(crate) use wheel::{PURGE_STEP, Verdict, Wheel};
