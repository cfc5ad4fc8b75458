//! A login: another id for the same session, and exactly one of the two works.

use sessile::{Deadline, Write};

use super::{AGES, all, is_duplicate, is_live, is_unknown, lasting, live, now_ms, until_past};
use crate::suite::Home;

pub async fn a_login_changes_the_id_and_nothing_else(home: Home) {
    let end = Deadline::at_ms(now_ms() + 5_000_000);
    for subject in [None, Some("alice")] {
        let (old, new) = (format!("old {subject:?}"), format!("new {subject:?}"));
        let mut write = lasting("cart").absolute_until(end);
        if let Some(subject) = subject {
            write = write.subject(subject);
        }
        home.create(old.as_bytes(), write).await.unwrap();
        let before = live(&home, old.as_bytes()).await;
        until_past(now_ms()).await;
        let version = home.rotate(old.as_bytes(), new.as_bytes(), None).await.unwrap();
        assert!(!is_live(&home, old.as_bytes()).await);
        let after = live(&home, new.as_bytes()).await;
        assert_eq!((after.data(), after.subject()), (before.data(), before.subject()));
        assert_eq!(
            (after.created_ms(), after.absolute_deadline(), after.idle()),
            (before.created_ms(), before.absolute_deadline(), before.idle())
        );
        assert!(after.deadline() >= before.deadline());
        assert_eq!((after.version(), after.handle()), (version, home.handle_of(new.as_bytes()).unwrap()));
        assert!(home.get_handle(before.handle()).await.unwrap().is_none());
    }
    assert_eq!(all(home.iter()).await.len(), 2);
}

pub async fn a_rotate_takes_data_and_subject_along(home: Home) {
    let end = Deadline::at_ms(now_ms() + 5_000_000);
    home.create(b"old", lasting("cart").absolute_until(end)).await.unwrap();
    let login = Write::new("cart and user").subject("alice").absolute(AGES * 24 * 365);
    home.rotate(b"old", b"new", Some(login)).await.unwrap();
    let session = live(&home, b"new").await;
    assert_eq!(session.data(), b"cart and user");
    assert_eq!(session.absolute_deadline(), end, "it only comes closer");
    assert_eq!(all(home.sessions_of(b"alice")).await, std::slice::from_ref(&session));
    home.rotate(b"new", b"newer", Some(Write::new("").subject("bob"))).await.unwrap();
    assert!(all(home.sessions_of(b"alice")).await.is_empty());
    assert_eq!(all(home.sessions_of(b"bob")).await.len(), 1);
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 0);
    assert_eq!(home.destroy_subject(b"bob", None).await.unwrap(), 1);
    assert!(!is_live(&home, b"newer").await);
}

pub async fn a_rotate_needs_the_old_and_a_free_new(home: Home) {
    assert!(is_unknown(&home.rotate(b"never", b"new", None).await));
    assert!(!is_live(&home, b"new").await);
    home.create(b"old", lasting("old").subject("alice")).await.unwrap();
    home.create(b"taken", lasting("taken")).await.unwrap();
    assert!(is_duplicate(&home.rotate(b"old", b"taken", None).await));
    assert!(is_duplicate(&home.rotate(b"old", b"old", None).await));
    assert_eq!(live(&home, b"old").await.data(), b"old");
    assert_eq!(live(&home, b"taken").await.data(), b"taken");
    home.destroy(b"taken").await.unwrap();
    home.rotate(b"old", b"taken", None).await.unwrap();
    assert_eq!(live(&home, b"taken").await.data(), b"old");
    assert!(is_unknown(&home.rotate(b"old", b"elsewhere", None).await));
}

pub async fn the_old_id_is_free_again(home: Home) {
    home.create(b"a", lasting("first").subject("alice")).await.unwrap();
    home.rotate(b"a", b"b", None).await.unwrap();
    assert!(is_unknown(&home.update(b"a", lasting("slow")).await));
    assert!(is_unknown(&home.touch(b"a", AGES).await));
    assert!(!home.destroy(b"a").await.unwrap());
    home.create(b"a", lasting("second").subject("alice")).await.unwrap();
    assert_eq!(live(&home, b"a").await.data(), b"second");
    assert_eq!(live(&home, b"b").await.data(), b"first");
    assert!(is_duplicate(&home.rotate(b"b", b"a", None).await));
    home.destroy(b"a").await.unwrap();
    home.rotate(b"b", b"a", None).await.unwrap();
    assert_eq!(live(&home, b"a").await.data(), b"first");
    assert_eq!(all(home.sessions_of(b"alice")).await.len(), 1);
}

pub async fn one_of_many_rotates_wins(home: Home) {
    for round in 0..5 {
        let old = format!("old {round}");
        let mut write = lasting("data");
        if round % 2 == 0 {
            write = write.subject("alice");
        }
        home.create(old.as_bytes(), write).await.unwrap();
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (home, old, new) = (home.clone(), old.clone(), format!("new {round} {racer}"));
                tokio::spawn(async move {
                    let outcome = home.rotate(old.as_bytes(), new.as_bytes(), None).await;
                    assert!(outcome.is_ok() || is_unknown(&outcome), "{outcome:?}");
                    (outcome.is_ok(), is_live(&home, new.as_bytes()).await)
                })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            let (this_won, lives) = racer.await.unwrap();
            assert_eq!(this_won, lives, "who has won has the session, and nobody else");
            won += u32::from(this_won);
        }
        assert_eq!(won, 1);
        assert!(!is_live(&home, old.as_bytes()).await);
    }
}

/// Each change of id while others use the session: no use is an error but that it has gone on.
pub async fn rotates_go_on_and_on(home: Home) {
    home.create(b"id 0", lasting("0").subject("alice")).await.unwrap();
    let created = live(&home, b"id 0").await.created_ms();
    for round in 0..20 {
        let (old, new) = (format!("id {round}"), format!("id {}", round + 1));
        let busy: Vec<_> = (0..3)
            .map(|user| {
                let (home, old) = (home.clone(), old.clone());
                tokio::spawn(async move {
                    let used = match user {
                        0 => home.touch(old.as_bytes(), AGES).await.map(drop),
                        1 => home.update(old.as_bytes(), lasting("busy")).await.map(drop),
                        _ => home.get(old.as_bytes()).await.map(drop),
                    };
                    assert!(used.is_ok() || is_unknown(&used), "{used:?}");
                })
            })
            .collect();
        home.rotate(old.as_bytes(), new.as_bytes(), Some(lasting("new"))).await.unwrap();
        for user in busy {
            user.await.unwrap();
        }
        assert!(!is_live(&home, old.as_bytes()).await, "round {round}");
    }
    let last = live(&home, b"id 20").await;
    assert_eq!((last.data(), last.created_ms()), (b"new".as_slice(), created));
    assert_eq!(all(home.sessions_of(b"alice")).await.len(), 1);
}
