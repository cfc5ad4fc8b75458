//! One redis-server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use sessile::{Deadline, Write};
use sessile_backends::{Backend, Error, Redis, Settings};

use crate::cases::{is_live, lasting, now_ms, sleep_ms, until_past};
use crate::servers::redis::RedisServer;
use crate::servers::{is_here, until};
use crate::suite::{Home, keeps_the_contract};

async fn home(server: &RedisServer) -> Home {
    Arc::new(Redis::connect(&server.address(), Settings::new()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    keeps_the_contract(home(&server).await).await;
}

#[tokio::test]
async fn a_unix_socket_is_a_way_to_redis() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let address = format!("redis+unix://{}?pass={}", server.socket().display(), server.password);
    let by_socket = Redis::connect(&address, Settings::new()).await.unwrap();
    by_socket.create(b"an id", lasting("data")).await.unwrap();
    assert!(
        is_live(&home(&server).await, b"an id").await,
        "both ways lead to the same home, with one secret"
    );
    assert!(!format!("{by_socket:?} {}", by_socket.name()).contains(server.password));
}

/// A server that is gone is an error at once, one that hangs is an error in time, and one that is back is used again.
#[tokio::test(flavor = "multi_thread")]
async fn redis_goes_away_and_comes_back() {
    if !is_here("redis-server") {
        return;
    }
    let mut server = RedisServer::start().await;
    let settings = Settings::new().timeout(Duration::from_millis(400));
    let home: Home = Arc::new(Redis::connect(&server.address(), settings).await.unwrap());
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    sleep_ms(1200).await; // so that `everysec` has synced

    server.kill();
    let begun = Instant::now();
    for _ in 0..3 {
        let error = home.get(b"an id").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(server.password));
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    server.start_again().await;
    assert!(is_live(&home, b"an id").await, "nobody had to connect anew");

    server.stop();
    let begun = Instant::now();
    let error = home.touch(b"an id", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    let many: Vec<_> = (0..20)
        .map(|_| home.clone())
        .map(|home| tokio::spawn(async move { home.get(b"an id").await }))
        .collect();
    for one in many {
        assert!(one.await.unwrap().is_err());
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "they waited together: {:?}", begun.elapsed());
    server.go_on();
    until("it answers again", async || home.get(b"an id").await.is_ok()).await;
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
}

/// A restart between two calls is no error: the first one finds the connection broken, and makes another.
#[tokio::test]
async fn a_restart_of_redis_is_not_noticed() {
    if !is_here("redis-server") {
        return;
    }
    let mut server = RedisServer::start().await;
    let home = home(&server).await;
    home.create(b"before", lasting("data")).await.unwrap();
    for round in 0..3 {
        server.kill();
        server.start_again().await;
        let id = format!("after {round}");
        home.create(id.as_bytes(), lasting("data").subject("alice")).await.unwrap();
        home.rotate(id.as_bytes(), b"new", None).await.unwrap();
        assert!(home.destroy(b"new").await.unwrap());
    }
}

/// A cursor means nothing to a server that was started again: what was listed until then and after is not taken for all.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_does_not_go_on_at_another_server() {
    if !is_here("redis-server") {
        return;
    }
    let mut server = RedisServer::start().await;
    let home = home(&server).await;
    for n in 0..3000 {
        home.create(format!("id {n}").as_bytes(), lasting("data")).await.unwrap();
    }
    sleep_ms(1200).await; // so that `everysec` has synced
    let mut all = home.iter();
    all.next().await.unwrap().unwrap();
    server.kill();
    server.start_again().await;
    let rest: Result<Vec<_>, _> = all.try_collect().await;
    let error = rest.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("ask again"), "{error}");
    assert_eq!(home.iter().try_collect::<Vec<_>>().await.unwrap().len(), 3000);
    assert_eq!(home.clear().await.unwrap(), 3000);
}

#[tokio::test]
async fn redis_says_no() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let wrong = format!("redis://:wrong-password@127.0.0.1:{}", server.port);
    let error = Redis::connect(&wrong, Settings::new()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wrong-password"));
    for address in
        ["redis://:hunter2@[bad", "redis:///:hunter2@", "no scheme hunter2", "redis://:hunter2@h:99999/x"]
    {
        let Err(error) = Redis::connect(address, Settings::new().timeout(Duration::from_millis(300))).await
        else {
            panic!("{address}");
        };
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error} {error:?}");
    }
    let error = Redis::connect(&server.address(), Settings::new().namespace("a{b}")).await.unwrap_err();
    assert!(matches!(error.of_store(), Some(sessile::Error::Invalid(_))), "{error:?}");

    // What another program has put under one of our keys is damage to that session alone.
    let home = home(&server).await;
    let key = format!("sessile:{{{}}}", home.handle_of(b"taken").unwrap());
    let client = ::redis::Client::open(server.address()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("SET").arg(key).arg("not a hash").exec_async(&mut connection).await.unwrap();
    let error = home.get(b"taken").await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    home.create(b"another", lasting("data")).await.unwrap();

    // No memory left.
    ::redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).exec_async(&mut connection).await.unwrap();
    let error = home.create(b"too much", lasting("data")).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("OOM"), "{error}");
}

#[tokio::test]
async fn nothing_is_left_in_redis_after_its_time() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    let home = home(&server).await;
    let end = Deadline::at_ms(now_ms() + 4000);
    for number in 0..50 {
        let id = format!("id {number}");
        let write = Write::new("data").idle(Duration::from_millis(3900)).absolute_until(end);
        home.create(id.as_bytes(), write.subject(format!("user {}", number % 5))).await.unwrap();
        home.touch(id.as_bytes(), Duration::from_secs(3600)).await.unwrap();
        home.rotate(id.as_bytes(), format!("new {number}").as_bytes(), None).await.unwrap();
    }
    home.destroy_subject(b"user 1", None).await.unwrap();
    assert!(server.keys().await.len() > 40);
    until_past(end.as_ms() + 1).await;
    until("only the secret is left", async || server.keys().await == ["sessile:secret"]).await;
}
