//! How figures are written on the screen.

use sessile::Histogram;

use crate::output::grouped;

/// `1,234.5`, and no point where it is large.
pub(super) fn per_second(rate: f64) -> String {
    if rate >= 1_000.0 { grouped(whole(rate)) } else { format!("{rate:.1}") }
}

/// Without what is behind the point.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, which is not negative")]
pub(super) fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

/// The half and nearly all of it: upper bounds.
pub(super) fn spread(histogram: &Histogram, show: fn(u64) -> String) -> String {
    if histogram.count() == 0 {
        return "-".to_owned();
    }
    let within = |share| histogram.quantile(share).map_or_else(|| "more than all bounds".to_owned(), show);
    format!("{}, 99% within {}", within(0.5), within(0.99))
}

/// A short time.
pub(super) fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", in_units(micros, 1_000)),
        _ => format!("{:.1} s", in_units(micros, 1_000_000)),
    }
}

/// A very short one.
pub(super) fn nanos(nanos: u64) -> String {
    if nanos < 1_000 { format!("{nanos} ns") } else { micros(nanos / 1_000) }
}

/// A longer one.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", in_units(ms, 1_000)),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit behind the point")]
fn in_units(amount: u64, unit: u64) -> f64 {
    amount as f64 / unit as f64
}

/// How many of `room` places each part has: what is there has one at least, and together they fill it.
pub(super) fn shares<const N: usize>(parts: [u64; N], room: usize) -> [usize; N] {
    let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let mut left = room;
    let mut widths = parts.map(|part| {
        let share = u128::from(part) * room as u128 / total.max(1);
        let width = usize::try_from(share).unwrap_or(room).max(usize::from(part > 0)).min(left);
        left -= width;
        width
    });
    // What rounding left belongs to the largest.
    if let Some((_, width)) = parts.iter().zip(widths.iter_mut()).max_by_key(|(part, _)| **part)
        && total > 0
    {
        *width += left;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_room_and_show_what_is_little() {
        assert_eq!(shares([1, 1, 2], 8), [2, 2, 4]);
        assert_eq!(shares([1, 1_000, 0], 10), [1, 9, 0]);
        assert_eq!(shares([0, 0, 0], 10), [0, 0, 0]);
        assert_eq!(shares([5, 5, 5], 1), [1, 0, 0]);
    }

    #[test]
    fn figures_read_well() {
        assert_eq!([micros(999), micros(1_500), micros(5_000_000)], ["999 us", "1.5 ms", "5.0 s"]);
        assert_eq!(
            [time(1), time(1_500), time(7_100_000), time(86_400_000)],
            ["1 ms", "1.5 s", "118 min", "24 h"]
        );
        assert_eq!([per_second(0.04), per_second(999.96), per_second(12_345.6)], ["0.0", "1000.0", "12,346"]);
    }
}
