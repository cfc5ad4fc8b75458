//! When sessions end: to the millisecond, and never later than was said.

use std::time::Duration;

use sessile::{Deadline, Write};

use super::{is_live, is_unknown, lasting, live, now_ms, until_past};
use crate::suite::Home;

const SECOND: Duration = Duration::from_secs(1);

/// A deadline by what a write says: so long from the write, or a moment.
#[derive(Debug, Clone, Copy)]
enum Says {
    Nothing,
    For(u64),
    Until(u64),
}

impl Says {
    fn idle(self, write: Write, base_ms: u64) -> Write {
        match self {
            Self::Nothing => write,
            Self::For(seconds) => write.idle(SECOND * u32::try_from(seconds).unwrap()),
            Self::Until(seconds) => write.idle_until(Deadline::at_ms(base_ms + seconds * 1000)),
        }
    }

    fn absolute(self, write: Write, base_ms: u64) -> Write {
        match self {
            Self::Nothing => write,
            Self::For(seconds) => write.absolute(SECOND * u32::try_from(seconds).unwrap()),
            Self::Until(seconds) => write.absolute_until(Deadline::at_ms(base_ms + seconds * 1000)),
        }
    }
}

const DEFAULT: u64 = 14 * 24 * 3600;
const NEVER: u64 = u64::MAX;

pub async fn a_table_of_deadlines(home: Home) {
    use Says::{For, Nothing, Until};
    // Create and update, each with idle and absolute; whether the update may shorten; seconds to the deadline and the absolute one.
    let table = [
        ((Nothing, Nothing), (Nothing, Nothing), false, DEFAULT, NEVER),
        ((For(600), Nothing), (Nothing, Nothing), false, 600, NEVER),
        ((For(600), Nothing), (For(300), Nothing), false, 600, NEVER),
        ((For(600), Nothing), (For(300), Nothing), true, 300, NEVER),
        ((For(600), Nothing), (For(900), Nothing), false, 900, NEVER),
        ((Until(600), Nothing), (Until(900), Nothing), false, 900, NEVER),
        ((Until(600), Nothing), (Until(300), Nothing), false, 600, NEVER),
        ((Until(600), Nothing), (Until(300), Nothing), true, 300, NEVER),
        ((For(600), For(400)), (Nothing, Nothing), false, 400, 400),
        ((For(600), For(400)), (For(900), For(900)), false, 400, 400),
        ((For(600), For(800)), (For(900), For(300)), false, 300, 300),
        ((For(600), Nothing), (Nothing, Until(700)), false, 600, 700),
        ((For(600), Until(700)), (For(900), Nothing), true, 700, 700),
        ((For(600), Until(700)), (Nothing, Until(800)), true, 600, 700),
    ];
    for (number, (created, updated, shorten, deadline, absolute)) in table.into_iter().enumerate() {
        let id = format!("row {number}");
        let base_ms = now_ms();
        let write = created.1.absolute(created.0.idle(Write::new("data"), base_ms), base_ms);
        home.create(id.as_bytes(), write).await.unwrap();
        let mut write = updated.1.absolute(updated.0.idle(Write::new("data"), base_ms), base_ms);
        if shorten {
            write = write.shorten();
        }
        home.update(id.as_bytes(), write).await.unwrap();
        let took_ms = now_ms() - base_ms;
        let session = live(&home, id.as_bytes()).await;
        let within = |found: Deadline, seconds: u64| match seconds {
            NEVER => found == Deadline::NEVER,
            // The engine rounds an idle lifetime up to 19 bits.
            _ => (base_ms + seconds * 1000..=base_ms + seconds * 1000 + took_ms + seconds * 4)
                .contains(&found.as_ms()),
        };
        assert!(
            within(session.deadline(), deadline),
            "row {number}: {deadline} s from {base_ms}, {session:?}"
        );
        assert!(within(session.absolute_deadline(), absolute), "row {number}: {absolute} s, {session:?}");
    }
}

