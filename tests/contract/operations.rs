//! What each operation does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sessile::{Durability, Error, SessionId, Subject, Touched, Unknown, Write};

use super::{Bench, MINUTE, SECOND, START_MS};

#[test]
fn create_refuses_a_live_id_and_takes_an_ended_one() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", "one").unwrap();
    assert!(matches!(store.create("id", "two"), Err(Error::Duplicate)));
    assert_eq!(store.get("id").unwrap().unwrap().data(), b"one");
    store.destroy("id").unwrap();
    store.create("id", "three").unwrap();
    bench.clock.advance(11 * MINUTE);
    store.create("id", "four, since the third has expired").unwrap();
}

#[test]
fn update_never_revives() {
    let bench = Bench::new();
    let store = bench.store();
    assert!(matches!(store.update("id", "x"), Err(Error::Unknown(Unknown::Never))));
    let first = store.create("id", "x").unwrap();
    assert!(store.update("id", "y").unwrap() > first);
    store.destroy("id").unwrap();
    assert!(matches!(store.update("id", "z"), Err(Error::Unknown(Unknown::Ended))));
    store.create("id", "x").unwrap();
    bench.clock.advance(11 * MINUTE);
    assert!(matches!(store.update("id", "z"), Err(Error::Unknown(Unknown::Expired))));
    assert!(store.get("id").unwrap().is_none());
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", Write::new("x").subject("alice").idle(5 * MINUTE).absolute(60 * MINUTE)).unwrap();
    bench.clock.advance(MINUTE);
    store.update("id", "y").unwrap();
    let read = store.get("id").unwrap().unwrap();
    assert_eq!(read.subject(), Some(store.subject_digest("alice").unwrap()));
    assert_eq!(read.deadline().as_ms(), START_MS + 6 * 60_000);
    assert_eq!(read.absolute_deadline().as_ms(), START_MS + 60 * 60_000);
    assert_eq!((read.created_ms(), read.last_used_ms()), (START_MS, START_MS + 60_000));
    store.update("id", Write::new("y").subject_change(Subject::Clear)).unwrap();
    assert_eq!(store.get("id").unwrap().unwrap().subject(), None);
}

#[test]
fn set_creates_or_replaces() {
    let store = Bench::new().store();
    let first = store.set("id", "one").unwrap();
    assert!(store.set("id", "two").unwrap() > first);
    assert_eq!(store.get("id").unwrap().unwrap().into_data(), b"two");
}

#[test]
fn get_and_its_variants_tell_the_same() {
    let bench = Bench::new();
    let store = bench.store();
    let version = store.create("id", Write::new("data").subject("alice")).unwrap();
    let read = store.get("id").unwrap().unwrap();
    assert_eq!((read.data(), read.version(), read.created_ms()), (&b"data"[..], version, START_MS));
    assert_eq!(store.get_handle(&read.handle()).unwrap().unwrap(), read);
    let in_place = store.get_ref("id").unwrap().unwrap();
    assert_eq!((in_place.data(), in_place.version()), (&b"data"[..], version));
    store.destroy("id").unwrap();
    assert_eq!(in_place.data(), b"data", "who holds it can go on reading it");
    assert!(store.get("id").unwrap().is_none() && store.get_ref("id").unwrap().is_none());
}

#[test]
fn touch_only_extends_and_is_logged_only_when_the_slack_is_used_up() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", "x").unwrap();
    bench.clock.advance(30 * SECOND);
    assert_eq!(store.touch("id", 10 * MINUTE).unwrap(), Touched::Coalesced);
    assert_eq!(store.get("id").unwrap().unwrap().deadline().as_ms(), START_MS + 630_000, "memory at once");
    assert_eq!(store.touch("id", MINUTE).unwrap(), Touched::Coalesced);
    assert_eq!(store.get("id").unwrap().unwrap().deadline().as_ms(), START_MS + 630_000, "never closer");
    bench.clock.advance(31 * SECOND);
    assert_eq!(store.touch("id", 10 * MINUTE).unwrap(), Touched::Logged);
    assert!(matches!(store.touch("none", MINUTE), Err(Error::Unknown(_))));
}

#[test]
fn replace_if_compares_and_swaps() {
    let store = Bench::new().store();
    let first = store.create("id", "1").unwrap();
    let second = store.replace_if("id", first, "2").unwrap();
    assert!(
        matches!(store.replace_if("id", first, "3"), Err(Error::Conflict { current }) if current == second)
    );
    store.touch("id", 20 * MINUTE).unwrap();
    store.replace_if("id", second, "a touch is no new version").unwrap();
    assert!(matches!(store.replace_if("none", first, "x"), Err(Error::Unknown(_))));
}

