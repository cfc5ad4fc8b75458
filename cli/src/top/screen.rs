//! How a sample is drawn: readable in 80 columns and 24 lines, and cut where there are fewer.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Bar, BarChart, BarGroup, Paragraph, Widget};
use sessile_control::Figures;

use super::sample::{Rates, Sample};
use super::words::{micros, nanos, per_second, shares, spread, time, whole};
use crate::failure::describe;
use crate::output::{bytes, grouped, moment};

/// What is drawn.
pub(super) struct Screen<'s> {
    sample: &'s Sample,
    /// Why the last look failed, when it did.
    trouble: Option<&'s str>,
}

const NAME_WIDTH: usize = 12;
/// What all of it takes.
pub(super) const HEIGHT: u16 = 24;
const CHART_HEIGHT: u16 = 5;
/// Title, one line of bars, and the hours.
const CHART_HEIGHT_MIN: u16 = 3;

impl<'s> Screen<'s> {
    pub fn of(sample: &'s Sample) -> Self {
        Self { sample, trouble: None }
    }

    pub fn with_trouble(self, trouble: Option<&'s str>) -> Self {
        Self { trouble, ..self }
    }

    fn figures(&self) -> &'s Figures {
        &self.sample.figures
    }

    fn head(&self) -> Vec<Line<'s>> {
        let figures = self.figures();
        let held = match &figures.held_by {
            Some(by) => describe(by),
            None => "nobody".to_owned(),
        };
        let ahead = &figures.ahead;
        vec![
            Line::from(self.sample.directory.display().to_string()).bold(),
            row("held by", vec![held.into()]),
            row("health", vec![self.health()]),
            row("clock", vec![self.clock()]),
            row(
                "sessions",
                vec![
                    grouped(ahead.sessions).bold(),
                    format!(
                        " live, {} end within an hour, {} within a day",
                        grouped(ahead.within_hour),
                        grouped(ahead.within_day)
                    )
                    .into(),
                ],
            ),
        ]
    }

    fn health(&self) -> Span<'s> {
        let figures = self.figures();
        match (self.trouble, &figures.latched) {
            (Some(trouble), _) => Span::from(trouble).fg(Color::Red),
            (None, _) if !figures.whole => {
                Span::from("unknown: it serves no operators, so only its files are seen")
            }
            (None, Some(cause)) => {
                Span::from(format!("LATCHED, takes no more writes since this failed: {cause}")).fg(Color::Red)
            }
            (None, None) if figures.damaged_places > 0 => {
                Span::from(format!("damaged in {} places", figures.damaged_places)).fg(Color::Red)
            }
            (None, None) => Span::from("sound").fg(Color::Green),
        }
    }

    fn clock(&self) -> Span<'s> {
        let clock = &self.figures().clock;
        let believed = moment(clock.believed_ms);
        if !clock.unconfirmed {
            return Span::from(believed);
        }
        let hidden = grouped(clock.hidden);
        let shown = moment(clock.shown_ms);
        Span::from(format!("{believed}, unconfirmed {shown} hides {hidden}")).fg(Color::Yellow)
    }

    /// What happens in a second, and has since the opening; two to a line.
    fn rates(&self) -> Vec<Line<'s>> {
        type Rate = fn(&Rates) -> f64;
        type Count = fn(&Figures) -> u64;
        let counters: [[(&str, Rate, Count); 2]; 5] = [
            [
                ("reads", |r| r.read, |f| f.calls.read.count),
                ("writes", |r| r.written, |f| f.calls.write.count),
            ],
            [("created", |r| r.created, |f| f.created), ("expired", |r| r.expired, |f| f.expired)],
            [("updated", |r| r.updated, |f| f.updated), ("ended", |r| r.ended, |f| f.ended)],
            [("touched", |r| r.touched, |f| f.touched), ("evicted", |r| r.evicted, |f| f.evicted)],
            [("  coalesced", |r| r.coalesced, |f| f.coalesced), ("rejected", |r| r.rejected, |f| f.rejected)],
        ];
        let (figures, rates) = (self.figures(), self.sample.per_second);
        let titles = format!("{:<NAME_WIDTH$}{:>11} {:>15}", "", "per second", "in all");
        let mut lines = vec![Line::from(format!("{titles}  {titles}")).dim()];
        lines.extend(counters.map(|pair| {
            let cells = pair.map(|(name, rate, count)| {
                let rate = rates.map_or_else(|| "-".to_owned(), |rates| per_second(rate(&rates)));
                let count = if figures.whole { grouped(count(figures)) } else { "-".to_owned() };
                format!("{name:<NAME_WIDTH$}{rate:>11} {count:>15}")
            });
            Line::from(cells.join("  "))
        }));
        lines
    }

    /// How long half of the calls of each kind took, and nearly all.
    fn calls(&self) -> Line<'s> {
        let figures = self.figures();
        if !figures.whole {
            return row("calls", vec!["unknown".into()]);
        }
        let kinds = figures.calls.named().map(|(name, call)| {
            let nanos_of = call.nanos.histogram();
            let within = |share| nanos_of.quantile(share).map_or_else(|| "-".to_owned(), nanos);
            format!("{name} {}/{}", within(0.5), within(0.99))
        });
        row("calls", vec![kinds.join("  ").into()])
    }

    fn syncs(&self) -> Vec<Line<'s>> {
        let figures = self.figures();
        if !figures.whole {
            return vec![row("syncs", vec!["unknown".into()]), row("groups", vec!["unknown".into()])];
        }
        let (took, groups) = (figures.sync_micros.histogram(), figures.group_frames.histogram());
        let rate = self.sample.per_second.map_or_else(|| "-".to_owned(), |rates| per_second(rates.syncs));
        let last = figures.last_sync_micros.map_or_else(|| "-".to_owned(), micros);
        vec![
            row(
                "syncs",
                vec![format!("{rate}/s; half within {}, last {last}", spread(&took, micros)).into()],
            ),
            row("groups", vec![format!("of frames; half within {}", spread(&groups, grouped)).into()]),
        ]
    }

    /// The files as a bar: what lives, what is dead, and what is not written yet.
    fn disk(&self, width: u16) -> Vec<Line<'s>> {
        let figures = self.figures();
        let unused = figures.disk_bytes.saturating_sub(figures.live_bytes + figures.dead_bytes);
        let parts = [
            ("live", figures.live_bytes, "█", Color::Green),
            ("dead", figures.dead_bytes, "▒", Color::Yellow),
            ("unwritten", unused, "░", Color::DarkGray),
        ];
        let room = usize::from(width).saturating_sub(NAME_WIDTH);
        let widths = shares(parts.map(|(_, size, ..)| size), room);
        let bar = parts
            .iter()
            .zip(widths)
            .map(|((_, _, symbol, color), width)| Span::from(symbol.repeat(width)).fg(*color));
        let legend = parts.map(|(name, size, symbol, color)| {
            [Span::from(symbol).fg(color), Span::from(format!(" {name} {}  ", bytes(size)))]
        });
        let segments = format!("{} of {} on disk", grouped(figures.segments), bytes(figures.disk_bytes));
        vec![
            row("segments", vec![segments.into()]),
            row("", bar.collect()),
            row("", legend.into_iter().flatten().collect()),
        ]
    }

    fn behind(&self) -> Vec<Line<'s>> {
        let figures = self.figures();
        if !figures.whole {
            return vec![row("behind", vec!["unknown".into()]), row("compaction", vec!["unknown".into()])];
        }
        let behind = format!(
            "expiry {} ({} wait), erasing {} of {}",
            time(figures.expiry_lag_ms),
            grouped(figures.expiry_backlog),
            time(figures.erase_lag_ms),
            time(figures.erase_within_ms)
        );
        let rate = self.sample.per_second.map(|rates| format!(", {}/s", bytes(whole(rates.compacted_bytes))));
        let compaction = format!(
            "{} done, {} written{}; memory {}",
            grouped(figures.compactions),
            bytes(figures.compacted_bytes),
            rate.unwrap_or_default(),
            bytes(figures.memory_bytes)
        );
        vec![row("behind", vec![behind.into()]), row("compaction", vec![compaction.into()])]
    }

    fn draw_hours(&self, area: Rect, buffer: &mut Buffer) {
        let hours = &self.figures().ahead.hours;
        let most = hours.iter().copied().max().unwrap_or(0);
        let title = format!("ends in each of the next 24 hours, unless used; at most {}", grouped(most));
        let [above, chart] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        Line::from(title).dim().render(above, buffer);
        let bars: Vec<_> = (1u64..)
            .zip(hours)
            .map(|(hour, count)| {
                Bar::default().value(*count).label(Line::from(hour.to_string())).text_value(String::new())
            })
            .collect();
        BarChart::default()
            .data(BarGroup::default().bars(&bars))
            .bar_width(2)
            .bar_gap(1)
            .max(most.max(1))
            .bar_style(Style::new().fg(Color::Cyan))
            .render(chart, buffer);
    }
}

