//! The terminal: draws, waits for a key or for the time to look again, and is given back as it was.

use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::sample::Sample;
use super::screen::Screen;
use crate::args::Top;
use crate::failure::Failure;

/// Shows a store until somebody has seen enough. A first look that fails is the command's failure; later ones are shown, since
/// the server may be starting anew.
pub(super) fn run(top: &Top) -> Result<(), Failure> {
    let first = Sample::first(&top.look.dir)?;
    let mut terminal = ratatui::try_init().map_err(terminal_failed)?;
    let watched = watch(&mut terminal, top, first);
    // Nobody is left to tell when the terminal has gone.
    let _ = ratatui::try_restore();
    watched.map_err(terminal_failed)
}

fn terminal_failed(error: io::Error) -> Failure {
    Failure::io("drawing on the terminal", error)
}

fn watch(terminal: &mut DefaultTerminal, top: &Top, first: Sample) -> io::Result<()> {
    let (mut sample, mut trouble) = (first, None);
    loop {
        let looked = Instant::now();
        loop {
            let shown = Screen::of(&sample).with_trouble(trouble.as_deref());
            terminal.draw(|frame| frame.render_widget(shown, frame.area()))?;
            match key_within(top.every.saturating_sub(looked.elapsed()))? {
                Heard::Enough => return Ok(()),
                Heard::Something => {}
                Heard::Nothing => break,
            }
        }
        match sample.next(&top.look.dir) {
            Ok(next) => (sample, trouble) = (next, None),
            Err(failure) => trouble = Some(failure.to_string()),
        }
    }
}

enum Heard {
    Enough,
    /// The terminal may have another size.
    Something,
    Nothing,
}

fn key_within(time: Duration) -> io::Result<Heard> {
    if !event::poll(time)? {
        return Ok(Heard::Nothing);
    }
    Ok(match event::read()? {
        Event::Key(key) if is_enough(key) => Heard::Enough,
        _ => Heard::Something,
    })
}

fn is_enough(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && (control_c || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
}