#[test]
fn update_with_may_decline_conflict_panic_and_call_the_store() {
    let store = Bench::new().store();
    store.create("id", "1").unwrap();
    assert_eq!(store.update_with("id", |_| None).unwrap(), None);
    let mut runs = 0;
    store
        .update_with("id", |session| {
            runs += 1;
            if runs == 1 {
                store.update("id", "2").unwrap();
                store.clear().unwrap();
                store.create("id", "3").unwrap();
            }
            Some(Write::new([session.data(), b"+"].concat()))
        })
        .unwrap();
    assert_eq!((runs, store.get("id").unwrap().unwrap().into_data()), (2, b"3+".to_vec()));
    let before = store.get("id").unwrap();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        store.update_with("id", |_| std::panic::resume_unwind(Box::new("no")))
    }));
    assert!(panics.is_err());
    assert_eq!(store.get("id").unwrap(), before, "a panic changes nothing");
    store.update("id", "and holds no lock").unwrap();
    assert!(matches!(store.update_with("none", |_| None), Err(Error::Unknown(_))));
}

#[test]
fn destroy_is_idempotent() {
    let store = Bench::new().store();
    store.create("id", "x").unwrap();
    let handle = store.handle_of("id").unwrap();
    assert!(store.destroy("id").unwrap());
    assert!(!store.destroy("id").unwrap() && !store.destroy_handle(&handle).unwrap());
    store.create("id", "x").unwrap();
    assert!(store.destroy_handle(&handle).unwrap());
    assert!(!store.destroy("never").unwrap());
}

#[test]
fn rotate_is_a_login() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("old", Write::new("cart").absolute(60 * MINUTE)).unwrap();
    bench.clock.advance(MINUTE);
    let login = Write::new("alice's cart").subject("alice").absolute(90 * MINUTE);
    let version = store.rotate("old", "new", Some(login)).unwrap();
    assert!(store.get("old").unwrap().is_none());
    let read = store.get("new").unwrap().unwrap();
    assert_eq!((read.data(), read.version()), (&b"alice's cart"[..], version));
    assert_eq!(read.created_ms(), START_MS, "created stays");
    assert_eq!(read.absolute_deadline().as_ms(), START_MS + 3_600_000, "the absolute deadline stays");
    assert_eq!(read.subject(), Some(store.subject_digest("alice").unwrap()));
    store.rotate("new", "newer", None).unwrap();
    let again = store.get("newer").unwrap().unwrap();
    assert_eq!((again.data(), again.subject()), (read.data(), read.subject()), "without a write all stays");
    assert!(matches!(store.rotate("new", "x", None), Err(Error::Unknown(Unknown::Ended))));
    assert!(matches!(store.rotate("newer", "newer", None), Err(Error::Duplicate)));
    store.create("taken", "x").unwrap();
    assert!(matches!(store.rotate("newer", "taken", None), Err(Error::Duplicate)));
    assert!(store.get("newer").unwrap().is_some(), "what was refused changed nothing");
}

#[test]
fn a_devices_page_can_be_made() {
    let store = Bench::new().store();
    for (id, subject) in [("phone", "alice"), ("laptop", "alice"), ("other", "bob")] {
        store.create(id, Write::new(id).subject(subject)).unwrap();
    }
    let mut devices: Vec<_> = store.sessions_of("alice").unwrap().map(Result::unwrap).collect();
    devices.sort_by_key(|device| device.data().to_vec());
    assert_eq!(
        devices.iter().map(|device| device.data()).collect::<Vec<_>>(),
        [b"laptop".as_slice(), b"phone"]
    );
    assert!(store.destroy_handle(&devices[0].handle()).unwrap());
    assert!(store.get("laptop").unwrap().is_none());
    assert_eq!(store.sessions_of("alice").unwrap().count(), 1);
    assert_eq!(store.sessions_of("nobody").unwrap().count(), 0);
}

#[test]
fn log_out_everywhere_spares_one_and_nobody_elses() {
    let store = Bench::new().store();
    for id in ["a", "b", "c"] {
        store.create(id, Write::new("").subject("alice")).unwrap();
    }
    store.create("bob's", Write::new("").subject("bob")).unwrap();
    assert_eq!(store.destroy_subject("alice", Some(b"bob's")).unwrap(), 3, "another's id spares nothing");
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 0);
    store.create("a", Write::new("").subject("alice")).unwrap();
    store.create("b", Write::new("").subject("alice")).unwrap();
    assert_eq!(store.destroy_subject("alice", Some(b"a")).unwrap(), 1);
    assert!(store.get("a").unwrap().is_some() && store.get("bob's").unwrap().is_some());
}

