//! The facade: for programs whose metrics go through the crate `metrics` already, to whatever exporter they have.
//!
//! Owns: [`record`], and the thread that does it again and again. A histogram of the store is counted by the store, and the facade
//! takes none that is: it arrives as counters with the names and labels that Prometheus gives to a histogram.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::{Label as Tag, counter, describe_counter, describe_gauge, gauge};
use sessile::{Stats, Store};

use crate::figures::{self, Label, Values, count, cumulative};

/// Gives the figures to the recorder of the crate `metrics` that is installed.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// sessile_metrics::record(&store.stats());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn record(stats: &Stats) {
    for figure in figures::of(stats) {
        let name = figure.name;
        match figure.values {
            Values::Gauge(values) => {
                values.into_iter().for_each(|(label, value)| gauge!(name, tags(label)).set(value));
            }
            Values::Counter(values) => {
                values.into_iter().for_each(|(label, value)| counter!(name, tags(label)).absolute(value));
            }
            Values::Spread { histograms, per_unit } => {
                for (label, histogram) in histograms {
                    for (bound, below) in cumulative(&histogram, per_unit) {
                        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
                        let mut tags = tags(label);
                        tags.push(Tag::new("le", bound));
                        counter!(format!("{name}_bucket"), tags).absolute(below);
                    }
                    gauge!(format!("{name}_sum"), tags(label)).set(count(histogram.sum()) / per_unit);
                    counter!(format!("{name}_count"), tags(label)).absolute(histogram.count());
                }
            }
        }
    }
}

fn tags(label: Label) -> Vec<Tag> {
    label.into_iter().map(|(key, value)| Tag::from_static_parts(key, value)).collect()
}

/// Tells the recorder what the figures mean. Once is enough.
pub fn describe() {
    for figure in figures::of(&Stats::default()) {
        match figure.values {
            Values::Gauge(_) => describe_gauge!(figure.name, figure.help),
            Values::Counter(_) => describe_counter!(figure.name, figure.help),
            Values::Spread { .. } => describe_counter!(format!("{}_bucket", figure.name), figure.help),
        }
    }
}

/// A thread records a store's figures while this lives and the store is open.
///
/// ```
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir()?;
/// let store = sessile::Store::open(dir.path())?;
/// let recording = sessile_metrics::Recording::every(Duration::from_secs(10), &store)?;
/// # drop(recording);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it stops when this is dropped"]
#[derive(Debug)]
pub struct Recording {
    ended: Arc<Ended>,
}

/// Whether it is time to stop.
#[derive(Debug, Default)]
struct Ended {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for so long; `true` when it is time to stop.
    fn within(&self, time: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(ended, time, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Recording {
    /// Records now and in such intervals. It does not keep the store open.
    ///
    /// # Errors
    /// `Closed` when the store is; `Io` when the thread cannot be started.
    pub fn every(interval: Duration, store: &Store) -> std::io::Result<Self> {
        let ended = Arc::new(Ended::default());
        let (at_close, store, stop) = (Arc::clone(&ended), store.weak(), Arc::clone(&ended));
        store.at_close(move || at_close.end()).map_err(std::io::Error::other)?;
        thread::Builder::new().name("sessile-metrics".to_owned()).spawn(move || {
            describe();
            loop {
                record(&store.stats());
                if stop.within(interval) {
                    return;
                }
            }
        })?;
        Ok(Self { ended })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.ended.end();
    }
}
