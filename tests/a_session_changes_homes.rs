//! A session that is brought from another home is what it was there: it began when it began, ends when it would have ended,
//! is the same user's, and answers to the same id. It is never brought back by being brought.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::time::Duration;

use hazard::{DAY, fresh, options};
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{Carried, Deadline, Error, ManualClock, Options, Secret, Store, Unknown, Write};

const OLD: &str = "/old";
const NEW: &str = "/new";
const HOUR: Duration = Duration::from_secs(3600);

fn old_home() -> (SimVfs, ManualClock, Store) {
    let (vfs, clock) = fresh();
    let old = options(&vfs, &clock).open(OLD).unwrap();
    (vfs, clock, old)
}

/// A home whose options would give a new session quite another life.
fn new_home(vfs: &SimVfs, clock: &ManualClock, secret: Secret) -> Options {
    let options = options(vfs, clock).secret(secret);
    options.idle(10 * DAY).absolute(HOUR / 2).first_lifetime(Duration::from_secs(1))
}

fn carried(store: &Store, id: &str) -> Carried {
    store.get(id).unwrap().expect("it lives there").into_carried()
}

#[test]
fn it_is_what_it_was() {
    let (vfs, clock, old) = old_home();
    let write = Write::new("cart").idle(3 * HOUR).absolute(8 * HOUR).subject("alice");
    old.create("an id", write).unwrap();
    clock.advance(HOUR);
    old.touch("an id", 3 * HOUR).unwrap();
    clock.advance(HOUR);
    let there = old.get("an id").unwrap().unwrap();

    let new = new_home(&vfs, &clock, old.secret()).open(NEW).unwrap();
    new.adopt(&carried(&old, "an id")).unwrap();
    new.close().unwrap();
    for world in [vfs.fork(), vfs.fork()] {
        let new = new_home(&world, &clock, old.secret()).open(NEW).unwrap();
        let here = new.get("an id").unwrap().expect("it answers to its id");
        assert_eq!(here.clone().into_carried(), there.clone().into_carried());
        assert_eq!(new.sessions_of("alice").unwrap().count(), 1);
        // It lives on as it did: what a use gives it, and where that ends.
        new.update("an id", Write::new("bigger cart")).unwrap();
        let after = new.get("an id").unwrap().unwrap();
        assert_eq!(after.deadline().as_ms(), clock_ms(&clock) + 3 * 3_600_000);
        assert_eq!(after.absolute_deadline(), there.absolute_deadline());
        assert_eq!(after.created_ms(), there.created_ms());
    }
}

fn clock_ms(clock: &ManualClock) -> u64 {
    sessile::Clock::wall_ms(clock)
}

#[test]
fn it_is_durable_when_it_is_adopted() {
    let (vfs, clock, old) = old_home();
    old.create("an id", Write::new("cart").idle(HOUR).subject("alice")).unwrap();
    let new = new_home(&vfs, &clock, old.secret()).open(NEW).unwrap();
    new.adopt(&carried(&old, "an id")).unwrap();
    let after = vfs.crash(CrashPolicy::DropAll);
    let new = new_home(&after, &clock, old.secret()).open(NEW).unwrap();
    assert_eq!(new.get("an id").unwrap().unwrap().data(), b"cart");
    assert_eq!(new.destroy_subject("alice", None).unwrap(), 1);
}

#[test]
fn what_is_over_is_not_brought_back() {
    let (vfs, clock, old) = old_home();
    old.create("brief", Write::new("").idle(HOUR)).unwrap();
    old.create("bounded", Write::new("").idle(DAY).absolute(HOUR)).unwrap();
    let new = new_home(&vfs, &clock, old.secret()).open(NEW).unwrap();
    let (brief, bounded) = (carried(&old, "brief"), carried(&old, "bounded"));
    let lie = Carried { deadline: Deadline::NEVER, ..bounded.clone() };
    clock.advance(HOUR);
    for over in [&brief, &bounded, &lie] {
        assert!(matches!(new.adopt(over), Err(Error::Unknown(Unknown::Expired))));
    }
    assert_eq!(new.len(), 0);
}

#[test]
fn one_that_lives_here_stays_as_it_is() {
    let (vfs, clock, old) = old_home();
    old.create("an id", Write::new("old").idle(DAY)).unwrap();
    let new = new_home(&vfs, &clock, old.secret()).open(NEW).unwrap();
    new.create("an id", Write::new("new").idle(HOUR)).unwrap();
    assert!(matches!(new.adopt(&carried(&old, "an id")), Err(Error::Duplicate)));
    assert_eq!(new.get("an id").unwrap().unwrap().data(), b"new");
}

#[test]
fn an_id_comes_along_where_both_keep_ids() {
    let (vfs, clock) = fresh();
    let old = options(&vfs, &clock).keep_ids(true).open(OLD).unwrap();
    old.create("an id", Write::new("").idle(DAY)).unwrap();
    let new = new_home(&vfs, &clock, old.secret()).keep_ids(true).open(NEW).unwrap();
    new.adopt(&carried(&old, "an id")).unwrap();
    assert_eq!(new.get("an id").unwrap().unwrap().id(), Some(&b"an id"[..]));
    let stranger = options(&vfs, &clock).open("/stranger").unwrap();
    let said = stranger.adopt(&carried(&old, "an id")).unwrap_err().to_string();
    assert!(said.contains("secret"), "{said}");
}

#[test]
fn a_store_has_one_secret_for_ever() {
    let (vfs, clock, old) = old_home();
    let other = Secret::generate().unwrap();
    assert!(
        matches!(options(&vfs, &clock).secret(other).open(OLD), Err(Error::Invalid(_))),
        "shared in one process"
    );
    let secret = old.secret();
    old.close().unwrap();
    assert!(matches!(options(&vfs, &clock).secret(other).open(OLD), Err(Error::Invalid(_))));
    assert!(options(&vfs, &clock).secret(secret).open(OLD).is_ok());
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}