pub async fn a_session_ends_at_its_millisecond(home: Home) {
    let mut at_the_edge = 0;
    for round in 0..10 {
        let id = format!("round {round}");
        let end = Deadline::at_ms(now_ms() + 60 + round);
        let write = match round % 3 {
            0 => Write::new("").idle_until(end),
            1 => lasting("").absolute_until(end),
            _ => Write::new("").idle_until(end).subject("alice"),
        };
        home.create(id.as_bytes(), write).await.unwrap();
        loop {
            let asked = now_ms();
            let found = is_live(&home, id.as_bytes()).await;
            let answered = now_ms();
            assert!(
                found || answered >= end.as_ms(),
                "gone at {answered}, {} ms early",
                end.as_ms() - answered
            );
            assert!(!found || asked < end.as_ms(), "there at {asked}, {} ms late", asked - end.as_ms());
            if asked >= end.as_ms() {
                break;
            }
            at_the_edge += u64::from(end.as_ms() - asked <= 10);
        }
    }
    assert!(at_the_edge > 0, "nobody looked in the last ten milliseconds");
}

pub async fn a_touch_only_extends(home: Home) {
    let end = Deadline::at_ms(now_ms() + 2_000_000);
    for subject in [None, Some("alice")] {
        let id = format!("of {subject:?}");
        let id = id.as_bytes();
        let mut write = Write::new("data").idle(SECOND * 600).absolute_until(end);
        if let Some(subject) = subject {
            write = write.subject(subject);
        }
        home.create(id, write).await.unwrap();
        let first = live(&home, id).await;
        home.touch(id, SECOND * 60).await.unwrap();
        assert_eq!(live(&home, id).await.deadline(), first.deadline(), "never closer");
        let before = now_ms();
        home.touch(id, SECOND * 1200).await.unwrap();
        let after = now_ms();
        let second = live(&home, id).await;
        assert!((before + 1_200_000..=after + 1_200_000).contains(&second.deadline().as_ms()), "{second:?}");
        assert_eq!((second.data(), second.subject()), (first.data(), first.subject()));
        assert_eq!(second.idle(), first.idle(), "how long it lives by itself is for writes to say");
        home.touch(id, Duration::MAX).await.unwrap();
        assert_eq!(live(&home, id).await.deadline(), end, "never beyond the absolute deadline");
    }
    home.create(b"eternal", Write::new("").idle(Duration::MAX)).await.unwrap();
    home.touch(b"eternal", SECOND).await.unwrap();
    assert_eq!(live(&home, b"eternal").await.deadline(), Deadline::NEVER);
    assert!(is_unknown(&home.touch(b"never", SECOND).await));
}

pub async fn a_past_deadline_is_an_ending(home: Home) {
    let past = Deadline::at_ms(now_ms() - 1);
    home.create(b"born dead", lasting("").idle_until(past)).await.unwrap();
    assert!(!is_live(&home, b"born dead").await);
    for id in [b"an id".as_slice(), b"by set"] {
        home.create(id, lasting("").subject("alice")).await.unwrap();
    }
    home.update(b"an id", lasting("").idle_until(past)).await.unwrap();
    assert!(!is_live(&home, b"an id").await);
    home.set(b"by set", lasting("").absolute_until(past)).await.unwrap();
    assert!(!is_live(&home, b"by set").await);
    assert!(is_unknown(&home.update(b"an id", lasting("")).await));
    home.create(b"old", lasting("")).await.unwrap();
    home.rotate(b"old", b"new", Some(lasting("").idle_until(past))).await.unwrap();
    assert!(!is_live(&home, b"old").await && !is_live(&home, b"new").await);
}

pub async fn nothing_is_used_after_its_end(home: Home) {
    let end = Deadline::at_ms(now_ms() + 50);
    for id in ["touched", "updated", "replaced", "rotated", "destroyed", "counted"] {
        home.create(id.as_bytes(), Write::new("").idle_until(end).subject("alice")).await.unwrap();
    }
    let handle = home.handle_of(b"touched").unwrap();
    let version = home.get(b"replaced").await.unwrap().map(|session| session.version());
    until_past(end.as_ms()).await;
    assert!(is_unknown(&home.touch(b"touched", SECOND).await));
    assert!(is_unknown(&home.update(b"updated", lasting("")).await));
    if let Some(version) = version {
        assert!(is_unknown(&home.replace_if(b"replaced", version, lasting("")).await));
    }
    assert!(is_unknown(&home.rotate(b"rotated", b"new", None).await));
    assert!(!home.destroy(b"destroyed").await.unwrap());
    assert!(home.get_handle(handle).await.unwrap().is_none());
    assert!(super::all(home.sessions_of(b"alice")).await.is_empty());
    assert!(super::all(home.iter()).await.is_empty());
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 0);
}
