//! Two homes as one: nobody is logged out, and what was ended stays ended, wherever the process dies and whichever home is away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/fuse.rs"]
mod fuse;
#[path = "moving/lives.rs"]
mod random;
#[path = "moving/servers.rs"]
mod servers;

use std::sync::Arc;
use std::time::Duration;

use fuse::{Fused, Wire};
use futures_util::TryStreamExt;
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{Deadline, Durability, Options, Write};
use sessile_backends::{Backend, Embedded, Error, Memory, Moving, Settings};

const HOUR: Duration = Duration::from_secs(3600);

/// An old home, a new one with its secret, and the wires to both.
struct Homes {
    old: Arc<dyn Backend>,
    new: Arc<dyn Backend>,
    old_wire: Wire,
    new_wire: Wire,
}

impl Homes {
    fn in_memory() -> Self {
        Self::with(Wire::whole(), Wire::whole())
    }

    fn with(old_wire: Wire, new_wire: Wire) -> Self {
        let old: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new()).unwrap());
        let new: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new().secret(old.secret())).unwrap());
        Self { old, new, old_wire, new_wire }
    }

    /// As a server has them that has just started.
    async fn moving(&self) -> Moving {
        let (old, new) = (Fused::of(&self.old, &self.old_wire), Fused::of(&self.new, &self.new_wire));
        let moving = Moving::between(old, new).await.unwrap();
        // Nobody of these tests is slow, so who has not moved on in this time is dead.
        if self.new_wire.is_slow() { moving } else { moving.lease(Duration::from_millis(3)) }
    }
}

async fn lives(home: &dyn Backend, id: &str) -> bool {
    home.get(id.as_bytes()).await.unwrap().is_some()
}

fn of_alice(data: &str) -> Write {
    Write::new(data).subject("alice").idle(HOUR)
}

#[tokio::test]
async fn a_session_moves_at_its_first_use_and_is_what_it_was() {
    let homes = Homes::in_memory();
    homes.old.create(b"an id", of_alice("cart").absolute(8 * HOUR)).await.unwrap();
    let there = homes.old.get(b"an id").await.unwrap().unwrap();
    let moving = homes.moving().await;
    assert!(homes.new.get(b"an id").await.unwrap().is_none(), "nothing moves that nobody uses");
    let here = moving.get(b"an id").await.unwrap().unwrap();
    assert_eq!(here.into_carried(), there.clone().into_carried());
    assert_eq!(homes.new.get(b"an id").await.unwrap().unwrap().into_carried(), there.into_carried());
    // From now on the old home is not asked.
    homes.old_wire.cut_after(0);
    moving.update(b"an id", Write::new("bigger cart")).await.unwrap();
    assert_eq!(moving.get(b"an id").await.unwrap().unwrap().data(), b"bigger cart");
}

#[tokio::test]
async fn homes_of_different_secrets_are_refused() {
    let old: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new()).unwrap());
    let new: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new()).unwrap());
    let said = Moving::between(old, new).await.unwrap_err().to_string();
    assert!(said.contains("secret"), "{said}");
}

/// Of what was there before the move, the ledger could not say later that it has ended there.
#[tokio::test]
async fn a_home_that_has_sessions_is_not_begun_with() {
    let homes = Homes::in_memory();
    homes.old.create(b"an id", of_alice("")).await.unwrap();
    let copied = homes.old.get(b"an id").await.unwrap().unwrap().into_carried();
    homes.new.adopt(&copied).await.unwrap();
    let again = async || Moving::between(Arc::clone(&homes.old), Arc::clone(&homes.new)).await;
    let said = again().await.unwrap_err().to_string();
    assert!(said.contains("no move has brought"), "{said}");
    homes.new.clear().await.unwrap();
    // What has begun goes on, and what is over is not begun again.
    let moving = homes.moving().await;
    assert!(lives(&moving, "an id").await);
    assert!(lives(&again().await.unwrap(), "an id").await);
    moving.finish().await.unwrap();
    let said = again().await.unwrap_err().to_string();
    assert!(said.contains("the move is over"), "{said}");
    assert!(lives(homes.new.as_ref(), "an id").await);
}