#[test]
fn len_iter_and_clear() {
    let bench = Bench::new();
    let store = bench.store();
    for n in 0..100 {
        store
            .create(format!("id-{n}"), Write::new([n]).idle(if n < 40 { MINUTE } else { 5 * MINUTE }))
            .unwrap();
    }
    assert_eq!((store.len(), store.iter().unwrap().count()), (100, 100));
    bench.clock.advance(2 * MINUTE);
    assert_eq!(store.iter().unwrap().count(), 60, "an expired one is never shown");
    assert_eq!(store.maintain(SECOND).unwrap().expired, 40);
    assert_eq!(store.len(), 60);
    assert_eq!(store.clear().unwrap(), 60);
    assert_eq!((store.len(), store.clear().unwrap()), (0, 0));
}

#[test]
fn ids_and_subjects_of_any_bytes_within_their_limits() {
    let store = Bench::new().store();
    for id in [vec![0], vec![0xff; 4096], b"\0".repeat(2)] {
        store.create(&id, Write::new("x").subject(vec![0; 1024])).unwrap();
        assert!(store.get(&id).unwrap().is_some());
    }
    assert_eq!(store.sessions_of([0; 1024]).unwrap().count(), 3);
    for id in [Vec::new(), vec![1; 4097]] {
        assert!(matches!(store.create(&id, "x"), Err(Error::Invalid(_))));
        assert!(matches!(store.get(&id), Err(Error::Invalid(_))));
        assert!(matches!(store.rotate([0], &id, None), Err(Error::Invalid(_))));
    }
    for subject in [Vec::new(), vec![1; 1025]] {
        assert!(matches!(
            store.create("y", Write::new("x").subject(subject.clone())),
            Err(Error::Invalid(_))
        ));
        assert!(matches!(store.sessions_of(&subject), Err(Error::Invalid(_))));
        assert!(matches!(store.destroy_subject(&subject, None), Err(Error::Invalid(_))));
    }
    let (one, two) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
    assert!(one.as_str().len() == 43 && one != two);
}

#[test]
fn synced_survives_power_loss_and_endings_are_synced_in_a_written_store_too() {
    let mut bench = Bench::new();
    let written = |bench: &Bench| bench.options().durability(Durability::Written);
    let store = bench.open(written(&bench));
    store.create("synced", Write::new("x").durability(Durability::Synced)).unwrap();
    store.create("written", "x").unwrap();
    bench.power_loss();
    let store = bench.open(written(&bench));
    assert!(store.get("synced").unwrap().is_some() && store.get("written").unwrap().is_none());
    for id in ["a", "b", "c"] {
        store.create(id, Write::new("x").subject("alice")).unwrap();
    }
    store.destroy("synced").unwrap();
    bench.power_loss();
    let store = bench.open(written(&bench));
    assert!(store.get("synced").unwrap().is_none() && store.get("c").unwrap().is_some());
    store.rotate("a", "a2", None).unwrap();
    bench.power_loss();
    let store = bench.open(written(&bench));
    assert!(store.get("a").unwrap().is_none() && store.get("a2").unwrap().is_some());
    assert_eq!(store.destroy_subject("alice", Some(b"c")).unwrap(), 2);
    bench.power_loss();
    let store = bench.open(written(&bench));
    assert_eq!(store.iter().unwrap().count(), 1);
    store.clear().unwrap();
    bench.power_loss();
    let relaxed = written(&bench).logouts_may_be_lost_on_power_failure(true);
    let store = bench.open(relaxed);
    assert_eq!(store.iter().unwrap().count(), 0);
    store.create("d", Write::new("x").durability(Durability::Synced)).unwrap();
    store.destroy("d").unwrap();
    bench.power_loss();
    let relaxed = written(&bench).logouts_may_be_lost_on_power_failure(true);
    assert!(bench.open(relaxed).get("d").unwrap().is_some(), "the name of the option says so");
}

#[test]
fn a_rotate_that_asks_for_it_is_synced_whatever_the_store_relaxes() {
    let mut bench = Bench::new();
    let relaxed =
        |b: &Bench| b.options().durability(Durability::Written).logouts_may_be_lost_on_power_failure(true);
    let store = bench.open(relaxed(&bench));
    store.create("old", "x").unwrap();
    store.rotate("old", "new", Some(Write::new("y").durability(Durability::Synced))).unwrap();
    bench.power_loss();
    let store = bench.open(relaxed(&bench));
    assert!(store.get("new").unwrap().is_some() && store.get("old").unwrap().is_none());
}
