//! All sessions at once, and the home as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use sessile::{Carried, Deadline, Write};

use super::{AGES, all, is_duplicate, is_live, is_unknown, lasting, live, now_ms, until_past};
use crate::suite::Home;

pub async fn all_are_listed_and_counted(home: Home) {
    const MANY: usize = 1200;
    for number in 0..MANY {
        let mut write = lasting(&number.to_string());
        if number % 3 == 0 {
            write = write.subject(format!("user {}", number % 7));
        }
        home.create(format!("id {number}").as_bytes(), write).await.unwrap();
    }
    let soon = Deadline::at_ms(now_ms() + 30);
    for number in 0..5 {
        home.create(format!("brief {number}").as_bytes(), lasting("").idle_until(soon)).await.unwrap();
    }
    until_past(soon.as_ms()).await;
    while home.maintain(Duration::from_secs(1)).await.unwrap().more {}
    let (counted, listed) = (home.len().await.unwrap(), all(home.iter()).await);
    let data: BTreeSet<_> = listed.iter().map(|session| session.data().to_vec()).collect();
    assert_eq!(data.len(), MANY);
    assert!(listed.len() >= MANY && counted >= MANY as u64);
    if home.capabilities().lists_once {
        assert_eq!((listed.len(), counted), (MANY, MANY as u64), "each once");
    }
    let some = listed.iter().find(|session| session.subject().is_some()).unwrap();
    assert_eq!(home.get_handle(some.handle()).await.unwrap().as_ref(), Some(some));
}

pub async fn clear_ends_all(home: Home) {
    for number in 0..300 {
        let write = lasting("").subject(format!("user {}", number % 10));
        home.create(format!("id {number}").as_bytes(), write).await.unwrap();
    }
    assert_eq!(home.clear().await.unwrap(), 300);
    assert_eq!(home.len().await.unwrap(), 0);
    assert!(all(home.iter()).await.is_empty());
    assert!(all(home.sessions_of(b"user 1")).await.is_empty());
    assert!(is_unknown(&home.update(b"id 7", lasting("slow")).await));
    home.create(b"id 7", lasting("").subject("user 1")).await.unwrap();
    assert_eq!(all(home.sessions_of(b"user 1")).await.len(), 1);
    assert_eq!(home.len().await.unwrap(), 1);
}

pub async fn sets_beside_are_separate(home: Home) {
    let ledger = home.beside("ledger").await.unwrap();
    assert_eq!(ledger.secret(), home.secret());
    home.create(b"an id", lasting("here").subject("alice")).await.unwrap();
    assert!(!is_live(&ledger, b"an id").await);
    ledger.create(b"an id", lasting("there").subject("alice")).await.unwrap();
    assert_eq!((home.len().await.unwrap(), ledger.len().await.unwrap()), (1, 1));
    assert_eq!(all(home.iter()).await.len(), 1);
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
    assert_eq!(live(&ledger, b"an id").await.data(), b"there");
    home.create(b"another", lasting("")).await.unwrap();
    assert_eq!(ledger.clear().await.unwrap(), 1);
    assert!(is_live(&home, b"another").await);
    ledger.set(b"an id", lasting("again")).await.unwrap();
    let same = home.beside("ledger").await.unwrap();
    assert_eq!(live(&same, b"an id").await.data(), b"again");
    assert!(!is_live(&home.beside("ledger2").await.unwrap(), b"an id").await);
}

pub async fn sessions_are_carried(home: Home) {
    let there = home.beside("there").await.unwrap();
    let end = Deadline::at_ms(now_ms() + 9_000_000);
    home.create(b"whole", lasting("data").subject("alice").absolute_until(end)).await.unwrap();
    home.create(b"eternal", Write::new("").idle(Duration::MAX)).await.unwrap();
    let brief = Deadline::at_ms(now_ms() + 80);
    home.create(b"brief", Write::new("").idle_until(brief)).await.unwrap();
    let carried: Vec<Carried> = all(home.iter()).await.into_iter().map(Carried::from).collect();
    until_past(brief.as_ms()).await;
    for session in &carried {
        let adopted = there.adopt(session).await;
        assert!(adopted.is_ok() || (is_unknown(&adopted) && session.deadline == brief), "{adopted:?}");
    }
    assert!(!is_live(&there, b"brief").await);
    for id in [b"whole".as_slice(), b"eternal"] {
        let (here, there) = (live(&home, id).await, live(&there, id).await);
        assert_eq!((here.data(), here.handle()), (there.data(), there.handle()));
        assert_eq!((here.created_ms(), here.subject()), (there.created_ms(), there.subject()));
        assert_eq!(
            (here.deadline(), here.absolute_deadline()),
            (there.deadline(), there.absolute_deadline())
        );
        assert_eq!(here.idle(), there.idle());
    }
    let again =
        Carried { data: b"other".to_vec(), ..carried.iter().find(|it| it.data == b"data").unwrap().clone() };
    assert!(is_duplicate(&there.adopt(&again).await));
    assert_eq!(live(&there, b"whole").await.data(), b"data");
    // It is a session like any other from now on.
    there.touch(b"whole", AGES * 2).await.unwrap();
    assert_eq!(all(there.sessions_of(b"alice")).await.len(), 1);
    assert_eq!(there.destroy_subject(b"alice", None).await.unwrap(), 1);
    let foreign = Carried { id: Some(b"not its id".to_vec()), ..again };
    let refused = there.adopt(&foreign).await.unwrap_err();
    assert!(matches!(refused.of_store(), Some(sessile::Error::Invalid(_))), "{refused}");
}

pub async fn closed_means_closed(home: Home) {
    home.create(b"an id", lasting("")).await.unwrap();
    home.flush().await.unwrap();
    home.close().await.unwrap();
    home.close().await.unwrap();
    let closed = |error: sessile_backends::Error| matches!(error.of_store(), Some(sessile::Error::Closed));
    let handle = home.handle_of(b"an id").unwrap();
    assert!(closed(home.create(b"x", lasting("")).await.unwrap_err()));
    assert!(closed(home.update(b"x", lasting("")).await.unwrap_err()));
    assert!(closed(home.set(b"x", lasting("")).await.unwrap_err()));
    assert!(closed(home.get(b"x").await.unwrap_err()));
    assert!(closed(home.touch(b"x", AGES).await.unwrap_err()));
    assert!(closed(home.destroy(b"x").await.unwrap_err()));
    assert!(closed(home.rotate(b"x", b"y", None).await.unwrap_err()));
    assert!(closed(home.get_handle(handle).await.unwrap_err()));
    assert!(closed(home.destroy_handle(handle).await.unwrap_err()));
    assert!(closed(home.destroy_subject(b"x", None).await.unwrap_err()));
    assert!(closed(home.update_with(b"x", &mut |_| None).await.unwrap_err()));
    assert!(closed(home.clear().await.unwrap_err()));
    assert!(closed(home.flush().await.unwrap_err()));
    assert!(closed(home.maintain(Duration::from_millis(1)).await.unwrap_err()));
    for mut sessions in [home.iter(), home.sessions_of(b"x")] {
        assert!(closed(sessions.next().await.expect("an error is an item").unwrap_err()));
    }
}
