//! Makes sessions with the real stores, and prints what there is: `made tower-sqlite FILE`, `made tower-postgres URL`,
//! `made actix URL`. Ids are printed: they are nobody's.

use std::collections::HashMap;
use std::error::Error;

use actix_session::storage::{RedisSessionStore, SessionStore as _};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_sqlx_store::sqlx::sqlite::SqliteConnectOptions;
use tower_sessions_sqlx_store::sqlx::{PgPool, SqlitePool};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

type Done<T> = Result<T, Box<dyn Error>>;

const SESSIONS: i64 = 40;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let made = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tower-sqlite", file] => {
            let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
            let store = SqliteStore::new(SqlitePool::connect_with(options).await?);
            let store = store.with_table_name("user_sessions")?;
            store.migrate().await?;
            tower(&store).await?
        }
        ["tower-postgres", url] => {
            let store = PostgresStore::new(PgPool::connect(url).await?);
            store.migrate().await?;
            tower(&store).await?
        }
        ["actix", url] => actix(url).await?,
        _ => return Err("usage: made tower-sqlite FILE | tower-postgres URL | actix URL".into()),
    };
    println!("{}", Value::from(made));
    Ok(())
}

fn data(number: i64) -> HashMap<String, Value> {
    HashMap::from([
        ("user_id".to_owned(), json!(number % 10)),
        ("cart".to_owned(), json!(["Äpfel", { "😀": [1, 2.5, null, true, -7, u64::MAX] }])),
    ])
}

async fn tower(store: &impl SessionStore) -> Done<Vec<Value>> {
    let mut made = Vec::new();
    for number in 0..SESSIONS {
        let lives = if number == 0 { Duration::milliseconds(1) } else { Duration::hours(number) };
        let expiry_date = OffsetDateTime::now_utc() + lives;
        let mut record = Record { id: Id::default(), data: data(number), expiry_date };
        store.create(&mut record).await?;
        if number % 3 == 0 {
            store.save(&record).await?;
        }
        if number == 1 {
            store.delete(&record.id).await?;
        } else if number > 1 {
            let ends_ms = i64::try_from(record.expiry_date.unix_timestamp_nanos() / 1_000_000)?;
            made.push(json!({ "id": record.id.to_string(), "data": record.data, "ends_ms": ends_ms }));
        }
    }
    Ok(made)
}

async fn actix(url: &str) -> Done<Vec<Value>> {
    let store = RedisSessionStore::builder(url).cache_keygen(|key| format!("shop:{key}")).build().await?;
    let mut made = Vec::new();
    for number in 0..SESSIONS {
        // As `Session::insert` keeps values: each a string of JSON.
        let state: HashMap<String, String> =
            data(number).into_iter().map(|(key, value)| (key, value.to_string())).collect();
        let lives = actix_web::cookie::time::Duration::hours(number + 1);
        let key = store.save(state.clone(), &lives).await?;
        if number == 0 {
            store.delete(&key).await?;
        } else {
            let ends = OffsetDateTime::now_utc() + Duration::hours(number + 1);
            let ends_ms = i64::try_from(ends.unix_timestamp_nanos() / 1_000_000)?;
            made.push(json!({ "id": key.as_ref(), "data": state, "ends_ms": ends_ms }));
        }
    }
    Ok(made)
}
