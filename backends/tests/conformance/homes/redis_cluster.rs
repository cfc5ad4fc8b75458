//! A Redis Cluster of six, one of which dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sessile::{Deadline, Write};
use sessile_backends::{Backend, Failover, Settings};

use crate::cases::{all, is_duplicate, is_live, is_unknown, lasting, live, now_ms, until_past};
use crate::servers::cluster::Cluster;
use crate::servers::{is_here, say, until};
use crate::suite::{Home, keeps_the_contract};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    let home = cluster.connect(Settings::new()).await;
    assert_eq!(home.capabilities().round_trips_to_read, 2);
    keeps_the_contract(Arc::new(home)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_a_cluster_after_its_time() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    let home: Home = Arc::new(cluster.connect(Settings::new()).await);
    let end = Deadline::at_ms(now_ms() + 1500);
    for number in 0..30 {
        let id = format!("id {number}");
        let write = Write::new("data").idle(Duration::from_millis(1200)).absolute_until(end);
        home.create(id.as_bytes(), write.subject(format!("user {}", number % 5))).await.unwrap();
        home.rotate(id.as_bytes(), format!("new {number}").as_bytes(), None).await.unwrap();
    }
    home.destroy_subject(b"user 1", None).await.unwrap();
    assert!(cluster.keys("sessile:{*").len() > 20, "no note of a rotate is left beside the sessions");
    until_past(end.as_ms() + 1).await;
    until("no session is left", async || cluster.keys("sessile:{*").is_empty()).await;
    // What is kept of a subject is held a minute longer, so that a use in the meantime need not hold it again.
    until("of subjects, at most generations and lists are left", async || {
        cluster
            .keys("*")
            .iter()
            .all(|key| key == "sessile:secret" || key.contains(":g:{") || key.contains(":s:{"))
    })
    .await;
}

/// Cut short between any two of its steps, a rotate leaves one id that works; and whoever needs the other can have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotate_that_is_cut_short_leaves_exactly_one() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    let home: Home = Arc::new(cluster.connect(Settings::new()).await);
    let key = |id: &str| format!("sessile:{{{}}}", home.handle_of(id.as_bytes()).unwrap());
    let handle = |id: &str| home.handle_of(id.as_bytes()).unwrap().to_string();
    // The state that each step leaves, made by hand: the new session is there and pending, as it is after the first.
    let prepare = async |round: u32| {
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        home.create(old.as_bytes(), lasting("data").subject("alice")).await.unwrap();
        home.create(new.as_bytes(), lasting("renewed").subject("alice")).await.unwrap();
        cluster.ask(&["HSET", &key(&new), "q", "one.1", "p", &handle(&old)]);
        (old, new)
    };
    let leave = |old: &str, new: &str| {
        cluster.ask(&["DEL", &key(old)]);
        cluster.ask(&["HSET", &key(old), "q", "one.1", "t", &handle(new)]);
    };

    let (old, new) = prepare(1).await;
    assert!(is_live(&home, old.as_bytes()).await && !is_live(&home, new.as_bytes()).await);
    assert!(is_unknown(&home.touch(new.as_bytes(), Duration::from_secs(1)).await));
    assert!(!home.destroy(new.as_bytes()).await.unwrap());
    assert_eq!(all(home.sessions_of(b"alice")).await.len(), 1);
    // It has not left, and now never will: the new id is needed for something else.
    home.create(new.as_bytes(), lasting("another")).await.unwrap();
    assert_eq!(live(&home, new.as_bytes()).await.data(), b"another");
    assert_eq!(live(&home, old.as_bytes()).await.data(), b"data");
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);

    let (old, new) = prepare(2).await;
    leave(&old, &new);
    assert!(!is_live(&home, old.as_bytes()).await);
    assert_eq!(live(&home, new.as_bytes()).await.data(), b"renewed", "it has left, so it has arrived");
    home.create(old.as_bytes(), lasting("again")).await.unwrap();

    // The old id is needed before anybody has looked at the new one.
    let (old, new) = prepare(3).await;
    leave(&old, &new);
    home.create(old.as_bytes(), lasting("again")).await.unwrap();
    assert_eq!(live(&home, new.as_bytes()).await.data(), b"renewed");
    assert_eq!(live(&home, old.as_bytes()).await.data(), b"again");

    // The new one is used before anybody has read it.
    for round in 4..7 {
        let (old, new) = prepare(round).await;
        leave(&old, &new);
        match round {
            4 => drop(home.touch(new.as_bytes(), Duration::from_secs(60)).await.unwrap()),
            5 => drop(home.update(new.as_bytes(), lasting("newer")).await.unwrap()),
            _ => assert!(is_duplicate(&home.create(new.as_bytes(), lasting("taken")).await)),
        }
        assert!(is_live(&home, new.as_bytes()).await && !is_live(&home, old.as_bytes()).await);
    }
    // A revocation finds a session that has left and not arrived.
    let (old, new) = prepare(7).await;
    leave(&old, &new);
    home.destroy_subject(b"alice", None).await.unwrap();
    assert!(!is_live(&home, old.as_bytes()).await && !is_live(&home, new.as_bytes()).await);
    assert!(all(home.sessions_of(b"alice")).await.is_empty());
}

