//! Two servers at one new home, of which one dies at any call, while the other ends what it was moving. Whatever order their
//! calls come in, what has ended is over, for whoever asks next and for the new home alone.

use std::time::Duration;

use sessile::Write;
use sessile_backends::{Backend, Error, Moving};
use tokio::task::JoinHandle;

use super::fuse::{Fused, Wire};
use super::{HOUR, Homes, lives, of_alice};

/// A server with wires of its own, so that it can die by itself; its calls come in an order that the seed decides.
async fn server(homes: &Homes, seed: u64) -> (Moving, Wire) {
    let wire = Wire::slow(seed).shared();
    let (old, new) = (Fused::of(&homes.old, &wire), Fused::of(&homes.new, &wire));
    (Moving::between(old, new).await.unwrap(), wire)
}

async fn end(server: &Moving, how: u64) {
    match how {
        0 => drop(server.destroy(b"an id").await.unwrap()),
        1 => drop(server.destroy_handle(server.handle_of(b"an id").unwrap()).await.unwrap()),
        2 => drop(server.destroy_subject(b"alice", None).await.unwrap()),
        3 => drop(server.clear().await.unwrap()),
        // It is used first, and waits for who may be dead.
        _ => drop(server.rotate(b"an id", b"new id", None).await),
    }
}

#[tokio::test(start_paused = true)]
async fn one_dies_while_the_other_ends() {
    let seeds = std::env::var("SESSILE_MOVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(8_000);
    for seed in 1..=seeds {
        let homes = Homes::with(Wire::whole().shared(), Wire::whole().shared());
        homes.old.create(b"an id", of_alice("old")).await.unwrap();
        let (dying, wire) = server(&homes, seed).await;
        let (ending, _) = server(&homes, seed * 7919).await;
        wire.cut_after((seed % 13) as i64);
        let how = seed / 13 % 8;
        let used = tokio::spawn(async move { drop(dying.get(b"an id").await) });
        let ended = tokio::spawn(async move { end(&ending, how).await });
        used.await.unwrap();
        ended.await.unwrap();
        let is_rotated = lives(&homes.moving().await, "new id").await;
        let is_over = how < 4 || is_rotated;
        // The old home may not have heard of it.
        if seed % 2 == 0 {
            homes.old.set(b"an id", of_alice("old")).await.unwrap();
            assert_ne!(lives(&homes.moving().await, "an id").await, is_over, "seed {seed}");
        }
        let done = homes.moving().await.finish().await.unwrap();
        assert_eq!(done.left, 0, "seed {seed}");
        assert_ne!(lives(homes.new.as_ref(), "an id").await, is_over, "seed {seed}: the new home alone");
    }
}

/// A server that has begun to move a session and is slow from one of its calls on, for as long as it may be; and another.
async fn one_is_slow(homes: &Homes, calls: u32) -> (JoinHandle<bool>, Moving) {
    homes.old.create(b"an id", of_alice("old")).await.unwrap();
    let wire = Wire::whole().shared();
    let slow = Moving::between(Fused::of(&homes.old, &wire), Fused::of(&homes.new, &wire)).await.unwrap();
    wire.pause_after(calls, Duration::from_secs(9));
    let used = tokio::spawn(async move { slow.get(b"an id").await.unwrap().is_some() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    (used, homes.moving().await.lease(Duration::from_secs(30)))
}

/// One has begun to move a session and is slow, for as long as he may be; the other moves it in his place and ends it.
#[tokio::test(start_paused = true)]
async fn who_is_slow_brings_nothing_back() {
    for calls in 0..14 {
        let homes = Homes::with(Wire::whole().shared(), Wire::whole().shared());
        let (used, other) = one_is_slow(&homes, calls).await;
        let _ = other.get(b"an id").await;
        assert!(other.destroy(b"an id").await.unwrap());
        used.await.unwrap();
        homes.old.set(b"an id", of_alice("old")).await.unwrap();
        assert!(!lives(&homes.moving().await, "an id").await, "slow at call {calls}");
        homes.moving().await.finish().await.unwrap();
        assert!(!lives(homes.new.as_ref(), "an id").await, "slow at call {calls}");
    }
}

/// Somebody is moving it, and slow: that is no free id, however long he takes.
#[tokio::test(start_paused = true)]
async fn an_id_that_is_being_moved_is_not_free() {
    for calls in 0..14 {
        let homes = Homes::with(Wire::whole().shared(), Wire::whole().shared());
        let (used, other) = one_is_slow(&homes, calls).await;
        assert!(other.create(b"an id", of_alice("new")).await.is_err(), "slow at call {calls}");
        assert!(other.rotate(b"another id", b"an id", None).await.is_err(), "slow at call {calls}");
        // It may be saved, as who it is: what ends a user's sessions ends it too.
        if other.set(b"an id", Write::new("saved")).await.is_ok() {
            assert_eq!(
                other.get(b"an id").await.unwrap().unwrap().subject(),
                other.subject_digest(b"alice").ok()
            );
        }
        assert!(other.destroy(b"an id").await.unwrap());
        used.await.unwrap();
        assert!(!lives(&homes.moving().await, "an id").await, "slow at call {calls}");
    }
}

/// An old home that does not answer keeps nobody waiting who has begun here, and nobody for ever.
#[tokio::test(start_paused = true)]
async fn who_began_here_waits_for_nobody() {
    let homes = Homes::in_memory();
    let moving = homes.moving().await;
    moving.create(b"here", of_alice("")).await.unwrap();
    let turn = |id: &str| {
        let [first, second, ..] = moving.handle_of(id.as_bytes()).unwrap().to_bytes();
        u16::from_be_bytes([first, second]) % 1024
    };
    let mut there = (0..).map(|n| format!("id {n}")).filter(|id| turn(id) == turn("here"));
    let (one, another) = (there.next().unwrap(), there.next().unwrap());
    homes.old_wire.pause_after(0, HOUR);
    let hanging = {
        let (moving, one) = (moving.clone(), one.clone());
        tokio::spawn(async move { moving.get(one.as_bytes()).await.is_ok() })
    };
    tokio::time::sleep(Duration::from_millis(1)).await;
    let begun = tokio::time::Instant::now();
    assert!(lives(&moving, "here").await);
    assert!(begun.elapsed() < Duration::from_millis(1));
    assert!(matches!(moving.get(another.as_bytes()).await, Err(Error::TimedOut { .. })));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(!hanging.is_finished());
    hanging.abort();
}

/// The old home is asked to delete only what is on record here.
#[tokio::test]
async fn the_old_home_hears_of_an_ending_last() {
    for calls in 0..6 {
        let homes = Homes::in_memory();
        homes.old.create(b"an id", Write::new("").subject("alice").idle(HOUR)).await.unwrap();
        let moving = homes.moving().await;
        homes.new_wire.cut_after(calls);
        let ended = match calls % 3 {
            0 => moving.destroy(b"an id").await.is_ok(),
            1 => moving.destroy_subject(b"alice", None).await.is_ok(),
            _ => moving.clear().await.is_ok(),
        };
        let is_there = lives(homes.old.as_ref(), "an id").await;
        homes.new_wire.mend();
        homes.old.set(b"an id", Write::new("").subject("alice").idle(HOUR)).await.unwrap();
        let is_over = !lives(&homes.moving().await, "an id").await;
        assert!(is_there || is_over, "cut after {calls}: deleted there and not on record here");
        assert!(!ended || is_over, "cut after {calls}");
    }
}
