//! A run on its way: what is chosen, what came of it so far, and how far it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::outcome::{Outcome, Row, Size};
use crate::plan::Scale;

/// The file that a run can be continued from.
pub const RESULTS: &str = "results.json";

/// See the module.
pub struct Run {
    /// How much is measured.
    pub scale: Scale,
    /// Which peers take part; all if there are none.
    pub peers: Vec<String>,
    /// Where the stores are put.
    pub directory: PathBuf,
    /// What came of it so far.
    pub outcome: Outcome,
    out: Option<PathBuf>,
    bar: ProgressBar,
    began: Instant,
}

impl Run {
    /// A run that will take about `total`, and keeps in `out` what comes of it.
    #[must_use]
    pub fn new(
        scale: Scale,
        peers: Vec<String>,
        directory: &Path,
        outcome: Outcome,
        out: Option<&Path>,
        total: Duration,
    ) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %, {eta} left: {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total.as_millis() as u64).with_style(style);
        let (directory, out) = (directory.to_owned(), out.map(Path::to_owned));
        Self { scale, peers, directory, outcome, out, bar, began: Instant::now() }
    }

    /// Something begins: a line of its own where there is no bar to see.
    pub fn begin(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            let (at, end) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
            let minutes = self.began.elapsed().as_secs_f64() / 60.0;
            eprintln!("{minutes:5.1} min, {:>3} %: {what}", (at * 100 / end).min(100));
        }
    }

    /// What of it is being done.
    pub fn say(&self, what: String) {
        self.bar.set_message(what);
    }

    /// So much of the expected time is over.
    pub fn advance(&self, time: Duration) {
        self.bar.inc(time.as_millis() as u64);
    }

    /// Takes the place of what was there of this workload, and keeps it.
    pub fn add_row(&mut self, row: Row) {
        match self.outcome.rows.iter_mut().find(|known| known.label == row.label) {
            Some(known) => *known = row,
            None => self.outcome.rows.push(row),
        }
        self.keep();
    }

    /// What is known of a peer's size, to be added to.
    pub fn size(&mut self, peer: &str, sessions: u64) -> &mut Size {
        let is_it = |size: &Size| size.peer == peer && size.sessions == sessions;
        let sizes = &mut self.outcome.sizes;
        let at = sizes.iter().position(is_it).unwrap_or_else(|| {
            sizes.push(Size { peer: peer.to_owned(), sessions, ..Size::default() });
            sizes.len() - 1
        });
        &mut sizes[at]
    }

    /// Writes down what came of it so far, so that a run that ends here can be continued.
    pub fn keep(&self) {
        let Some(out) = &self.out else { return };
        let json = serde_json::to_string_pretty(&self.outcome).unwrap_or_default();
        if let Err(error) = fs::create_dir_all(out).and_then(|()| fs::write(out.join(RESULTS), json)) {
            eprintln!("sessile-bench: writing into {}: {error}", out.display());
        }
    }

    /// The bar goes.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
