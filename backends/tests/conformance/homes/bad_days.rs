//! Bad days: a network that holds things back, a server that somebody has emptied, a crowd that changes its ids while it is shown out.
//! None of them brings a session back, or keeps one that should be gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sessile_backends::{Error, Postgres, Redis, Settings};

use crate::cases::{all, is_live, lasting, live, sleep_ms};
use crate::servers::cluster::Cluster;
use crate::servers::postgres::PostgresServer;
use crate::servers::redis::RedisServer;
use crate::servers::wire::Wire;
use crate::servers::{is_here, until};
use crate::suite::Home;

const PATIENCE: Duration = Duration::from_millis(400);

fn patient() -> Settings {
    Settings::new().timeout(PATIENCE)
}

/// A write is on its way when its caller gives up. The user logs out by another way; and then the network is back.
async fn what_comes_late_revives_nobody(slow: Home, direct: Home, wire: Wire) {
    direct.create(b"known", lasting("data").subject("alice")).await.unwrap();
    direct.create(b"rotated", lasting("data")).await.unwrap();
    // Both know the way, and have heard the clock.
    slow.set(b"known", lasting("data").subject("alice")).await.unwrap();
    wire.hold_questions();
    let (set, rotate) = tokio::join!(
        slow.set(b"known", lasting("late").subject("alice")),
        slow.rotate(b"rotated", b"late", None),
    );
    for error in [set.unwrap_err(), rotate.unwrap_err()] {
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    }
    assert!(wire.held() > 0, "it is on its way");
    assert!(direct.destroy(b"known").await.unwrap());
    wire.let_go();
    until("all has arrived", async || wire.open() == 0).await;
    assert!(!is_live(&direct, b"known").await, "who has logged out is logged in again");
    assert!(is_live(&direct, b"rotated").await && !is_live(&direct, b"late").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_revives_nobody_in_redis() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let wire = Wire::to(server.port).await;
    let slow = Arc::new(Redis::connect(&server.address_at(wire.port), patient()).await.unwrap());
    let direct = Arc::new(Redis::connect(&server.address(), Settings::new()).await.unwrap());
    what_comes_late_revives_nobody(slow, direct, wire).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_revives_nobody_in_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    let wire = Wire::to(server.port).await;
    let slow = Arc::new(Postgres::connect(&server.address_at(wire.port), patient()).await.unwrap());
    let direct = Arc::new(Postgres::connect(&server.address(), Settings::new()).await.unwrap());
    what_comes_late_revives_nobody(slow, direct, wire).await;
}

/// A statement that waits for somebody's lock is stopped when its caller gives up: else each try would hold one more connection of
/// the database, and all would be done in the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_stopped() {
    let Some(server) = PostgresServer::start().await else { return };
    let home: Home = Arc::new(Postgres::connect(&server.address(), patient()).await.unwrap());
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    let (holder, connection) =
        tokio_postgres::connect(&server.address(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    holder.batch_execute("BEGIN; LOCK TABLE sessile.sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = home.destroy(b"an id").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    for _ in 0..3 {
        let (set, get) = tokio::join!(home.set(b"an id", lasting("late")), home.get(b"an id"));
        for error in [set.map(drop).unwrap_err(), get.map(drop).unwrap_err()] {
            assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        }
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sessile' AND wait_event_type = 'Lock'";
    until("nothing waits for the lock", async || server.number(waiting).await == 0).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(live(&home, b"an id").await.data(), b"data");
}

/// The answer to a write is lost, others write, and it is sent again. That it meets another version does not say that it was not done.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_taken_for_a_conflict() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let wire = Wire::to(server.port).await;
    let settings = Settings::new().timeout(Duration::from_secs(20));
    let slow: Home = Arc::new(Redis::connect(&server.address_at(wire.port), settings).await.unwrap());
    let direct: Home = Arc::new(Redis::connect(&server.address(), Settings::new()).await.unwrap());
    slow.create(b"count", lasting("0")).await.unwrap();
    let version = live(&slow, b"count").await.version();
    wire.hold_answers();
    let adding = tokio::spawn(async move { slow.replace_if(b"count", version, lasting("1")).await });
    until("it is done", async || live(&direct, b"count").await.data() == b"1").await;
    until("its answer is on the way", async || wire.held() > 0).await;
    direct.update(b"count", lasting("2")).await.unwrap();
    wire.cut();
    let error = adding.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "it was done, and is no conflict: {error:?}");
    assert_eq!(live(&direct, b"count").await.data(), b"2");
}

/// One process has known the home since before it was emptied, another has begun there anew. The first one does not go on by itself.
async fn who_is_replaced_says_so(old: Home, new: Home) {
    assert!(old.secret() != new.secret());
    new.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    let is_replaced = |error: Error| {
        assert!(matches!(error, Error::Replaced { .. }), "{error:?}");
    };
    is_replaced(old.destroy(b"an id").await.map(drop).unwrap_err());
    let handle = old.handle_of(b"an id").unwrap();
    is_replaced(old.destroy_handle(handle).await.map(drop).unwrap_err());
    is_replaced(old.destroy_subject(b"alice", None).await.map(drop).unwrap_err());
    // Others look once a second.
    sleep_ms(1100).await;
    is_replaced(old.create(b"another", lasting("data")).await.map(drop).unwrap_err());
    is_replaced(old.get(b"an id").await.map(drop).unwrap_err());
    is_replaced(all_of(&old).await.unwrap_err());
    assert!(new.destroy(b"an id").await.unwrap());
}

async fn all_of(home: &Home) -> Result<usize, Error> {
    use futures_util::TryStreamExt;
    Ok(home.iter().try_collect::<Vec<_>>().await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_not_taken_for_the_old_one() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let connect = async || {
        let home: Home = Arc::new(Redis::connect(&server.address(), Settings::new()).await.unwrap());
        home
    };
    let old = connect().await;
    old.create(b"an id", lasting("data")).await.unwrap();
    server.ask::<()>(&["FLUSHALL"]).await;
    // Nobody has begun anew: then whoever comes goes by the secret that is in use.
    assert!(!old.destroy(b"an id").await.unwrap());
    assert!(connect().await.secret() == old.secret());

    server.ask::<()>(&["FLUSHALL"]).await;
    who_is_replaced_says_so(old, connect().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_cluster_is_not_taken_for_the_old_one() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    let old: Home = Arc::new(cluster.connect(Settings::new()).await);
    old.create(b"an id", lasting("data")).await.unwrap();
    cluster.ask(&["DEL", "sessile:secret"]);
    who_is_replaced_says_so(old, Arc::new(cluster.connect(Settings::new()).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_made_anew_is_not_taken_for_the_old_one() {
    let Some(server) = PostgresServer::start().await else { return };
    let connect = async || {
        let home: Home = Arc::new(Postgres::connect(&server.address(), Settings::new()).await.unwrap());
        home
    };
    let old = connect().await;
    old.create(b"an id", lasting("data")).await.unwrap();
    server.run("TRUNCATE sessile.home, sessile.sessions").await;
    assert!(!old.destroy(b"an id").await.unwrap());
    assert!(connect().await.secret() == old.secret());

    server.run("DROP SCHEMA sessile CASCADE").await;
    let error = old.destroy(b"an id").await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    who_is_replaced_says_so(old, connect().await).await;
}

/// Everybody is logged out while all of them change their ids, over and over: nobody is overlooked.
async fn nobody_gets_past_a_clear(home: Home, crowd: usize) {
    const TASKS: usize = 16;
    let id = |one: usize, round: usize| format!("{one}, for the time number {round}").into_bytes();
    for one in 0..crowd {
        home.create(&id(one, 0), lasting("data").subject(format!("user {}", one % 50))).await.unwrap();
    }
    let rotated = Arc::new(AtomicU64::new(0));
    let turning: Vec<_> = (0..TASKS)
        .map(|task| {
            let (home, rotated) = (home.clone(), Arc::clone(&rotated));
            tokio::spawn(async move {
                let mut his: Vec<usize> = (0..crowd).filter(|one| one % TASKS == task).collect();
                let mut round = 0;
                while !his.is_empty() && round < 200 {
                    let mut left = Vec::new();
                    for one in his {
                        match home.rotate(&id(one, round), &id(one, round + 1), None).await {
                            Ok(_) => left.push(one),
                            Err(error) => assert!(error.is_unknown(), "{error:?}"),
                        }
                        rotated.fetch_add(1, Ordering::Relaxed);
                    }
                    (his, round) = (left, round + 1);
                }
                his.len()
            })
        })
        .collect();
    until("they are at it", async || rotated.load(Ordering::Relaxed) > TASKS as u64).await;
    home.clear().await.unwrap();
    let left = all(home.iter()).await.len();
    for task in turning {
        assert_eq!(task.await.unwrap(), 0, "somebody still has a session");
    }
    assert_eq!(left, 0, "of {crowd}, somebody got past");
    // It is over: ids change as before.
    home.create(b"an id", lasting("data")).await.unwrap();
    home.rotate(b"an id", b"another", None).await.unwrap();
    assert!(is_live(&home, b"another").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_past_a_clear_of_redis() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let home: Home = Arc::new(Redis::connect(&server.address(), Settings::new()).await.unwrap());
    nobody_gets_past_a_clear(home, 3000).await;
    assert!(!server.keys().await.contains(&"sessile:clearing".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_past_a_clear_of_a_cluster() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    nobody_gets_past_a_clear(Arc::new(cluster.connect(Settings::new()).await), 3000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_past_a_clear_of_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    let home: Home = Arc::new(Postgres::connect(&server.address(), Settings::new()).await.unwrap());
    nobody_gets_past_a_clear(home, 600).await;
}
