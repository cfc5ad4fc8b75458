//! Pictures of a run: throughput and latencies, one field for each workload, as SVG and as PNG.
//!
//! Owns: what is drawn, once for both formats. Scales are logarithmic, since the peers lie a thousandfold apart.

use std::error::Error;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::outcome::{Figure, OURS, Outcome, Row, Size};
use crate::readme::SHOWN;
use crate::table::quantity;

const FIELD: (u32, u32) = (420, 300);
const COLUMNS: usize = 3;
const FONT: &str = "sans-serif";

type Failed = Box<dyn Error + Send + Sync>;

/// Draws `throughput` and `latency` of every workload, `readme` with those that the README shows, and `sizes`, into a directory,
/// each as `.svg` and `.png`.
///
/// # Errors
/// What could not be written.
pub fn draw(outcome: &Outcome, out: &Path) -> Result<(), Failed> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        // Without a font of its own the PNG would need one of the machine's.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
    let fields = |of: fn(&Row) -> Vec<Series>| {
        outcome.rows.iter().map(move |row| {
            let mut series = of(row);
            series.iter_mut().for_each(|series| series.number = outcome.number(&series.peer));
            Field { caption: row.label.clone(), series }
        })
    };
    let is_shown = |field: &Field| SHOWN.iter().any(|(_, label)| *label == field.caption);
    let usual = format!("{} sessions, {}", outcome.sessions, outcome.began);
    for (name, title, fields) in [
        ("throughput", format!("Requests a second: {usual}"), fields(throughput).collect()),
        ("latency", format!("Microseconds a request: {usual}"), fields(latency).collect()),
        ("readme", format!("Requests a second: {usual}"), fields(throughput).filter(is_shown).collect()),
        ("sizes", format!("{} sessions, {}", outcome.million, outcome.began), sizes(outcome)),
    ] {
        let fields: Vec<Field> = fields;
        if fields.is_empty() {
            continue;
        }
        let rows = fields.len().div_ceil(COLUMNS) as u32;
        let size = (FIELD.0 * COLUMNS as u32, FIELD.1 * rows + 40);
        let svg = out.join(format!("{name}.svg"));
        sheet(&SVGBackend::new(&svg, size).into_drawing_area(), &title, &fields)?;
        let png = out.join(format!("{name}.png"));
        sheet(&BitMapBackend::new(&png, size).into_drawing_area(), &title, &fields)?;
    }
    Ok(())
}

/// What is drawn of a workload: labels along one side, and a line or bar for each peer.
struct Field {
    caption: String,
    series: Vec<Series>,
}

/// What belongs to one peer.
struct Series {
    peer: String,
    /// By which it has its colour, the same in every field.
    number: usize,
    points: Vec<(String, f64)>,
}

impl Outcome {
    fn number(&self, peer: &str) -> usize {
        self.peers.iter().position(|known| known.name == peer).unwrap_or(self.peers.len())
    }
}

fn sizes(outcome: &Outcome) -> Vec<Field> {
    type Of = fn(&Size) -> Option<f64>;
    let fields: [(&str, Of); 4] = [
        ("bytes on disk a session", |size| Some(size.disk_bytes? / size.sessions as f64)),
        ("bytes of memory a session", |size| Some(size.memory_bytes? / size.sessions as f64)),
        ("open after a clean close, ms", |size| size.open_closed_ms),
        ("open after a kill, ms", |size| size.open_killed_ms),
    ];
    let of = |(caption, of): (&str, Of)| {
        let sizes = outcome.sizes.iter().filter(|size| size.sessions == outcome.million);
        let bar = |size: &Size| {
            let value = of(size).filter(|value| *value > 0.0)?;
            let text = if value < 10.0 { format!("{value:.1}") } else { quantity(value) };
            let number = outcome.number(&size.peer);
            Some(Series { peer: size.peer.clone(), number, points: vec![(text, value)] })
        };
        Field { caption: caption.to_owned(), series: sizes.filter_map(bar).collect() }
    };
    fields.into_iter().map(of).filter(|field| !field.series.is_empty()).collect()
}

fn throughput(row: &Row) -> Vec<Series> {
    let of = |figure: &Figure| Series {
        peer: figure.peer.clone(),
        number: 0,
        points: vec![(quantity(figure.median.per_second), figure.median.per_second)],
    };
    row.figures.iter().map(of).collect()
}

fn latency(row: &Row) -> Vec<Series> {
    let of = |figure: &Figure| {
        let median = &figure.median;
        let points = [
            ("p50", median.p50_ns),
            ("p90", median.p90_ns),
            ("p95", median.p95_ns),
            ("p99", median.p99_ns),
            ("p99.9", median.p999_ns),
        ];
        let points = points.map(|(name, ns)| (name.to_owned(), ns / 1e3)).to_vec();
        Series { peer: figure.peer.clone(), number: 0, points }
    };
    row.figures.iter().map(of).collect()
}

