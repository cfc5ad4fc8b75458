//! One PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sessile::{Deadline, Write};
use sessile_backends::{Backend, Error, Postgres, Settings};

use crate::cases::{is_live, lasting, now_ms, until_past};
use crate::servers::postgres::PostgresServer;
use crate::servers::until;
use crate::suite::{Home, keeps_the_contract};

async fn home(server: &PostgresServer) -> Home {
    Arc::new(Postgres::connect(&server.address(), Settings::new()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract() {
    let Some(server) = PostgresServer::start().await else { return };
    keeps_the_contract(home(&server).await).await;
}

/// A server that is gone is an error at once, one that hangs is an error in time, and one that is back is used again.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_away_and_comes_back() {
    let Some(mut server) = PostgresServer::start().await else { return };
    let settings = Settings::new().timeout(Duration::from_millis(500));
    let home: Home = Arc::new(Postgres::connect(&server.address(), settings).await.unwrap());
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();

    server.kill();
    let begun = Instant::now();
    for _ in 0..3 {
        let error = home.get(b"an id").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(server.password));
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    server.start_again().await;
    assert!(is_live(&home, b"an id").await, "nobody had to connect anew");

    server.signal("STOP");
    let begun = Instant::now();
    let error = home.touch(b"an id", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    let many: Vec<_> = (0..40)
        .map(|_| home.clone())
        .map(|home| tokio::spawn(async move { home.get(b"an id").await }))
        .collect();
    for one in many {
        assert!(one.await.unwrap().is_err());
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "they waited together: {:?}", begun.elapsed());
    server.signal("CONT");
    until("it answers again", async || home.get(b"an id").await.is_ok()).await;
    assert_eq!(home.destroy_subject(b"alice", None).await.unwrap(), 1);
}

/// Ending all takes as long as there are many, and is not given up as a request's statement is.
#[tokio::test(flavor = "multi_thread")]
async fn a_clear_may_take_its_time() {
    let Some(server) = PostgresServer::start().await else { return };
    let settings = Settings::new().timeout(Duration::from_millis(500));
    let home: Home = Arc::new(Postgres::connect(&server.address(), settings).await.unwrap());
    home.create(b"an id", lasting("data")).await.unwrap();
    let held =
        server.run("BEGIN; SELECT version FROM sessile.sessions FOR UPDATE; SELECT pg_sleep(2); COMMIT");
    let cleared = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        home.clear().await
    };
    assert_eq!(tokio::join!(held, cleared).1.unwrap(), 1);
    assert!(!is_live(&home, b"an id").await);
}

#[tokio::test]
async fn a_unix_socket_is_a_way_to_postgres() {
    let Some(server) = PostgresServer::start().await else { return };
    let by_socket = Postgres::connect(&server.address_of_socket(), Settings::new()).await.unwrap();
    by_socket.create(b"an id", lasting("data")).await.unwrap();
    assert!(
        is_live(&home(&server).await, b"an id").await,
        "both ways lead to the same home, with one secret"
    );
    assert!(!format!("{by_socket:?} {}", by_socket.name()).contains(server.password));
}

#[tokio::test]
async fn postgres_says_no() {
    let Some(server) = PostgresServer::start().await else { return };
    let wrong = server.address().replace(server.password, "wrong-password");
    let error = Postgres::connect(&wrong, Settings::new()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wrong-password"));
    let settings = || Settings::new().timeout(Duration::from_millis(300));
    for address in [
        "postgres://u:hunter2@[bad",
        "postgres://u:hunter2@h:99999/x",
        "hunter2",
        "postgres://u:hunter2@127.0.0.1:1/x",
    ] {
        let error = Postgres::connect(address, settings()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error} {error:?}");
    }
    for schema in ["", "Case", "a-b", "a;b", "\"", "1a"] {
        let error =
            Postgres::connect(&server.address(), Settings::new().namespace(schema)).await.unwrap_err();
        assert!(matches!(error.of_store(), Some(sessile::Error::Invalid(_))), "{error:?}");
    }
    // Whoever asks for safety gets none that is not there.
    let safe = format!("{}?sslmode=verify-full", server.address());
    let error = Postgres::connect(&safe, Settings::new()).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

/// Those who come at the same moment make the schema once; who comes later needs no right to make anything; and a newer
/// release's schema is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_made_once() {
    let Some(server) = PostgresServer::start().await else { return };
    server.run("DROP SCHEMA sessile CASCADE").await;
    let address = Arc::new(server.address());
    let many: Vec<_> = (0..8)
        .map(|_| Arc::clone(&address))
        .map(|address| {
            tokio::spawn(async move { Postgres::connect(&address, Settings::new()).await.unwrap().secret() })
        })
        .collect();
    let mut secrets = Vec::new();
    for one in many {
        secrets.push(one.await.unwrap().to_bytes());
    }
    secrets.dedup();
    assert_eq!(secrets.len(), 1);

    server
        .run(
            "CREATE ROLE application LOGIN PASSWORD 'of-application';
             GRANT USAGE ON SCHEMA sessile TO application;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sessile TO application;
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA sessile TO application;",
        )
        .await;
    let address = server.address().replace("sessile:hunter2", "application:of-application");
    let home: Home = Arc::new(Postgres::connect(&address, Settings::new()).await.unwrap());
    home.create(b"an id", lasting("data")).await.unwrap();
    home.rotate(b"an id", b"new", None).await.unwrap();
    assert!(is_live(&home, b"new").await);
    let error = home.beside("ledger").await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");

    server.run("INSERT INTO sessile.migrations (number) VALUES (99)").await;
    let error = Postgres::connect(&server.address(), Settings::new()).await.unwrap_err();
    assert!(matches!(error.of_store(), Some(sessile::Error::NewerFormat { found: 99, .. })), "{error:?}");
}

#[tokio::test]
async fn nothing_is_left_in_postgres_after_its_time() {
    let Some(server) = PostgresServer::start().await else { return };
    let home = home(&server).await;
    let end = Deadline::at_ms(now_ms() + 4000);
    for number in 0..50 {
        let id = format!("id {number}");
        let write = Write::new("data").idle(Duration::from_millis(3900)).absolute_until(end);
        home.create(id.as_bytes(), write.subject(format!("user {}", number % 5))).await.unwrap();
        home.touch(id.as_bytes(), Duration::from_secs(3600)).await.unwrap();
        home.rotate(id.as_bytes(), format!("new {number}").as_bytes(), None).await.unwrap();
    }
    home.create(b"lasting", lasting("data")).await.unwrap();
    let rows = "SELECT count(*) FROM sessile.sessions";
    assert_eq!(server.number(rows).await, 51);
    until_past(end.as_ms()).await;
    assert_eq!(home.maintain(Duration::from_secs(5)).await.unwrap().expired, 50);
    assert_eq!(server.number(rows).await, 1);
}

/// A touch within one stretch of the sweep changes no index: rows stay in their page, and the table does not grow.
#[tokio::test]
async fn a_touch_changes_no_index() {
    let Some(server) = PostgresServer::start().await else { return };
    let home = home(&server).await;
    home.create(b"an id", lasting("data").subject("alice")).await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    for _ in 0..200 {
        home.touch(b"an id", day).await.unwrap();
    }
    let updates = "SELECT (n_tup_upd - n_tup_hot_upd)::bigint FROM pg_stat_user_tables WHERE schemaname = 'sessile' AND relname = 'sessions'";
    let all = "SELECT n_tup_upd::bigint FROM pg_stat_user_tables WHERE schemaname = 'sessile' AND relname = 'sessions'";
    until("the statistics know", async || server.number(all).await >= 200).await;
    let not_hot = server.number(updates).await;
    assert!(not_hot <= 20, "{not_hot} of 200 touches changed an index");
}

/// Of several servers the one that takes writes is asked, for reads too: a standby does not know yet who has just logged out.
#[tokio::test]
async fn a_standby_is_passed_over() {
    let (Some(standby), Some(primary)) = (PostgresServer::start().await, PostgresServer::start().await)
    else {
        return;
    };
    standby.take_no_writes().await;
    until("it takes no writes", async || {
        standby.number("SELECT (current_setting('default_transaction_read_only') = 'on')::int::bigint").await
            == 1
    })
    .await;
    let both = format!(
        "postgres://sessile:{}@127.0.0.1:{},127.0.0.1:{}/postgres",
        primary.password, standby.port, primary.port
    );
    let by_both: Home = Arc::new(Postgres::connect(&both, Settings::new()).await.unwrap());
    by_both.create(b"an id", lasting("data")).await.unwrap();
    assert!(is_live(&home(&primary).await, b"an id").await);
}
