//! Which figures there are: each with its name, its kind and what it means. One list, for the text and for the facade.
//!
//! Invariants: names and units are Prometheus's (base units, `_total` for what only grows); a name, once given out, keeps its
//! meaning; no label and no value has anything of an id in it.

use std::time::Duration;

use sessile::{Histogram, Stats};

/// One figure, with one value or several that a label tells apart.
pub(crate) struct Figure {
    pub name: &'static str,
    pub help: &'static str,
    pub values: Values,
}

pub(crate) enum Values {
    /// What goes up and down.
    Gauge(Vec<(Label, f64)>),
    /// What only grows, until the store is opened anew.
    Counter(Vec<(Label, u64)>),
    /// How often something was how large, in units of which `per_unit` make one of those counted.
    Spread { histograms: Vec<(Label, Histogram)>, per_unit: f64 },
}

/// A label's name and value, where there is one.
pub(crate) type Label = Option<(&'static str, &'static str)>;

fn gauge(name: &'static str, help: &'static str, value: f64) -> Figure {
    Figure { name, help, values: Values::Gauge(vec![(None, value)]) }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, help, values: Values::Counter(vec![(None, value)]) }
}

/// All of them.
pub(crate) fn of(stats: &Stats) -> Vec<Figure> {
    let mut all = sessions(stats);
    all.extend(calls(stats));
    all.extend(disk(stats));
    all.extend(health(stats));
    all
}

fn sessions(stats: &Stats) -> Vec<Figure> {
    let destroyed = stats.ended.saturating_sub(stats.revoked + stats.cleared);
    let ended = [
        ("expired", stats.expired),
        ("destroyed", destroyed),
        ("revoked", stats.revoked),
        ("cleared", stats.cleared),
        ("evicted", stats.evicted),
    ];
    let ended = ended.map(|(cause, count)| (Some(("cause", cause)), count)).to_vec();
    vec![
        gauge(
            "sessile_sessions",
            "Live sessions, and expired ones that nobody has met yet.",
            count(stats.sessions),
        ),
        counter("sessile_created_total", "Sessions created.", stats.created),
        counter("sessile_updated_total", "Sessions updated, replaced or rotated.", stats.updated),
        counter("sessile_touched_total", "Touches of live sessions.", stats.touched),
        counter("sessile_coalesced_total", "Touches that needed no record.", stats.coalesced),
        counter("sessile_rejected_total", "Writes refused at a limit.", stats.rejected),
        Figure {
            name: "sessile_ended_total",
            help: "Sessions that ended, by cause; a rotated one lives on.",
            values: Values::Counter(ended),
        },
    ]
}

fn calls(stats: &Stats) -> [Figure; 2] {
    let named = stats.calls.named();
    let label = |name| Some(("call", name));
    [
        Figure {
            name: "sessile_calls_total",
            help: "Calls, by what they do.",
            values: Values::Counter(named.map(|(name, call)| (label(name), call.count)).to_vec()),
        },
        Figure {
            name: "sessile_call_seconds",
            help: "How long one in 64 calls took, without its wait for the disk.",
            values: Values::Spread {
                histograms: named.map(|(name, call)| (label(name), call.nanos.clone())).to_vec(),
                per_unit: 1e9,
            },
        },
    ]
}

fn disk(stats: &Stats) -> Vec<Figure> {
    let (sync_micros, group_frames) = (stats.sync_micros.clone(), stats.group_frames.clone());
    vec![
        gauge("sessile_disk_bytes", "Bytes that the store's files occupy.", count(stats.disk_bytes)),
        gauge(
            "sessile_live_bytes",
            "Bytes of records that are the live version of a session.",
            count(stats.live_bytes),
        ),
        gauge(
            "sessile_dead_bytes",
            "Bytes of other records and of structure, not reclaimed yet.",
            count(stats.dead_bytes),
        ),
        gauge("sessile_segments", "Segments.", count(stats.segments)),
        gauge(
            "sessile_memory_bytes",
            "Bytes of index, wheel, subjects and recent endings.",
            count(stats.memory_bytes),
        ),
        Figure {
            name: "sessile_sync_seconds",
            help: "How long syncs took.",
            values: Values::Spread { histograms: vec![(None, sync_micros)], per_unit: 1e6 },
        },
        Figure {
            name: "sessile_group_frames",
            help: "How many frames of the log each sync made durable.",
            values: Values::Spread { histograms: vec![(None, group_frames)], per_unit: 1.0 },
        },
        counter(
            "sessile_compactions_total",
            "Compactions that replaced or removed segments.",
            stats.compactions,
        ),
        counter("sessile_compacted_bytes_total", "Bytes that compaction wrote.", stats.compacted_bytes),
    ]
}

fn health(stats: &Stats) -> Vec<Figure> {
    let recovery = &stats.recovery;
    let ahead_ms = stats.clock_shown_ms.saturating_sub(stats.clock_ms);
    let part = |(name, took): (&'static str, Duration)| (Some(("part", name)), took.as_secs_f64());
    vec![
        gauge(
            "sessile_expiry_backlog",
            "Wheel entries whose time has come and that wait.",
            count(stats.expiry_backlog),
        ),
        gauge(
            "sessile_expiry_lag_seconds",
            "How long ago expiry last met all that had run out.",
            stats.expiry_lag.as_secs_f64(),
        ),
        gauge(
            "sessile_erase_lag_seconds",
            "How long ago the oldest record died that is on the disk still.",
            stats.erase_lag.as_secs_f64(),
        ),
        gauge(
            "sessile_erase_within_seconds",
            "Within how much time that is to be gone.",
            stats.erase_within.as_secs_f64(),
        ),
        gauge(
            "sessile_latched",
            "1 when a write has failed: the store takes no more.",
            yes(stats.latched.is_some()),
        ),
        gauge(
            "sessile_damaged_places",
            "Damaged places that the opening found.",
            count(recovery.damage.len() as u64),
        ),
        gauge(
            "sessile_clock_unconfirmed",
            "1 while a jump of the clock waits to be confirmed.",
            yes(stats.clock_unconfirmed),
        ),
        gauge(
            "sessile_clock_ahead_seconds",
            "How far the time by which sessions are shown is ahead of what is believed.",
            Duration::from_millis(ahead_ms).as_secs_f64(),
        ),
        gauge(
            "sessile_clock_behind_seconds",
            "How far the machine's clock is behind what is believed: no session runs out meanwhile.",
            Duration::from_millis(stats.clock_ms.saturating_sub(stats.clock_wall_ms)).as_secs_f64(),
        ),
        Figure {
            name: "sessile_volume_is_volatile",
            help: "1 when the store lies on what is empty again when the machine or the container begins anew.",
            values: Values::Gauge(vec![(
                Some(("file_system", recovery.volume.file_system.unwrap_or("other"))),
                yes(recovery.volume.is_volatile()),
            )]),
        },
        gauge("sessile_recovery_seconds", "How long the store took to open.", recovery.took.as_secs_f64()),
        Figure {
            name: "sessile_recovery_part_seconds",
            help: "What it took the time for; two parts may overlap.",
            values: Values::Gauge(recovery.parts.named().map(part).to_vec()),
        },
    ]
}

fn yes(it: bool) -> f64 {
    if it { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// The upper bounds of a spread in its unit, `None` for infinity, each with how often it was at most that.
pub(crate) fn cumulative(
    histogram: &Histogram,
    per_unit: f64,
) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
    let mut below = 0;
    histogram.buckets().map(move |(bound, counted)| {
        below += counted;
        (bound.map(|bound| count(bound) / per_unit), below)
    })
}