fn sheet<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str, fields: &[Field]) -> Result<(), Failed>
where
    B::ErrorType: 'static,
{
    let failed = |error: DrawingAreaErrorKind<B::ErrorType>| Failed::from(error.to_string());
    area.fill(&WHITE).map_err(failed)?;
    let body = area.titled(title, (FONT, 20)).map_err(failed)?;
    let areas = body.split_evenly((fields.len().div_ceil(COLUMNS), COLUMNS));
    for (field, area) in fields.iter().zip(&areas) {
        let is_bars = field.series.iter().all(|series| series.points.len() == 1);
        if is_bars { bars(area, field) } else { lines(area, field) }.map_err(failed)?;
    }
    area.present().map_err(failed)
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// A bar for each peer, the fastest on top.
fn bars<B: DrawingBackend>(area: &DrawingArea<B, Shift>, field: &Field) -> Drawn<B> {
    let mut bars: Vec<_> = field
        .series
        .iter()
        .filter_map(|series| Some((series.number, series.peer.as_str(), series.points.first()?)))
        .collect();
    bars.sort_by(|(.., (_, one)), (.., (_, other))| one.total_cmp(other));
    let (least, most) = range(bars.iter().map(|(.., (_, value))| *value));
    let mut chart = ChartBuilder::on(area)
        .caption(&field.caption, (FONT, 15))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(110)
        .build_cartesian_2d((least..most).log_scale(), 0..bars.len() * 2)?;
    let name = |at: &usize| match bars.get(at / 2) {
        Some((_, peer, _)) if at % 2 == 1 => (*peer).to_owned(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .x_label_formatter(&|value| quantity(*value))
        .y_labels(bars.len() * 2)
        .y_label_formatter(&name)
        .label_style((FONT, 12))
        .draw()?;
    for (at, (number, peer, (text, value))) in bars.iter().enumerate() {
        let mut bar = Rectangle::new([(least, at * 2), (*value, at * 2 + 2)], colour(peer, *number).filled());
        bar.set_margin(3, 3, 0, 0);
        chart.draw_series(std::iter::once(bar))?;
        let style = TextStyle::from((FONT, 11)).color(&BLACK).pos(MIDDLE);
        chart.draw_series(std::iter::once(Text::new(text.clone(), (least * 1.1, at * 2 + 1), style)))?;
    }
    Ok(())
}

const MIDDLE: plotters::style::text_anchor::Pos = plotters::style::text_anchor::Pos {
    h_pos: plotters::style::text_anchor::HPos::Left,
    v_pos: plotters::style::text_anchor::VPos::Center,
};

/// A line for each peer over its percentiles.
fn lines<B: DrawingBackend>(area: &DrawingArea<B, Shift>, field: &Field) -> Drawn<B> {
    let series = &field.series;
    let (least, most) = range(series.iter().flat_map(|series| &series.points).map(|(_, value)| *value));
    let names: Vec<&str> = series
        .first()
        .map_or_else(Vec::new, |series| series.points.iter().map(|(name, _)| name.as_str()).collect());
    let mut chart = ChartBuilder::on(area)
        .caption(&field.caption, (FONT, 15))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(24)
        .y_label_area_size(48)
        .build_cartesian_2d(0..names.len().max(2) - 1, (least..most).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(names.len())
        .x_label_formatter(&|at| names.get(*at).copied().unwrap_or_default().to_owned())
        .y_labels(6)
        .y_label_formatter(&|value| quantity_of_time(*value))
        .label_style((FONT, 12))
        .draw()?;
    for series in series {
        let colour = colour(&series.peer, series.number);
        let width = if series.peer == OURS { 3 } else { 1 };
        let points = series.points.iter().enumerate().map(|(at, (_, value))| (at, *value));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(width)))?
            .label(series.peer.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.7))
        .label_font((FONT, 10))
        .draw()
}

/// Half a decade more on either side.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let positive = values.filter(|value| *value > 0.0);
    let least = positive.clone().fold(f64::INFINITY, f64::min);
    let most = positive.fold(0.0, f64::max);
    if least.is_finite() { (least / 3.0, most * 3.0) } else { (1.0, 10.0) }
}

/// Ours stands out.
fn colour(peer: &str, number: usize) -> RGBColor {
    if peer == OURS {
        return RGBColor(214, 69, 65);
    }
    let (r, g, b) = Palette99::COLORS[number % Palette99::COLORS.len()];
    let fade = |part: u8| part / 2 + 90;
    RGBColor(fade(r), fade(g), fade(b))
}

fn quantity_of_time(us: f64) -> String {
    if us >= 1.0 { quantity(us) } else { format!("{us:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;
    use crate::peer::Wait;
    use crate::plan::Scale;
    use crate::workload::{Kind, Workload};

    #[test]
    fn both_formats_are_drawn_also_of_figures_that_are_nothing() {
        let out = std::env::temp_dir().join(format!("sessile-bench-chart-{}", std::process::id()));
        std::fs::create_dir_all(&out).unwrap();
        let mut outcome = Outcome::new(&Scale::TRIAL, &out);
        let figure = |peer: &str, per_second| Figure {
            peer: peer.to_owned(),
            counts_allocations: false,
            median: Sample { per_second, p50_ns: 10.0, ..Sample::default() },
            spread: 1.0,
        };
        let workload =
            Workload { name: "w", kind: Kind::Set, threads: 1, wait: Wait::Written, million: false };
        outcome.rows.push(Row::new(workload, vec![figure(OURS, 0.0), figure("other", 7.0)]));
        draw(&outcome, &out).unwrap();
        for name in ["throughput", "latency"] {
            let svg = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
            assert!(svg.contains(OURS) && svg.contains("other"));
            assert!(std::fs::read(out.join(format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"));
        }
        std::fs::remove_dir_all(&out).unwrap();
    }
}