impl Widget for Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        // Where there is less room than for all, the chart gives way first, and then what stands below.
        let chart = CHART_HEIGHT.saturating_sub(HEIGHT.saturating_sub(area.height));
        let chart = if chart < CHART_HEIGHT_MIN { 0 } else { chart };
        let mut y = area.y;
        let [head, hours, rates, calls, syncs, disk, behind] = [5, chart, 6, 1, 2, 3, 2].map(|height| {
            let below = Rect { y, height, ..area };
            y = y.saturating_add(height);
            below.intersection(area)
        });
        Paragraph::new(self.head()).render(head, buffer);
        self.draw_hours(hours, buffer);
        Paragraph::new(self.rates()).render(rates, buffer);
        self.calls().render(calls, buffer);
        Paragraph::new(self.syncs()).render(syncs, buffer);
        Paragraph::new(self.disk(area.width)).render(disk, buffer);
        Paragraph::new(self.behind()).render(behind, buffer);
    }
}

/// A name, and what it is.
fn row<'s>(name: &'static str, value: Vec<Span<'s>>) -> Line<'s> {
    let mut spans = vec![Span::from(format!("{name:<NAME_WIDTH$}")).dim()];
    spans.extend(value);
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    use sessile::Histogram;
    use sessile_control::HeldBy;

    fn sample() -> Sample {
        let mut figures = Figures {
            whole: true,
            held_by: Some(HeldBy {
                pid: Some(4711),
                host: Some("web1".into()),
                since_ms: Some(1_795_960_000_000),
            }),
            created: 1_204_331,
            updated: 310_022,
            touched: 98_112_345,
            coalesced: 96_000_111,
            expired: 901_222,
            ended: 31_202,
            rejected: 3,
            disk_bytes: 1 << 30,
            live_bytes: 640 << 20,
            dead_bytes: 128 << 20,
            segments: 17,
            memory_bytes: 34 << 20,
            expiry_backlog: 12,
            expiry_lag_ms: 431,
            erase_lag_ms: 3_600_000 * 5,
            erase_within_ms: 3_600_000 * 24,
            syncs: 8_123,
            last_sync_micros: Some(1_240),
            compactions: 42,
            compacted_bytes: 3 << 30,
            ..Figures::default()
        };
        figures.sync_micros = (&Histogram::from_parts(vec![250, 1_000, 5_000], vec![10, 80, 9, 1], 0)).into();
        figures.group_frames = (&Histogram::from_parts(vec![1, 2, 64], vec![0, 60, 40, 0], 0)).into();
        figures.calls.read.count = 312_999_001;
        figures.calls.read.nanos =
            (&Histogram::from_parts(vec![500, 1_000, 25_000], vec![90, 8, 2, 0], 0)).into();
        figures.calls.write.nanos =
            (&Histogram::from_parts(vec![10_000, 2_500_000], vec![90, 10, 0], 0)).into();
        figures.clock.believed_ms = 1_795_961_864_732;
        figures.clock.shown_ms = 1_795_961_864_732;
        figures.ahead.sessions = 1_000_000;
        for (hour, count) in (0..).zip(figures.ahead.hours.iter_mut()) {
            *count = if hour < 12 { 1_000 * (hour + 1) } else { 500 };
        }
        (figures.ahead.within_hour, figures.ahead.within_day) = (1_000, 84_000);
        let per_second = Some(Rates { created: 12.5, touched: 4_321.0, syncs: 99.4, ..Rates::default() });
        Sample { directory: "/srv/shop/sessions".into(), taken: Instant::now(), figures, per_second }
    }

    fn drawn(screen: Screen<'_>, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        screen.render(area, &mut buffer);
        super::super::plain(&buffer)
    }

    #[test]
    fn a_store_at_work_in_80_by_24() {
        let drawn = drawn(Screen::of(&sample()), 80, 24);
        assert_eq!(drawn, include_str!("at_work.txt"), "\n{drawn}");
    }

    #[test]
    fn trouble_shows_where_health_stands() {
        let mut latched = sample();
        latched.figures.latched = Some("fdatasync of 7.seg".into());
        latched.figures.clock.unconfirmed = true;
        latched.figures.clock.hidden = 1_234;
        let latched = drawn(Screen::of(&latched), 80, 24);
        assert!(latched.contains("LATCHED") && latched.contains("fdatasync of 7.seg"), "{latched}");
        assert!(latched.contains("hides 1,234"), "{latched}");
        let sample = sample();
        let lost = Screen::of(&sample).with_trouble(Some("the process that held the store has let go"));
        assert!(drawn(lost, 80, 24).contains("has let go"));
        let mut look = sample.clone();
        (look.figures.whole, look.per_second) = (false, None);
        let look = drawn(Screen::of(&look), 80, 24);
        assert!(look.contains("serves no operators") && look.matches("unknown").count() == 6, "{look}");
    }

    #[test]
    fn no_size_of_a_terminal_panics() {
        let (sample, nothing) = (sample(), Figures::default());
        let nothing = Sample { figures: nothing, ..sample.clone() };
        for width in (0..100).step_by(7) {
            for height in 0..30 {
                drawn(Screen::of(&sample), width, height);
                drawn(Screen::of(&nothing), width, height);
            }
        }
    }
}