/// Cut short after its one step, a revocation has ended all sessions all the same; and a session that somebody was about to
/// write does not come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_cut_short_has_ended_all() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    let home: Home = Arc::new(cluster.connect(Settings::new()).await);
    let uses =
        ["read", "touched", "updated", "replaced", "taken over", "rotated", "destroyed", "created", "listed"];
    for id in uses {
        home.create(id.as_bytes(), lasting("data").subject("alice")).await.unwrap();
    }
    let version = live(&home, b"replaced").await.version();
    let subject = sessile::Handle::from_bytes(home.subject_digest(b"alice").unwrap().to_bytes());
    cluster.ask(&["HSET", &format!("sessile:g:{{{subject}}}"), "g", "9000000000000000"]);

    assert!(!is_live(&home, b"read").await);
    assert!(is_unknown(&home.touch(b"touched", Duration::from_secs(60)).await));
    assert!(is_unknown(&home.update(b"updated", lasting("slow")).await));
    assert!(is_unknown(&home.replace_if(b"replaced", version, lasting("slow")).await));
    assert!(is_unknown(&home.update(b"taken over", lasting("slow").subject("bob")).await));
    assert!(is_unknown(&home.rotate(b"rotated", b"new", None).await));
    assert!(!home.destroy(b"destroyed").await.unwrap());
    home.create(b"created", lasting("anew")).await.unwrap();
    assert!(all(home.sessions_of(b"alice")).await.is_empty());
    assert_eq!(all(home.iter()).await.len(), 1);
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 0, "they had ended before");

    // Where the generation is lost, they are dead and not alive.
    home.create(b"evicted", lasting("data").subject("alice")).await.unwrap();
    cluster.ask(&["DEL", &format!("sessile:g:{{{subject}}}")]);
    assert!(!is_live(&home, b"evicted").await);
    home.create(b"evicted", lasting("data").subject("alice")).await.unwrap();
    assert!(is_live(&home, b"evicted").await);
}

/// A primary dies under writers. What they were told long before holds; of the last moment something may be lost, and that is
/// counted; every call ends in time; and afterwards all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_dies_and_its_replica_takes_over() {
    if !is_here("redis-server") {
        return;
    }
    let mut cluster = Cluster::start_hasty().await;
    let timeout = Duration::from_millis(1500);
    let home: Home = Arc::new(cluster.connect(Settings::new().timeout(timeout)).await);
    assert_eq!(home.capabilities().failover, Failover::LosesTheLast);

    let mut long_ago = HashMap::new();
    for number in 0..200 {
        let id = format!("before {number}");
        home.create(id.as_bytes(), lasting("data").subject(format!("user {}", number % 20))).await.unwrap();
        long_ago.insert(id, true);
    }
    for number in 0..50 {
        let id = format!("before {number}");
        assert!(home.destroy(id.as_bytes()).await.unwrap());
        long_ago.insert(id, false);
    }
    home.destroy_subject(b"user 19", None).await.unwrap();
    long_ago.iter_mut().for_each(|(id, lives)| {
        let number: u32 = id.trim_start_matches("before ").parse().unwrap();
        *lives &= number % 20 != 19;
    });
    // Longer than a replica is behind.
    tokio::time::sleep(Duration::from_millis(300)).await;

    let stop = Arc::new(AtomicBool::new(false));
    let (failed, slowest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (home, stop) = (home.clone(), Arc::clone(&stop));
            let (failed, slowest) = (Arc::clone(&failed), Arc::clone(&slowest));
            tokio::spawn(async move {
                let mut told = Vec::new();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("during {writer} {turn}");
                    let begun = Instant::now();
                    let created = home.create(id.as_bytes(), lasting("data")).await;
                    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                    slowest.fetch_max(took, Ordering::Relaxed);
                    if created.is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    let ended = turn % 2 == 0 && home.destroy(id.as_bytes()).await.is_ok();
                    // One whose ending was not acknowledged may be either.
                    if ended || turn % 2 == 1 {
                        told.push((id, !ended));
                    }
                }
                told
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let killed = cluster.kill_a_primary();
    let begun = Instant::now();
    cluster.until_taken_over().await;
    let took_over = begun.elapsed();
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.store(true, Ordering::Relaxed);

    let mut told = Vec::new();
    for writer in writers {
        told.extend(writer.await.unwrap());
    }
    until("all keys can be reached", async || home.len().await.is_ok()).await;
    for (id, lives) in &long_ago {
        assert_eq!(is_live(&home, id.as_bytes()).await, *lives, "{id}: it was told long before");
    }
    let (mut lost, mut back) = (0, 0);
    for (id, lives) in &told {
        let found = is_live(&home, id.as_bytes()).await;
        lost += u32::from(*lives && !found);
        back += u32::from(!*lives && found);
    }
    let (failed, slowest) = (failed.load(Ordering::Relaxed), slowest.load(Ordering::Relaxed));
    say(&format!(
        "redis cluster: primary {killed} killed under 8 writers; taken over after {took_over:?}; {} calls acknowledged, {failed} \
         failed, the slowest after {slowest} ms; lost: {lost} sessions, {back} endings",
        told.len()
    ));
    assert!(told.len() > 100 && failed > 0, "the writers have met it");
    assert!(u128::from(slowest) < timeout.as_millis() * 4, "a call took {slowest} ms");
    // And all is well.
    home.create(b"after", lasting("data").subject("alice")).await.unwrap();
    home.rotate(b"after", b"later", None).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
}
