//! What a count means beside what was recorded.
//!
//! Owns: the limit of 5 % and the rules. A recorded count falls by itself when a new one is recorded, and it rises only with a
//! reason: growth below the limit is let pass and not recorded, so that small steps add up until they are seen.

use crate::budget::Entry;

/// By how much a count may differ, in hundredths.
const TOLERANCE_PERCENT: u64 = 5;

/// A count beside its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not more than 5 % away from it.
    Within,
    /// More than 5 % above it.
    Grown { budget: u64 },
    /// More than 5 % below it: the budget has to follow, or the next growth would go unseen.
    Shrunk { budget: u64 },
    /// The file has no entry.
    Missing,
    /// The file gives more than 5 % above the fewest that were ever recorded, and does not say why.
    Unfounded { budget: u64, least: u64 },
}

/// What a new count does to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recording {
    /// It is written, beside the fewest that were recorded and the reason why it is more.
    Written { least: u64, because: Option<String> },
    /// What is there stays.
    Kept,
    /// It rose too far, and nobody said why.
    Refused,
}

fn exceeds(count: u64, base: u64) -> bool {
    count * 100 > base * (100 + TOLERANCE_PERCENT)
}

fn falls_short(count: u64, base: u64) -> bool {
    count * 100 < base * (100 - TOLERANCE_PERCENT)
}

/// Compares a count with the file.
pub(crate) fn judge(entry: Option<&Entry>, count: u64) -> Verdict {
    let Some(entry) = entry else { return Verdict::Missing };
    let budget = entry.instructions;
    let founded = entry.because.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    match count {
        _ if exceeds(budget, entry.least) && !founded => Verdict::Unfounded { budget, least: entry.least },
        count if exceeds(count, budget) => Verdict::Grown { budget },
        count if falls_short(count, budget) => Verdict::Shrunk { budget },
        _ => Verdict::Within,
    }
}

impl Recording {
    /// What recording a count does.
    pub(crate) fn of(entry: Option<&Entry>, count: u64, because: Option<&str>) -> Self {
        let Some(entry) = entry else { return Self::Written { least: count, because: None } };
        let reason = because.map(str::to_owned);
        let least = entry.least.min(entry.instructions).min(count);
        match judge(Some(entry), count) {
            Verdict::Grown { .. } | Verdict::Unfounded { .. } if exceeds(count, least) => {
                reason.map_or(Self::Refused, |reason| Self::Written { least, because: Some(reason) })
            }
            _ if count > entry.instructions => Self::Kept,
            _ => {
                let because = entry.because.clone().filter(|_| exceeds(count, least));
                Self::Written { least, because }
            }
        }
    }
}

impl Verdict {
    /// What is printed of it.
    pub(crate) fn sentence(self, count: u64) -> String {
        let against = |budget: u64| {
            let percent = (count as f64 / budget as f64 - 1.0) * 100.0;
            format!("{count} instructions, {percent:+.1} % against {budget}")
        };
        match self {
            Self::Within => format!("{count} instructions"),
            Self::Grown { budget } => format!("{}: GREW", against(budget)),
            Self::Shrunk { budget } => format!("{}: shrank", against(budget)),
            Self::Missing => format!("{count} instructions: not recorded yet"),
            Self::Unfounded { budget, least } => {
                format!(
                    "{count} instructions; {budget} is over 5 % above {least} and NO REASON stands beside it"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(instructions: u64, least: u64, because: Option<&str>) -> Entry {
        Entry {
            name: "get".to_owned(),
            script: String::new(),
            instructions,
            least,
            because: because.map(str::to_owned),
        }
    }

    #[test]
    fn growth_and_shrinking_beyond_the_limit_are_seen_and_less_is_let_pass() {
        let entry = entry(1000, 1000, None);
        for (count, verdict) in [
            (1051, Verdict::Grown { budget: 1000 }),
            (1050, Verdict::Within),
            (1000, Verdict::Within),
            (950, Verdict::Within),
            (949, Verdict::Shrunk { budget: 1000 }),
        ] {
            assert_eq!(judge(Some(&entry), count), verdict, "{count}");
        }
        assert_eq!(judge(None, 1000), Verdict::Missing);
    }

    /// A larger figure written by hand is no reason.
    #[test]
    fn a_budget_that_was_raised_without_a_reason_fails() {
        let unfounded = Verdict::Unfounded { budget: 1100, least: 1000 };
        assert_eq!(judge(Some(&entry(1100, 1000, None)), 1100), unfounded);
        assert_eq!(judge(Some(&entry(1100, 1000, Some("  "))), 1100), unfounded);
        assert_eq!(judge(Some(&entry(1100, 1000, Some("a second checksum"))), 1100), Verdict::Within);
    }

    #[test]
    fn a_count_is_raised_with_a_reason_only_and_lowered_without_one() {
        let entry = entry(1000, 1000, None);
        assert_eq!(Recording::of(Some(&entry), 1051, None), Recording::Refused);
        let because = Some("a second checksum".to_owned());
        assert_eq!(
            Recording::of(Some(&entry), 1051, Some("a second checksum")),
            Recording::Written { least: 1000, because }
        );
        assert_eq!(Recording::of(Some(&entry), 999, None), Recording::Written { least: 999, because: None });
        assert_eq!(Recording::of(None, 7, None), Recording::Written { least: 7, because: None });
    }

    /// Four per cent, recorded each time, would be half as much again in ten steps.
    #[test]
    fn growth_in_small_steps_is_not_recorded_so_that_it_adds_up() {
        let before = entry(1000, 1000, None);
        assert_eq!(Recording::of(Some(&before), 1040, None), Recording::Kept);
        assert_eq!(Recording::of(Some(&before), 1040, Some("a reason")), Recording::Kept);
        assert_eq!(judge(Some(&before), 1080), Verdict::Grown { budget: 1000 });
    }

    #[test]
    fn a_reason_goes_when_what_it_explains_has_gone() {
        let raised = entry(1200, 1000, Some("a second checksum"));
        let because = raised.because.clone();
        assert_eq!(Recording::of(Some(&raised), 1150, None), Recording::Written { least: 1000, because });
        assert_eq!(
            Recording::of(Some(&raised), 1020, None),
            Recording::Written { least: 1000, because: None }
        );
        assert_eq!(Recording::of(Some(&raised), 900, None), Recording::Written { least: 900, because: None });
    }
}
