//! Pages: what was read from the store, as HTML and as the JSON that keeps the page up to date.
//!
//! Owns: every template and every unit of measure on the page. Invariant: nothing a visitor typed reaches HTML but
//! through [`escape`].

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sessile::{Deadline, Error, Session, Stats};

use crate::{ABSOLUTE, Data, IDLE, View};

/// The style, the script and the icon, each at an address of its own: the page allows nothing inline.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |kind: &'static str, text: &'static str| {
        get(async move || ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text))
    };
    Router::new()
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("style.css")))
        .route("/live.js", asset("text/javascript; charset=utf-8", include_str!("live.js")))
        .route("/icon.svg", asset("image/svg+xml", include_str!("icon.svg")))
}

/// The one page: a form for who is not logged in, the session and its devices for who is, and the store for both.
pub fn home(view: &View, notice: &str) -> Html<String> {
    let now_ms = view.stats.clock_ms;
    let content = match (&view.me, member(view)) {
        (Some(me), Some(name)) => format!(
            include_str!("member.html"),
            name = escape(&name),
            visits = Data::of(me).visits,
            began = ago(me.created_ms(), now_ms),
            idle = until(me.deadline(), now_ms),
            idle_bar = bar(me.deadline(), IDLE, now_ms),
            absolute = until(me.absolute_deadline(), now_ms),
            absolute_bar = bar(me.absolute_deadline(), ABSOLUTE, now_ms),
            devices = devices(view),
        ),
        (me, _) => format!(
            include_str!("visitor.html"),
            visits = me.as_ref().map_or(0, |session| Data::of(session).visits),
            idle = me.as_ref().map_or_else(String::new, |session| until(session.deadline(), now_ms)),
        ),
    };
    let figures: String = figures(&view.stats)
        .iter()
        .map(|(key, label, value)| {
            format!("<div><dt>{label}</dt><dd data-figure=\"{key}\">{value}</dd></div>\n")
        })
        .collect();
    let store = format!(
        include_str!("store.html"),
        figures = figures,
        opening = opening(&view.stats),
        process = std::process::id(),
    );
    frame(notice, &format!("{content}{store}"), &handle(view), now_ms)
}

/// What the script asks for: the same words and figures, without the page around them.
pub fn live(view: &View) -> Value {
    let figures = figures(&view.stats).into_iter().map(|(key, _, value)| (key.to_owned(), value.into()));
    json!({
        "now": view.stats.clock_ms,
        "process": std::process::id(),
        "handle": handle(view),
        "idle": view.me.as_ref().map(|session| session.deadline().as_ms()),
        "visits": view.me.as_ref().map(|session| Data::of(session).visits),
        "devices": devices(view),
        "figures": Value::Object(figures.collect()),
        "opening": opening(&view.stats),
    })
}

/// A page that says what went wrong.
pub struct Failure {
    status: StatusCode,
    sentence: &'static str,
}

impl Failure {
    pub fn new(status: StatusCode, sentence: &'static str) -> Self {
        Self { status, sentence }
    }

    pub fn unavailable() -> Self {
        let sentence = "The session store cannot answer just now. Please try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        complain(&error);
        Self::unavailable()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let content = format!(include_str!("failure.html"), sentence = self.sentence);
        (self.status, frame("", &content, "", 0)).into_response()
    }
}

/// To whom runs the server. Not `eprintln!`, which panics when nobody reads it any more.
pub fn complain(error: &dyn Display) {
    let _ = writeln!(io::stderr(), "server: {error}");
}

fn frame(notice: &str, content: &str, handle: &str, now_ms: u64) -> Html<String> {
    let notice = if notice.is_empty() {
        String::new()
    } else {
        format!("<p class=\"notice\" role=\"status\">{notice}</p>")
    };
    Html(format!(
        include_str!("frame.html"),
        notice = notice,
        content = content,
        handle = handle,
        now = now_ms,
        process = std::process::id(),
    ))
}

fn member(view: &View) -> Option<String> {
    view.me.as_ref().and_then(|session| Data::of(session).name)
}

