//! Turns: one call at a time moves a session, within this process.
//!
//! Owns: who is at which session, by the first byte and a half of its handle, and since when another server has been seen at one.

use std::collections::HashMap;
use std::time::Duration;

use sessile::{Handle, Version};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

const SHARDS: usize = 1024;

/// Since when a session has been seen to be moved by somebody else, at which version of his entry.
type Sightings = HashMap<Handle, (Version, Instant)>;

#[derive(Debug)]
pub(super) struct Turns(Vec<Mutex<Sightings>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits until nobody else of this process is at it.
    pub async fn of(&self, handle: Handle) -> Turn<'_> {
        let [first, second, ..] = handle.to_bytes();
        let shard = usize::from(u16::from_be_bytes([first, second])) % SHARDS;
        match self.0.get(shard) {
            Some(shard) => Turn(Some(shard.lock().await)),
            None => Turn(None),
        }
    }
}

/// Nobody else of this process moves the session while this is held.
pub(super) struct Turn<'a>(Option<MutexGuard<'a, Sightings>>);

impl Turn<'_> {
    /// For how long another has been seen at it, without a new entry.
    pub fn has_seen(&mut self, handle: Handle, begun: Version) -> Duration {
        let Some(sightings) = &mut self.0 else { return Duration::ZERO };
        let (version, since) = sightings.entry(handle).or_insert_with(|| (begun, Instant::now()));
        if *version != begun {
            (*version, *since) = (begun, Instant::now());
        }
        since.elapsed()
    }

    /// It is settled, or this call is at it now.
    pub fn forget(&mut self, handle: Handle) {
        if let Some(sightings) = &mut self.0 {
            sightings.remove(&handle);
        }
    }
}
