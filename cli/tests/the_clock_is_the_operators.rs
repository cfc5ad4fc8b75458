//! `sessile clock` accepts a time in both directions, through the process that holds the store and without one, and says what
//! users will notice before it does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::sessile;
use sessile::{Clock as _, ManualClock, Options, Store, SystemClock, Write};
use sessile_control::Control;

const DAY_MS: u64 = 24 * 3_600_000;

fn open(dir: &Path, clock: &ManualClock) -> Store {
    Options::new().clock(Arc::new(clock.clone())).manual_maintenance(true).open(dir).unwrap()
}

/// A store that was used ten days ago, or in ten days, by the machine's clock.
fn used(dir: &Path, clock: &ManualClock) -> Store {
    let store = open(dir, clock);
    store.create("a day", Write::new("x").idle(Duration::from_secs(86_400))).unwrap();
    store.create("a year", Write::new("x").idle(Duration::from_secs(365 * 86_400))).unwrap();
    store
}

fn live(store: &Store) -> [bool; 2] {
    ["a day", "a year"].map(|id| store.get(id).unwrap().is_some())
}

#[test]
fn a_clock_that_is_behind_is_set_back_over_the_socket() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, now_ms) = (temp.path().to_str().unwrap(), SystemClock.wall_ms());
    let clock = ManualClock::at_ms(now_ms + 10 * DAY_MS);
    let store = used(temp.path(), &clock);
    let _control = Control::serve(&store).unwrap();
    clock.set_wall_ms(now_ms);
    let text = sessile(["clock", dir]).text();
    assert!(text.contains("10days behind: time stands still"), "{text}");
    assert!(text.contains("--set-back: nobody is logged out"), "{text}");
    // The other word is refused, and changes nothing.
    sessile(["clock", dir, "--confirm"]).fails(8, "use --set-back");
    assert_eq!(store.stats().clock_ms, now_ms + 10 * DAY_MS);
    let done = sessile(["clock", dir, "--set-back", "--json"]);
    assert!(done.stderr.contains("nobody is logged out"), "{done:?}");
    let told = done.json();
    assert_eq!((&told["believed_ms"], &told["behind_ms"]), (&now_ms.into(), &0.into()), "{told}");
    assert_eq!(told["wall_ms"], now_ms, "{told}");
    assert_eq!(live(&store), [true, true]);
    sessile(["clock", dir, "--set-back"]).fails(8, "nothing to set back");
}

#[test]
fn a_clock_that_is_behind_is_set_back_without_a_server() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, now_ms) = (temp.path().to_str().unwrap(), SystemClock.wall_ms());
    let store = used(temp.path(), &ManualClock::at_ms(now_ms + 10 * DAY_MS));
    assert!(store.destroy("a day").unwrap());
    store.close().unwrap();
    drop(store);
    assert!(sessile(["clock", dir]).text().contains("--set-back"));
    let done = sessile(["clock", dir, "--set-back", "--json"]);
    assert!(done.stderr.contains("what has ended stays ended"), "{done:?}");
    assert_eq!(done.json()["behind_ms"], 0);
    assert_eq!(sessile(["clock", dir, "--json"]).json()["behind_ms"], 0, "it lasts");
    let store = Store::open(temp.path()).unwrap();
    assert_eq!(live(&store), [false, true]);
    assert!(store.stats().clock_ms < now_ms + DAY_MS);
}

#[test]
fn a_clock_that_is_ahead_is_confirmed_over_the_socket() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, now_ms) = (temp.path().to_str().unwrap(), SystemClock.wall_ms());
    let clock = ManualClock::at_ms(now_ms);
    let store = used(temp.path(), &clock);
    let _control = Control::serve(&store).unwrap();
    clock.set_wall_ms(now_ms + 10 * DAY_MS);
    store.maintain(Duration::from_secs(1)).unwrap();
    let text = sessile(["clock", dir]).text();
    assert!(text.contains("ahead, and not confirmed yet") && text.contains("--confirm"), "{text}");
    sessile(["clock", dir, "--set-back"]).fails(8, "nothing to set back");
    let done = sessile(["clock", dir, "--confirm", "--json"]);
    assert!(done.stderr.contains("1 session that is hidden ends for good now"), "{done:?}");
    assert_eq!((&done.json()["unconfirmed"], &done.json()["hidden"]), (&false.into(), &0.into()));
    clock.set_wall_ms(now_ms);
    assert_eq!(live(&store), [false, true], "what has ended stays ended");
}

#[test]
fn a_clock_that_is_ahead_is_confirmed_without_a_server() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, now_ms) = (temp.path().to_str().unwrap(), SystemClock.wall_ms());
    used(temp.path(), &ManualClock::at_ms(now_ms - 10 * DAY_MS)).close().unwrap();
    assert_eq!(sessile(["clock", dir, "--json"]).json()["hidden"], 1);
    let done = sessile(["clock", dir, "--confirm", "--json"]);
    assert!(done.stderr.contains("is logged out already, and stays so"), "{done:?}");
    assert_eq!(sessile(["clock", dir, "--json"]).json()["unconfirmed"], false, "it lasts");
    // However wrong the clock is next, who has ended is not back.
    let store = open(temp.path(), &ManualClock::at_ms(now_ms - 10 * DAY_MS));
    assert_eq!(live(&store), [false, true]);
}

/// Both at once make no sense.
#[test]
fn one_word_at_a_time() {
    sessile(["clock", "/nowhere", "--confirm", "--set-back"]).fails(2, "cannot be used with");
}
