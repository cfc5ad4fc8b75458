//! Servers that are reached by TLS: who proves to be the one that was meant is believed, and nobody else.

use std::time::{Duration, Instant};

use sessile_backends::{Error, connect};

use crate::cases::{is_live, lasting};
use crate::servers::certificates::Certificate;
use crate::servers::postgres::PostgresServer;
use crate::servers::redis::RedisServer;
use crate::servers::{free_port, is_here};
use crate::suite::Home;

/// It does not work, and says so in time, and without the password.
async fn is_refused(address: &str, wanted: &str) {
    let begun = Instant::now();
    let error = match connect(address).await {
        // The first call meets the server where connecting does not.
        Ok(home) => home.get(b"an id").await.map(drop).expect_err(wanted),
        Err(error) => error,
    };
    assert!(begun.elapsed() < Duration::from_secs(5), "{wanted}: {:?}", begun.elapsed());
    let said = format!("{error} {error:?}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        matches!(error, Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Refused { .. }),
        "{wanted}: {error:?}"
    );
    println!("{wanted}: {error}");
}

async fn is_reached(address: &str) {
    let home: Home = connect(address).await.unwrap();
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    assert!(is_live(&home, b"an id").await);
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
    home.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_tls() {
    let Some(certificate) = Certificate::for_localhost().filter(|_| is_here("redis-server")) else { return };
    let another = Certificate::for_localhost().unwrap();
    let port = free_port();
    let settings = [
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", certificate.certificate.display().to_string()),
        ("--tls-key-file", certificate.key.display().to_string()),
        ("--tls-ca-cert-file", certificate.root.display().to_string()),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    let settings = settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let server = RedisServer::start_of("redis-server", settings).await;
    let at = |scheme: &str, host: &str, port: u16, root: &Certificate| {
        format!("{scheme}://:hunter2@{host}:{port}/0?timeout=2s&sslrootcert={}", root.root.display())
    };
    is_reached(&at("rediss", "localhost", port, &certificate)).await;
    is_reached(&at("valkeys", "localhost", port, &certificate)).await;
    is_refused(&at("rediss", "localhost", port, &another), "another root").await;
    is_refused(&at("rediss", "127.0.0.1", port, &certificate), "another name than the certificate's").await;
    let by_system = format!("rediss://:hunter2@localhost:{port}/0?timeout=2s");
    is_refused(&by_system, "a root that the system does not know").await;
    let plain = format!("redis://:hunter2@localhost:{port}/0?timeout=2s");
    is_refused(&plain, "plain text where TLS is spoken").await;
    is_refused(&at("rediss", "localhost", server.port, &certificate), "TLS where plain text is spoken").await;

    let no_tls = connect(&at("redis", "localhost", port, &certificate)).await.unwrap_err();
    assert!(matches!(no_tls, Error::Address(_)), "roots without TLS: {no_tls:?}");
    for roots in ["/no/such/file".into(), certificate.key.display().to_string()] {
        let address = format!("rediss://:hunter2@localhost:{port}/0?sslrootcert={roots}");
        let error = connect(&address).await.unwrap_err();
        assert!(matches!(error, Error::Address(_)) && error.to_string().contains("sslrootcert"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_reached_by_tls() {
    let Some(certificate) = Certificate::for_localhost() else { return };
    let another = Certificate::for_localhost().unwrap();
    let Some(server) = PostgresServer::start_with(Some(&certificate)).await else { return };
    let port = server.port;
    let at = |host: &str, mode: &str, root: &Certificate| {
        let root = root.root.display();
        format!("postgres://sessile:hunter2@{host}:{port}/postgres?timeout=2s{mode}&sslrootcert={root}")
    };
    server.take_tls_only().await;
    for mode in ["&sslmode=verify-full", "&sslmode=verify-ca", "&sslmode=require", ""] {
        is_reached(&at("localhost", mode, &certificate)).await;
        is_refused(&at("localhost", mode, &another), "another root").await;
        is_refused(&at("127.0.0.1", mode, &certificate), "another name than the certificate's").await;
    }
    let by_system =
        format!("postgres://sessile:hunter2@localhost:{port}/postgres?timeout=2s&sslmode=require");
    is_refused(&by_system, "a root that the system does not know").await;
    is_refused(&at("localhost", "&sslmode=disable", &certificate), "plain text where TLS is asked for").await;

    // Whoever names roots is not talked out of TLS by somebody in between.
    let plain = PostgresServer::start().await.unwrap();
    let root = certificate.root.display();
    let address = format!("postgres://sessile:hunter2@127.0.0.1:{}/postgres?sslrootcert={root}", plain.port);
    is_refused(&address, "a server without TLS").await;
}
