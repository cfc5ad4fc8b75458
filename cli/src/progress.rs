//! Bars and spinners on standard error: drawn only on a terminal, and only once something has taken a second.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(100);

/// Does `work`, with a spinner when it takes long.
pub(crate) fn during<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_message(what);
    bar.set_style(style("{spinner} {msg}, {elapsed}"));
    watched(&bar, work)
}

/// Does `work`, which moves the bar from 0 to `total`, with a bar when it takes long.
pub(crate) fn of_bytes<T>(what: &'static str, total: Option<u64>, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()).with_message(what);
    bar.set_style(style(match total {
        Some(_) => "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {msg} {bytes}, {elapsed}",
    }));
    watched(&bar, || work(&bar))
}

/// As [`of_bytes`], for things that are counted.
pub(crate) fn of_things<T>(what: &'static str, total: usize, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let total = u64::try_from(total).ok();
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()).with_message(what);
    bar.set_style(style("{msg} {wide_bar} {human_pos} of {human_len}, {eta} left"));
    watched(&bar, || work(&bar))
}

/// Does `work` in several passes, each of which says at its beginning over how many things it goes, if that is known.
pub(crate) fn of_passes<T>(work: impl FnOnce(&Passes<'_>) -> T) -> T {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    watched(&bar, || work(&Passes(&bar)))
}

/// The passes of a longer work.
pub(crate) struct Passes<'a>(&'a ProgressBar);

impl sessile_porting::Watch for Passes<'_> {
    fn begins(&self, what: &'static str, total: Option<u64>) {
        self.0.set_message(what);
        self.0.set_position(0);
        match total {
            Some(total) => self.0.set_length(total),
            None => self.0.unset_length(),
        }
        self.0.set_style(style(match total {
            Some(_) => "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left",
            None => "{spinner} {msg} {human_pos}, {elapsed}",
        }));
        self.0.reset_eta();
    }

    fn done(&self, entries: u64) {
        self.0.inc(entries);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Shows the bar from a thread of its own when `work` has not ended within a second.
fn watched<T>(bar: &ProgressBar, work: impl FnOnce() -> T) -> T {
    let (done, ended) = channel::<()>();
    let result = thread::scope(|scope| {
        let reveal = move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                // Hides itself where there is no terminal.
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(FRAME);
            }
        };
        // Where no thread can be had there is no bar, and the work is done all the same.
        let _ = thread::Builder::new().spawn_scoped(scope, reveal);
        let result = work();
        drop(done);
        result
    });
    bar.finish_and_clear();
    result
}