/// Every way to end a session that has not moved, with the old home there and away.
#[tokio::test]
async fn what_is_ended_before_its_first_use_stays_ended() {
    for is_away in [false, true] {
        for how in ["destroy", "handle", "subject", "clear", "rotate"] {
            let homes = Homes::in_memory();
            homes.old.create(b"an id", of_alice("")).await.unwrap();
            homes.old.create(b"another", Write::new("").idle(HOUR)).await.unwrap();
            let moving = homes.moving().await;
            if is_away {
                homes.old_wire.cut_after(0);
            }
            let ended = match how {
                "destroy" => moving.destroy(b"an id").await.unwrap(),
                "handle" => moving.destroy_handle(moving.handle_of(b"an id").unwrap()).await.unwrap(),
                "subject" => {
                    moving.destroy_subject(b"alice", None).await.map(|count| is_away || count == 1).unwrap()
                }
                "clear" => moving.clear().await.map(|count| is_away || count == 2).unwrap(),
                _ if is_away => {
                    moving.rotate(b"an id", b"new id", None).await.unwrap_err();
                    continue;
                }
                _ => moving.rotate(b"an id", b"new id", None).await.is_ok(),
            };
            assert!(ended, "{how}, old home away: {is_away}");
            // The old home comes back as it was before: it never heard of it.
            homes.old_wire.mend();
            homes.old.set(b"an id", of_alice("as it was")).await.unwrap();
            for _ in 0..2 {
                assert!(!lives(&homes.moving().await, "an id").await, "{how}, old home away: {is_away}");
            }
            assert_eq!(lives(&moving, "another").await, how != "clear", "{how}");
            let done = homes.moving().await.finish().await.unwrap();
            assert_eq!(done.left, 0);
            assert!(!lives(homes.new.as_ref(), "an id").await, "{how}");
        }
    }
}

#[tokio::test]
async fn what_has_run_out_here_is_not_fetched_again() {
    let homes = Homes::in_memory();
    homes.old.create(b"an id", Write::new("").idle(HOUR)).await.unwrap();
    let moving = homes.moving().await;
    assert!(lives(&moving, "an id").await);
    let soon = Write::new("").idle(Duration::from_millis(1)).shorten();
    moving.update(b"an id", soon).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(lives(homes.old.as_ref(), "an id").await, "the old home still has it");
    assert!(!lives(&moving, "an id").await);
    assert!(!lives(&homes.moving().await, "an id").await);
}

#[tokio::test]
async fn no_session_is_not_the_same_as_no_answer() {
    let homes = Homes::in_memory();
    homes.old.create(b"an id", Write::new("").idle(HOUR)).await.unwrap();
    let moving = homes.moving().await;
    homes.old_wire.cut_after(0);
    assert!(matches!(moving.get(b"an id").await, Err(Error::Unreachable { .. })));
    assert!(moving.update(b"an id", Write::new("")).await.is_err());
    // Others log in meanwhile, and out.
    moving.create(b"fresh", of_alice("")).await.unwrap();
    assert!(lives(&moving, "fresh").await);
    assert!(moving.destroy(b"fresh").await.unwrap());
    homes.old_wire.mend();
    assert!(lives(&moving, "an id").await);
}

#[tokio::test]
async fn an_id_that_was_created_anew_is_the_new_homes() {
    let homes = Homes::in_memory();
    homes.old.create(b"an id", Write::new("old").idle(HOUR)).await.unwrap();
    let moving = homes.moving().await;
    assert!(matches!(
        moving.create(b"an id", "new".into()).await,
        Err(Error::Store(sessile::Error::Duplicate))
    ));
    moving.destroy(b"an id").await.unwrap();
    homes.old.set(b"an id", Write::new("old").idle(HOUR)).await.unwrap();
    moving.create(b"an id", "new".into()).await.unwrap();
    assert_eq!(moving.get(b"an id").await.unwrap().unwrap().data(), b"new");
    moving.destroy(b"an id").await.unwrap();
    assert!(!lives(&moving, "an id").await);
}

#[tokio::test]
async fn a_user_sees_all_devices_and_keeps_the_one_at_hand() {
    let homes = Homes::in_memory();
    for id in ["laptop", "phone", "library"] {
        homes.old.create(id.as_bytes(), of_alice(id)).await.unwrap();
    }
    let moving = homes.moving().await;
    assert!(lives(&moving, "laptop").await);
    moving.create(b"watch", of_alice("watch")).await.unwrap();
    let devices: Vec<_> = moving.sessions_of(b"alice").try_collect().await.unwrap();
    let mut names: Vec<_> = devices.iter().map(|device| device.data()).collect();
    names.sort();
    assert_eq!(names, [&b"laptop"[..], b"library", b"phone", b"watch"]);
    assert_eq!(moving.iter().try_collect::<Vec<_>>().await.unwrap().len(), 4);
    assert!(moving.get_handle(moving.handle_of(b"phone").unwrap()).await.unwrap().is_some());
    assert_eq!(moving.destroy_subject(b"alice", Some(b"library")).await.unwrap(), 3);
    for (id, stays) in [("laptop", false), ("phone", false), ("watch", false), ("library", true)] {
        assert_eq!(lives(&homes.moving().await, id).await, stays, "{id}");
    }
}

