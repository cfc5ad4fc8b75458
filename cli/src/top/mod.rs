//! `sessile top`: a store while it works, in a terminal.
//!
//! Rooms: `sample` is what is known at one moment, `screen` how it is drawn, in `words`, `watch` the terminal and its keys. Invariant: what
//! is asked each time is one look; nothing here changes the store, and the terminal is given back as it was.

mod sample;
mod screen;
mod watch;
mod words;

use std::io::{self, IsTerminal as _};
use std::thread;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::args::Top;
use crate::failure::Failure;
use crate::output;
use sample::Sample;
use screen::{HEIGHT, Screen};

/// How wide it is drawn where there is no terminal.
const WIDTH: u16 = 80;

/// Runs the command.
pub(crate) fn run(top: &Top) -> Result<(), Failure> {
    if top.once {
        return once(top);
    }
    if top.look.json {
        return Err(Failure::Usage("`sessile top --json` is for --once; add it".into()));
    }
    if !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "`sessile top` is for a terminal; add --once to print what it shows".into(),
        ));
    }
    watch::run(top)
}

/// Looks twice, for what happens in between, and prints.
fn once(top: &Top) -> Result<(), Failure> {
    let first = Sample::first(&top.look.dir)?;
    // Without a process at work nothing happens.
    let sample = if first.is_live() {
        thread::sleep(top.every);
        first.next(&top.look.dir)?
    } else {
        first
    };
    output::show(&sample, top.look.json)
}

impl output::Report for Sample {
    fn text(&self) -> String {
        let area = Rect::new(0, 0, WIDTH, HEIGHT);
        let mut buffer = Buffer::empty(area);
        Screen::of(self).render(area, &mut buffer);
        plain(&buffer)
    }
}

/// The letters of what was drawn, without its colours.
fn plain(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}
