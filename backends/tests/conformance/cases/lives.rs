//! What begins, is read, is written anew and ends.

use sessile::{Deadline, Error, Subject, Version};

use super::{AGES, is_duplicate, is_live, is_unknown, lasting, live, now_ms, until_past};
use crate::suite::Home;

pub async fn an_ended_id_is_free(home: Home) {
    home.create(b"an id", lasting("first")).await.unwrap();
    assert!(is_duplicate(&home.create(b"an id", lasting("second")).await));
    assert_eq!(live(&home, b"an id").await.data(), b"first", "the refused one has changed nothing");
    assert!(home.destroy(b"an id").await.unwrap());
    home.create(b"an id", lasting("third")).await.unwrap();

    let soon = Deadline::at_ms(now_ms() + 40);
    home.create(b"brief", lasting("first").idle_until(soon)).await.unwrap();
    until_past(soon.as_ms()).await;
    home.create(b"brief", lasting("second")).await.unwrap();
    assert_eq!(live(&home, b"brief").await.data(), b"second");
}

pub async fn an_update_revives_nobody(home: Home) {
    assert!(is_unknown(&home.update(b"never", lasting("data")).await));
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    home.update(b"an id", lasting("newer")).await.unwrap();
    assert_eq!(live(&home, b"an id").await.data(), b"newer");
    home.destroy(b"an id").await.unwrap();
    let at = Version::from_u64(1);
    assert!(is_unknown(&home.update(b"an id", lasting("slow")).await));
    assert!(is_unknown(&home.update(b"an id", lasting("slow").subject("alice")).await));
    assert!(is_unknown(&home.replace_if(b"an id", at, lasting("slow")).await));
    assert!(is_unknown(&home.update_with(b"an id", &mut |_| Some(lasting("slow"))).await));
    assert!(is_unknown(&home.touch(b"an id", AGES).await));
    assert!(!is_live(&home, b"an id").await);
}

pub async fn set_takes_either(home: Home) {
    home.set(b"an id", lasting("first").subject("alice")).await.unwrap();
    let first = live(&home, b"an id").await;
    home.set(b"an id", lasting("second")).await.unwrap();
    let second = live(&home, b"an id").await;
    assert_eq!(second.data(), b"second");
    assert_eq!((second.created_ms(), second.subject()), (first.created_ms(), first.subject()));
    home.destroy(b"an id").await.unwrap();
    home.set(b"an id", lasting("third")).await.unwrap();
    assert_eq!(live(&home, b"an id").await.subject(), None, "it began anew");
}

pub async fn a_session_is_shown_whole(home: Home) {
    let before = now_ms();
    let end = Deadline::at_ms(before + 7_200_000);
    let version = home.create(b"an id", lasting("data").subject("alice").absolute_until(end)).await.unwrap();
    let after = now_ms();
    let session = live(&home, b"an id").await;
    assert_eq!((session.data(), session.version()), (b"data".as_slice(), version));
    assert_eq!(session.handle(), home.handle_of(b"an id").unwrap());
    assert_eq!(session.subject(), Some(home.subject_digest(b"alice").unwrap()));
    assert!((before..=after).contains(&session.created_ms()), "{before} {session:?} {after}");
    assert!((before..=after + 1).contains(&session.last_used_ms()), "{before} {session:?} {after}");
    assert!((before + 3_600_000..=after + 3_600_000).contains(&session.deadline().as_ms()));
    assert_eq!(session.absolute_deadline(), end);
    let idle = session.idle();
    assert!(idle >= AGES && idle < AGES + std::time::Duration::from_secs(10), "{idle:?}");
    assert_eq!(session.id(), None, "ids are kept only when asked for");
}

pub async fn versions_grow(home: Home) {
    let mut last = home.create(b"an id", lasting("0")).await.unwrap();
    for round in 1..20 {
        let next = match round % 4 {
            0 => home.set(b"an id", lasting("set")).await.unwrap(),
            1 => home.update(b"an id", lasting("update")).await.unwrap(),
            2 => home.replace_if(b"an id", last, lasting("replace")).await.unwrap(),
            _ => {
                home.destroy(b"an id").await.unwrap();
                home.create(b"an id", lasting("again")).await.unwrap()
            }
        };
        assert!(next > last, "round {round}: {next} after {last}");
        assert_eq!(live(&home, b"an id").await.version(), next);
        last = next;
    }
    home.touch(b"an id", AGES * 2).await.unwrap();
    assert_eq!(live(&home, b"an id").await.version(), last, "a touch is no write");
}

pub async fn who_was_faster_is_told(home: Home) {
    let first = home.create(b"an id", lasting("first")).await.unwrap();
    let second = home.replace_if(b"an id", first, lasting("second")).await.unwrap();
    let late = home.replace_if(b"an id", first, lasting("late")).await;
    let told = |error: &sessile_backends::Error| match error.of_store() {
        Some(Error::Conflict { current }) => Some(*current),
        _ => None,
    };
    assert_eq!(late.as_ref().err().and_then(told), Some(second), "{late:?}");
    assert_eq!(live(&home, b"an id").await.data(), b"second");

    let declined = home.update_with(b"an id", &mut |_| None).await.unwrap();
    assert_eq!(declined, None);
    let mut seen = Vec::new();
    let mut grow = |session: &sessile::Session| {
        seen.push(session.data().to_vec());
        Some(lasting("third"))
    };
    assert!(home.update_with(b"an id", &mut grow).await.unwrap() > Some(second));
    assert_eq!(seen, [b"second"]);
}

pub async fn subjects_are_kept_set_and_cleared(home: Home) {
    let (alice, bob) = (home.subject_digest(b"alice").unwrap(), home.subject_digest(b"bob").unwrap());
    home.create(b"an id", lasting("")).await.unwrap();
    assert_eq!(live(&home, b"an id").await.subject(), None);
    for (change, then) in [
        (Subject::Set(b"alice".to_vec()), Some(alice)),
        (Subject::Keep, Some(alice)),
        (Subject::Set(b"bob".to_vec()), Some(bob)),
        (Subject::Set(b"bob".to_vec()), Some(bob)),
        (Subject::Clear, None),
        (Subject::Clear, None),
        (Subject::Keep, None),
    ] {
        home.update(b"an id", lasting("").subject_change(change.clone())).await.unwrap();
        assert_eq!(live(&home, b"an id").await.subject(), then, "{change:?}");
    }
}

pub async fn endings_are_idempotent(home: Home) {
    assert!(!home.destroy(b"never").await.unwrap());
    home.create(b"an id", lasting("").subject("alice")).await.unwrap();
    assert!(home.destroy(b"an id").await.unwrap());
    assert!(!home.destroy(b"an id").await.unwrap());
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 0);
    assert_eq!(home.destroy_subject(b"nobody", None).await.unwrap(), 0);
    assert_eq!(home.clear().await.unwrap(), 0);
}