/// By this the page notices that it shows somebody who is no longer logged in. Visitors all look alike.
fn handle(view: &View) -> String {
    view.me
        .as_ref()
        .filter(|me| me.subject().is_some())
        .map_or_else(String::new, |me| me.handle().to_string())
}

fn devices(view: &View) -> String {
    let now_ms = view.stats.clock_ms;
    let mine = view.me.as_ref().map(Session::handle);
    let device = |session: &Session| {
        let label = escape(&Data::of(session).device);
        let this = mine == Some(session.handle());
        format!(
            include_str!("device.html"),
            label = label,
            badge = if this { "<span class=\"badge\">this device</span>" } else { "" },
            button = if this { String::new() } else { end_button(session, &label) },
            began = ago(session.created_ms(), now_ms),
            used = ago(session.last_used_ms(), now_ms),
            ends = until(session.deadline(), now_ms),
        )
    };
    view.devices.iter().map(device).collect()
}

fn end_button(session: &Session, label: &str) -> String {
    format!(include_str!("end.html"), handle = session.handle(), label = label)
}

/// The store's statistics: a key for the script, a label, and the figure in words.
fn figures(stats: &Stats) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("sessions", "Sessions", count(stats.sessions)),
        ("created", "Created", count(stats.created)),
        ("updated", "Updated", count(stats.updated)),
        ("touched", "Touched", count(stats.touched)),
        ("coalesced", "Coalesced", count(stats.coalesced)),
        ("ended", "Ended", count(stats.ended)),
        ("expired", "Expired", count(stats.expired)),
        ("syncs", "Syncs", count(stats.syncs)),
        ("last_sync", "Last sync", stats.last_sync.map_or_else(|| "–".to_owned(), took)),
        ("disk", "On disk", bytes(stats.disk_bytes)),
        ("live", "Live data", bytes(stats.live_bytes)),
        ("memory", "In memory", bytes(stats.memory_bytes)),
    ]
}

/// How the store came up: the sentence to look at after a `kill -9`.
fn opening(stats: &Stats) -> String {
    let (report, sessions) = (&stats.recovery, stats.recovery.sessions);
    let how = if report.from_snapshot { "from the snapshot of a clean stop" } else { "by reading its log" };
    let plural = if sessions == 1 { "" } else { "s" };
    let mut text =
        format!("Opened in {} {how}, with {} session{plural}; ", took(report.took), count(sessions));
    text.push_str("the counts began then.");
    if let Some(cause) = &stats.latched {
        text.push_str(&format!(" It takes no more writes: {}.", escape(cause)));
    }
    text
}

/// A countdown; the script goes on with it.
fn until(deadline: Deadline, now_ms: u64) -> String {
    if deadline == Deadline::NEVER {
        return "never".to_owned();
    }
    let ms = deadline.as_ms();
    let seconds = ms.saturating_sub(now_ms) / 1000;
    let (days, hours, minutes, seconds) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let text = match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days} d {hours}:{minutes:02}:{seconds:02}"),
    };
    format!("<span data-until=\"{ms}\">{text}</span>")
}

/// How much of its lifetime is left; the script goes on with it.
fn bar(deadline: Deadline, lifetime: Duration, now_ms: u64) -> String {
    let (ms, max) = (deadline.as_ms(), lifetime.as_millis());
    let left = ms.saturating_sub(now_ms);
    format!("<progress aria-hidden=\"true\" max=\"{max}\" value=\"{left}\" data-left=\"{ms}\"></progress>")
}

/// How long ago; the script goes on with it.
fn ago(ms: u64, now_ms: u64) -> String {
    let text = match now_ms.saturating_sub(ms) / 1000 {
        0..5 => "just now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    };
    format!("<span data-since=\"{ms}\">{text}</span>")
}

/// Digits in groups of three, by narrow spaces that do not break.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut name) = (number as f64, "B");
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, name) = (value / 1024.0, unit);
    }
    if name == "B" { format!("{number}\u{a0}B") } else { format!("{value:.1}\u{a0}{name}") }
}

fn took(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..1000 => format!("{micros}\u{a0}µs"),
        _ => format!("{:.1}\u{a0}ms", duration.as_secs_f64() * 1000.0),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
