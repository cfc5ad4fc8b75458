//! Sessions move between a directory and a home on a real server, Redis and PostgreSQL, by their digests, and everything about them stays.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]
#![cfg(all(feature = "redis", feature = "postgres"))]

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::path::Path;
use std::time::Duration;

use common::{address, counts};
use servers::{cluster, postgres, redis};
use sessile::{Deadline, Store, Write};
use sessile_porting::{Address, Error, Move, Report};

const SESSIONS: usize = 1500;

fn filled(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    for number in 0..SESSIONS {
        let write = Write::new(format!("data of {number}")).durability(sessile::Durability::Written);
        let write = match number % 4 {
            0 => write.subject(format!("user{}", number % 10)),
            1 => write.absolute(Duration::from_secs(86_400)),
            2 => write.idle(Duration::from_secs(3600)),
            _ => write.idle(Duration::MAX),
        };
        store.create(format!("id{number}"), write).unwrap();
    }
    store.create("binary", Write::new([0xff, 0, b'\n'])).unwrap();
    store
}

type Facts = (Vec<u8>, Deadline, Deadline, u64);

fn facts(store: &Store) -> Vec<Facts> {
    let ids = (0..SESSIONS).map(|number| format!("id{number}")).chain(["binary".to_owned()]);
    ids.map(|id| {
        let found = store.get(id).unwrap().unwrap();
        (found.data().to_vec(), found.deadline(), found.absolute_deadline(), found.created_ms())
    })
    .collect()
}

fn carry(from: &Address, to: &Address) -> Result<Report, Error> {
    Move::new(from.clone(), to.clone()).run(&())
}

#[test]
fn a_directory_goes_to_redis_and_back_without_any_id() {
    let temp = tempfile::tempdir().unwrap();
    match redis(temp.path()) {
        Some((_server, socket)) => {
            there_and_back(temp.path(), &format!("redis+unix://{}?prefix=shop", socket.display()));
        }
        None => println!("not checked here: moving between homes: redis-server is missing"),
    }
}

#[test]
fn a_directory_goes_to_a_cluster_and_back_without_any_id() {
    let temp = tempfile::tempdir().unwrap();
    match cluster(temp.path()) {
        Some((_server, port)) => {
            there_and_back(temp.path(), &format!("redis+cluster://127.0.0.1:{port}?prefix=shop"));
        }
        None => println!("not checked here: moving between homes: redis-server is missing"),
    }
}

#[test]
fn a_directory_goes_to_postgresql_and_back_without_any_id() {
    let temp = tempfile::tempdir().unwrap();
    match postgres(temp.path()) {
        Some((_server, host)) => {
            let host = host.to_str().unwrap().replace('/', "%2F");
            there_and_back(temp.path(), &format!("postgres://app@{host}/postgres?schema=shop"));
        }
        None => println!("not checked here: moving between homes: PostgreSQL is missing"),
    }
}

fn there_and_back(temp: &Path, url: &str) {
    let home: Address = url.parse().unwrap();
    // Where there is none, none is made by reading it; but in a Cluster one key is.
    for _ in 0..if url.starts_with("redis+cluster:") { 0 } else { 2 } {
        let nothing = carry(&home, &address("sessile", &temp.join("new")));
        assert!(
            matches!(&nothing, Err(Error::Shape(what)) if what.contains("connect-redis:")),
            "{nothing:?}"
        );
    }
    let [old, new, other] = ["old", "new", "other"].map(|name| temp.join(name));
    let store = filled(&old);
    let before = facts(&store);
    store.close().unwrap();
    drop(store);

    let dry = Move { dry_run: true, ..Move::new(address("sessile", &old), home.clone()) }.run(&()).unwrap();
    let all = SESSIONS as u64 + 1;
    assert_eq!(dry.written, all);
    let out = carry(&address("sessile", &old), &home).unwrap();
    assert_eq!((counts(&out), out.with_subject), ([all, all, 0, 0, 0], 375));
    assert!(out.is_sound() && out.verified.unwrap().compared == all, "{out:?}");

    // Who is there is left alone, and only if somebody says that nothing has ended there since.
    assert!(
        matches!(carry(&address("sessile", &old), &home), Err(Error::Unfit(what)) if what.contains("--again"))
    );
    let plan = Move { again: true, ..Move::new(address("sessile", &old), home.clone()) };
    assert_eq!(counts(&plan.run(&()).unwrap()), [all, 0, all, 0, 0]);

    // A home with another secret knows none of these digests.
    drop(filled(&other));
    let foreign = Move { again: true, ..Move::new(address("sessile", &other), home.clone()) }.run(&());
    assert!(matches!(&foreign, Err(Error::Unfit(what)) if what.contains("different secrets")), "{foreign:?}");

    let back = carry(&home, &address("sessile", &new)).unwrap();
    assert!(back.is_sound() && counts(&back) == [all, all, 0, 0, 0], "{back:?}");
    let moved = Store::open(&new).unwrap();
    assert_eq!(facts(&moved), before, "as it was, to the millisecond");
    assert_eq!(moved.destroy_subject("user4", None).unwrap(), 75);

    // Who has ended there since he came does not come again.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let there = sessile_backends::connect(url).await.unwrap();
        assert_eq!(there.destroy_subject(b"user4", None).await.unwrap(), 75);
    });
    let again = plan.run(&()).unwrap();
    assert_eq!(counts(&again), [all, 0, all - 75, 0, 75]);
    assert!(again.is_sound() && again.skipped[0].reason.contains("ended"), "{again:?}");
}

#[test]
fn a_home_that_is_not_there_is_an_error_without_its_password() {
    let temp = tempfile::tempdir().unwrap();
    let home: Address = "redis://app:hunter2@127.0.0.1:1/0".parse().unwrap();
    let to = address("sessile", &temp.path().join("new"));
    for error in [carry(&home, &to).unwrap_err(), carry(&to, &home).unwrap_err()] {
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert!(matches!(carry(&home, &to), Err(Error::Server { .. })));
    let typo: Address = "redis://127.0.0.1:1/0?namspace=x".parse().unwrap();
    assert!(
        matches!(carry(&typo, &to), Err(Error::Address(_))),
        "a word that is misspelt is not passed over"
    );
}