#[tokio::test]
async fn it_says_when_the_old_home_can_go() {
    let homes = Homes::in_memory();
    for n in 0..10 {
        homes.old.create(format!("id {n}").as_bytes(), Write::new("").idle(n * HOUR + HOUR)).await.unwrap();
    }
    let moving = homes.moving().await;
    assert!(lives(&moving, "id 3").await);
    moving.destroy(b"id 4").await.unwrap();
    let progress = moving.progress().await.unwrap();
    assert!((progress.left, progress.is_done()) == (8, false), "{progress:?}");
    assert!(progress.until > Deadline::at_ms(0));
    let done = moving.finish().await.unwrap();
    assert!((done.left, done.brought, done.is_done()) == (0, 8, true), "{done:?}");
    for n in 0..10 {
        assert_eq!(lives(homes.new.as_ref(), &format!("id {n}")).await, n != 4);
    }
}

/// The ledger is in the directory, and so outlives the process.
#[tokio::test]
async fn a_directory_keeps_its_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let old: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new()).unwrap());
    for id in ["gone", "moved", "later"] {
        old.create(id.as_bytes(), Write::new("").idle(HOUR)).await.unwrap();
    }
    let options =
        || Options::new().secret(old.secret()).first_lifetime(Duration::from_millis(1)).sessions_max(100);
    for round in 0..2 {
        let new: Arc<dyn Backend> = Arc::new(Embedded::open(options(), dir.path()).await.unwrap());
        let moving = Moving::between(Arc::clone(&old), Arc::clone(&new)).await.unwrap();
        if round == 0 {
            assert!(lives(&moving, "moved").await);
            moving.destroy(b"gone").await.unwrap();
            old.create(b"gone", Write::new("").idle(HOUR)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for (id, is_there) in [("gone", false), ("moved", true)] {
            assert_eq!(lives(&moving, id).await, is_there, "{id}, round {round}");
        }
        moving.close().await.unwrap();
    }
}

/// An entry waits for the disk, also where sessions need not: what follows from it is in another log.
#[tokio::test]
async fn a_logout_survives_power_loss_where_sessions_are_only_written() {
    let old: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new()).unwrap());
    let machine = SimVfs::new();
    let open = async |machine: &SimVfs| {
        let options = Options::new().durability(Durability::Written).sync_interval(HOUR).secret(old.secret());
        let new = Embedded::open(options.vfs(Arc::new(machine.clone())), "/sessions").await.unwrap();
        Moving::between(Arc::clone(&old), Arc::new(new)).await.unwrap()
    };
    old.create(b"an id", of_alice("")).await.unwrap();
    let moving = open(&machine).await;
    assert!(lives(&moving, "an id").await);
    assert!(moving.destroy(b"an id").await.unwrap());
    assert!(lives(old.as_ref(), "an id").await, "the old home was not told");
    let machine = machine.crash(CrashPolicy::DropAll);
    assert!(!lives(&open(&machine).await, "an id").await);
}

/// One cookie, many requests at once, a logout among them, on one server or on two: all see the session, until none does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_uses_and_logouts_race() {
    for seed in 1..400 {
        let is_shared = seed % 2 == 0;
        let wires = if is_shared {
            [Wire::slow(seed).shared(), Wire::slow(seed * 7919).shared()]
        } else {
            [Wire::slow(seed), Wire::slow(seed * 7919)]
        };
        let [old_wire, new_wire] = wires;
        let homes = Homes::with(old_wire, new_wire);
        homes.old.create(b"an id", of_alice("")).await.unwrap();
        let server = homes.moving().await;
        let another = if is_shared { homes.moving().await } else { server.clone() };
        let use_it =
            |server: Moving| tokio::spawn(async move { server.get(b"an id").await.unwrap().is_some() });
        let uses: Vec<_> =
            (0..8).map(|n| use_it(if n % 2 == 0 { server.clone() } else { another.clone() })).collect();
        let how = seed / 2 % 5;
        let logout = tokio::spawn(async move {
            match how {
                0 => another.destroy(b"an id").await.map(drop),
                1 => another.destroy_subject(b"alice", None).await.map(drop),
                2 => another.clear().await.map(drop),
                3 => another.rotate(b"an id", b"new id", None).await.map(drop),
                _ => Ok(()),
            }
        });
        logout.await.unwrap().unwrap();
        assert_eq!(lives(&server, "an id").await, how == 4, "seed {seed}");
        for used in uses {
            let seen = used.await.unwrap();
            assert!(seen || how != 4, "seed {seed}: nobody logged out");
        }
        assert_eq!(lives(&server, "new id").await, how == 3, "seed {seed}");
        // The old home may not have heard of it.
        homes.old.set(b"an id", of_alice("")).await.unwrap();
        assert_eq!(lives(&homes.moving().await, "an id").await, how == 4, "seed {seed}");
        homes.moving().await.finish().await.unwrap();
        assert_eq!(lives(homes.new.as_ref(), "an id").await, how == 4, "seed {seed}");
    }
}
