//! A user's sessions: found, shown, ended together.

use std::collections::BTreeSet;

use sessile::{Handle, Subject};

use super::{all, is_live, lasting, live};
use crate::suite::Home;

async fn handles(home: &Home, subject: &[u8]) -> BTreeSet<Handle> {
    all(home.sessions_of(subject)).await.iter().map(sessile::Session::handle).collect()
}

pub async fn devices_are_found_by_subject(home: Home) {
    for (id, subject) in [("a1", "alice"), ("a2", "alice"), ("b1", "bob")] {
        home.create(id.as_bytes(), lasting(id).subject(subject)).await.unwrap();
    }
    home.create(b"anonymous", lasting("")).await.unwrap();
    let of =
        |ids: &[&str]| ids.iter().map(|id| home.handle_of(id.as_bytes()).unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(handles(&home, b"alice").await, of(&["a1", "a2"]));
    assert_eq!(handles(&home, b"bob").await, of(&["b1"]));
    assert!(handles(&home, b"carol").await.is_empty());
    let mut data: Vec<_> =
        all(home.sessions_of(b"alice")).await.into_iter().map(|one| one.into_data()).collect();
    data.sort();
    assert_eq!(data, [b"a1", b"a2"]);
    home.destroy(b"a1").await.unwrap();
    assert_eq!(handles(&home, b"alice").await, of(&["a2"]));
}

pub async fn logging_out_everywhere_spares_one(home: Home) {
    for id in ["laptop", "phone", "library"] {
        home.create(id.as_bytes(), lasting(id).subject("alice")).await.unwrap();
    }
    home.create(b"bob's", lasting("").subject("bob")).await.unwrap();
    home.create(b"nobody's", lasting("")).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", Some(b"laptop")).await.unwrap(), 2);
    for (id, lives) in
        [("laptop", true), ("phone", false), ("library", false), ("bob's", true), ("nobody's", true)]
    {
        assert_eq!(is_live(&home, id.as_bytes()).await, lives, "{id}");
    }
    // The one that was spared goes on like any other.
    home.touch(b"laptop", super::AGES * 2).await.unwrap();
    home.update(b"laptop", lasting("newer")).await.unwrap();
    home.rotate(b"laptop", b"laptop 2", None).await.unwrap();
    home.create(b"phone", lasting("again").subject("alice")).await.unwrap();
    assert_eq!(handles(&home, b"alice").await.len(), 2);
    // Who is not there, or another's, spares nobody.
    assert_eq!(home.destroy_subject(b"alice", Some(b"bob's")).await.unwrap(), 2);
    assert!(!is_live(&home, b"laptop 2").await && !is_live(&home, b"phone").await);
    home.create(b"phone", lasting("third").subject("alice")).await.unwrap();
    assert!(is_live(&home, b"phone").await, "what is attached later is not concerned");
    assert_eq!(home.destroy_subject(b"alice", Some(b"no such id")).await.unwrap(), 1);
    // Spared twice, and then not.
    home.create(b"a", lasting("").subject("alice")).await.unwrap();
    home.create(b"b", lasting("").subject("alice")).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", Some(b"a")).await.unwrap(), 1);
    assert_eq!(home.destroy_subject(b"alice", Some(b"a")).await.unwrap(), 0);
    assert!(is_live(&home, b"a").await);
    assert_eq!(home.destroy_subject(b"alice", Some(b"b")).await.unwrap(), 1);
    assert!(!is_live(&home, b"a").await);
}

pub async fn handles_name_sessions(home: Home) {
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    let handle = home.handle_of(b"an id").unwrap();
    assert_eq!(home.get_handle(handle).await.unwrap(), home.get(b"an id").await.unwrap());
    assert_eq!(live(&home, b"an id").await.handle(), handle);
    assert!(home.destroy_handle(handle).await.unwrap());
    assert!(!home.destroy_handle(handle).await.unwrap());
    assert!(home.get_handle(handle).await.unwrap().is_none());
    assert!(!is_live(&home, b"an id").await);
}

pub async fn a_change_of_user_counts(home: Home) {
    home.create(b"an id", lasting("").subject("alice")).await.unwrap();
    home.update(b"an id", lasting("").subject("bob")).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 0);
    assert!(is_live(&home, b"an id").await);
    home.update(b"an id", lasting("").subject_change(Subject::Clear)).await.unwrap();
    assert_eq!(home.destroy_subject(b"bob", None).await.unwrap(), 0);
    assert!(is_live(&home, b"an id").await);
    home.update(b"an id", lasting("").subject("alice")).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
    assert!(!is_live(&home, b"an id").await);
}
