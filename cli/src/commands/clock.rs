//! `sessile clock`: what time it is to the store, and the operator's word on which time is right.
//!
//! What users will notice is said before anything is done: by the command that only looks, and once more on standard error.

use std::time::Duration;

use serde::Serialize;
use sessile_control::{Clock, Request};

use crate::args::Clock as Asked;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::output::{self, Report, counted, grouped, moment};

pub(super) fn run(asked: &Asked) -> Result<(), Failure> {
    let dir = &asked.change.dir;
    let look = || Ok(expect_answer!(door::to_look(dir)?.answer(&Request::Clock { confirm: false })?, Clock));
    let request = match (asked.confirm, asked.set_back) {
        (false, false) => return output::show(&ClockReport::new(look()?), asked.change.json),
        (_, true) => Request::SetClockBack,
        (true, false) => Request::Clock { confirm: true },
    };
    let changer = door::to_change(dir)?;
    let before = State::of(&look()?);
    before.allows(&request)?;
    if let Some(notice) = before.notice(&request) {
        output::complain(&notice);
    }
    let after = expect_answer!(changer.ask(asked.change.wait, &request)?, Clock);
    output::show(&ClockReport::new(after), asked.change.json)
}

/// How the machine's clock stands to what the store believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Believed,
    /// Ahead, and so many sessions are hidden until it is confirmed.
    Ahead(u64),
    Behind(Duration),
}

impl State {
    fn of(clock: &Clock) -> Self {
        match clock.behind() {
            Some(by) => Self::Behind(by),
            None if clock.unconfirmed => Self::Ahead(clock.hidden),
            None => Self::Believed,
        }
    }

    /// Whether that is the word for this state: a clock is not set back by a word that was meant for one that is ahead.
    fn allows(self, request: &Request) -> Result<(), Failure> {
        match (self, request) {
            (Self::Behind(by), Request::Clock { .. }) => Err(Failure::Input(format!(
                "the machine's clock is {} behind what the store believes, so there is nothing to confirm; if the machine's \
                 clock is right, use --set-back; if not, set it right",
                in_words(by)
            ))),
            (Self::Ahead(_) | Self::Believed, Request::SetClockBack) => Err(Failure::Input(
                "the machine's clock is not behind what the store believes, so there is nothing to set back"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// What users notice when it is done.
    fn notice(self, request: &Request) -> Option<String> {
        match (self, request) {
            (Self::Ahead(hidden), Request::Clock { .. }) => Some(format!(
                "{} now: who has one is logged out already, and stays so. Nobody else notices anything",
                counted_verb(hidden)
            )),
            (Self::Behind(by), Request::SetClockBack) => Some(format!(
                "nobody is logged out, and what has ended stays ended. Sessions that were used under the wrong time end by it, up to \
                 {} later than they should. Every segment is rewritten first, which may take a while",
                in_words(by)
            )),
            _ => None,
        }
    }
}

/// To the second: who decides by it must not read that ten days are two weeks.
fn in_words(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

fn counted_verb(hidden: u64) -> String {
    format!("{} that {} hidden {} for good", counted(hidden, "session"), is_or_are(hidden), ends(hidden))
}

const fn is_or_are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

const fn ends(count: u64) -> &'static str {
    if count == 1 { "ends" } else { "end" }
}

#[derive(Debug, Serialize)]
struct ClockReport {
    #[serde(flatten)]
    clock: Clock,
    behind_ms: u64,
}

impl ClockReport {
    fn new(clock: Clock) -> Self {
        let behind = clock.behind().unwrap_or_default();
        Self { clock, behind_ms: u64::try_from(behind.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl Report for ClockReport {
    fn text(&self) -> String {
        let clock = &self.clock;
        let state = State::of(clock);
        let told = match state {
            State::Believed => "believed".to_owned(),
            State::Ahead(_) => "ahead, and not confirmed yet".to_owned(),
            State::Behind(by) => format!("{} behind: time stands still", in_words(by)),
        };
        let machine_ms = if clock.wall_ms == 0 { clock.shown_ms } else { clock.wall_ms };
        let mut text = output::facts([
            ("the machine says", moment(machine_ms)),
            ("the store believes", moment(clock.believed_ms)),
            ("the machine's clock is", told),
            ("sessions hidden meanwhile", grouped(clock.hidden)),
        ]);
        match state {
            State::Believed => {}
            State::Ahead(_) => text.push_str(
                "\n\nThe clock has jumped ahead, or the store was closed for a while. Sessions past their deadline by it are\n\
                 hidden, and end when both clocks of the machine have agreed for ten minutes; a jump of more than 30 days\n\
                 waits for you. If the machine's clock is right, add --confirm: who has a hidden session is logged out\n\
                 already and stays so. If not, set it right, and they are back.",
            ),
            State::Behind(_) => text.push_str(
                "\n\nThe store has believed a later time than the machine's clock shows now. Until that has caught up no session\n\
                 runs out. If the machine's clock is wrong, set it right. If it is right and the store was told a wrong time,\n\
                 add --set-back: nobody is logged out, what has ended stays ended, and sessions that were used under the\n\
                 wrong time end by it, so later than they should. Every segment is rewritten first.",
            ),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(wall_ms: u64, unconfirmed: bool, hidden: u64) -> Clock {
        Clock { believed_ms: 10_000_000, shown_ms: wall_ms.max(10_000_000), unconfirmed, hidden, wall_ms }
    }

    #[test]
    fn each_state_has_its_word_and_the_other_is_refused() {
        let (confirm, set_back) = (Request::Clock { confirm: true }, Request::SetClockBack);
        let ahead = State::of(&clock(20_000_000, true, 1));
        let behind = State::of(&clock(1_000_000, false, 0));
        assert!(ahead.allows(&confirm).is_ok() && ahead.allows(&set_back).is_err());
        assert!(behind.allows(&set_back).is_ok() && behind.allows(&confirm).is_err());
        let notice = ahead.notice(&confirm).unwrap();
        assert!(notice.starts_with("1 session that is hidden ends for good now"), "{notice}");
        assert!(behind.notice(&set_back).unwrap().contains("2h 30m"), "{behind:?}");
        assert_eq!(State::of(&clock(9_999_000, false, 0)), State::Believed, "clocks stray");
        assert_eq!(State::of(&clock(0, false, 0)), State::Believed, "an older server does not tell");
    }

    #[test]
    fn the_report_says_what_users_will_notice_before_anything_is_done() {
        let ahead = ClockReport::new(clock(20_000_000, true, 3)).text();
        assert!(ahead.contains("--confirm") && ahead.contains("is logged out"), "{ahead}");
        let behind = ClockReport::new(clock(1_000_000, false, 0)).text();
        assert!(behind.contains("--set-back") && behind.contains("nobody is logged out"), "{behind}");
        assert!(behind.contains("1970-01-01T00:16:40Z"), "it is the machine's time: {behind}");
        assert!(!ClockReport::new(clock(10_000_000, false, 0)).text().contains("--"));
    }
}
