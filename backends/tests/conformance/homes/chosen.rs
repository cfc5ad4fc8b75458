//! Homes by their address: each scheme, its settings, and what is refused.

use std::time::Duration;

use sessile_backends::{Error, connect};

use crate::cases::{is_live, lasting, live};
use crate::servers::cluster::Cluster;
use crate::servers::postgres::PostgresServer;
use crate::servers::redis::{RedisServer, Sentinels};
use crate::servers::{is_here, until};

async fn is_chosen(address: &str, settings: &str) {
    let with =
        |more: &str| format!("{address}{}{settings}{more}", if address.contains('?') { '&' } else { '?' });
    let home = connect(&with("&idle=30m&session_bytes_max=64KiB")).await.unwrap();
    let before = crate::cases::now_ms();
    home.create(b"an id", "data".into()).await.unwrap();
    let deadline = live(&home, b"an id").await.deadline().as_ms();
    assert!((before + 1_800_000..before + 1_830_000).contains(&deadline), "{address}: {deadline}");
    let too_large = home.set(b"an id", vec![0; 70_000].into()).await.unwrap_err();
    assert!(matches!(too_large.of_store(), Some(sessile::Error::TooLarge { bytes_max: 65_536, .. })));
    let shown = format!("{home:?} {}", home.name());
    assert!(!shown.contains("hunter2"), "{shown}");
    home.close().await.unwrap();
    for refused in ["&idle=soon", "&keep_ids=maybe"] {
        let error = connect(&with(refused)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_directory_and_memory_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    is_chosen(&format!("sessile:{}", dir.path().display()), "durability=written").await;
    is_chosen("memory:", "keep_ids=true").await;
    let home = connect("memory:?keep_ids=true").await.unwrap();
    home.create(b"an id", lasting("")).await.unwrap();
    assert_eq!(live(&home, b"an id").await.id(), Some(b"an id".as_slice()));
}

#[tokio::test]
async fn redis_is_chosen() {
    if !is_here("redis-server") {
        return;
    }
    let server = RedisServer::start().await;
    is_chosen(&server.address(), "prefix=web&timeout=3s&keep_ids=true").await;
    assert!(server.keys().await.iter().all(|key| key == "sessile:secret" || key.starts_with("web:")));
    is_chosen(
        &format!("redis+unix://{}?pass={}", server.socket().display(), server.password),
        "prefix=socket",
    )
    .await;
    let home = connect(&format!("{}?keep_ids=true", server.address())).await.unwrap();
    home.create(b"an id", lasting("")).await.unwrap();
    home.rotate(b"an id", b"new", None).await.unwrap();
    assert_eq!(live(&home, b"new").await.id(), Some(b"new".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_chosen() {
    if !is_here("redis-server") {
        return;
    }
    let cluster = Cluster::start().await;
    is_chosen(&cluster.address(), "prefix=web&keep_ids=true").await;
}

#[tokio::test]
async fn postgres_is_chosen() {
    let Some(server) = PostgresServer::start().await else { return };
    is_chosen(&server.address(), "schema=web&timeout=3s&application_name=web").await;
    let home = connect(&format!("{}?keep_ids=true", server.address())).await.unwrap();
    home.create(b"an id", lasting("")).await.unwrap();
    home.rotate(b"an id", b"new", None).await.unwrap();
    assert_eq!(live(&home, b"new").await.id(), Some(b"new".as_slice()));
}

/// The server that Sentinels name is used; when it dies, the one that they name next.
#[tokio::test(flavor = "multi_thread")]
async fn sentinels_say_where_the_server_is() {
    if !is_here("redis-server") {
        return;
    }
    let mut sentinels = Sentinels::start().await;
    is_chosen(&sentinels.address(), "prefix=web").await;
    let home = connect(&format!("{}?timeout=1s", sentinels.address())).await.unwrap();
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    sentinels.kill_the_primary();
    let error = home.get(b"an id").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::TimedOut { .. }), "{error:?}");
    until("the other server is used", async || home.touch(b"an id", Duration::from_secs(60)).await.is_ok())
        .await;
    assert!(is_live(&home, b"an id").await);
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_not_repeated() {
    for address in [
        "",
        "hunter2",
        "user:hunter2@host",
        "mysql://user:hunter2@host/db",
        "http://user:hunter2@host",
        "memory:hunter2",
        "redis://user:hunter2@host:port",
        "redis+sentinel://user:hunter2@host:26379",
        "redis+cluster://user:hunter2@",
        "postgres://user:hunter2@host:port/db",
        "postgres://user:hunter2@host/db?hunter2=hunter2",
        "postgres://user:hunter2@host/db?sslrootcert=/no/such/file",
    ] {
        let error = connect(address).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{address}: {error:?}");
        let expected = matches!(error, Error::Address(_) | Error::Store(sessile::Error::Invalid(_)));
        assert!(expected, "{address}: {error:?}");
    }
    let error = connect("mysql://user@host/db").await.unwrap_err().to_string();
    for scheme in ["sessile:", "redis:", "redis+cluster:", "redis+sentinel:", "postgres:", "memory:"] {
        assert!(error.contains(scheme), "{error}");
    }
}
