//! A shop's pages: who you are and how many pages you have written, over whichever store.

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::framework::cookie::time::Duration;
use super::framework::{Expiry, Session, SessionManagerLayer, SessionStore};
use crate::data;

/// What a page says.
type Answer = Result<String, StatusCode>;

/// Who is logged in, as passport keeps it.
#[derive(Deserialize)]
struct Passport {
    user: String,
}

#[derive(Deserialize)]
struct Login {
    number: u64,
}

/// All pages over `store`. Only `/slide` saves a session that has not changed.
pub fn router<S: SessionStore + Clone>(store: S) -> Router {
    let layer = SessionManagerLayer::new(store)
        .with_secure(false) // It speaks HTTP to this machine only.
        .with_expiry(Expiry::OnInactivity(Duration::days(14)));
    let as_it_is = Router::new()
        .route("/login", post(login))
        .route("/read", get(read))
        .route("/write", post(write))
        .layer(layer.clone());
    let sliding = Router::new().route("/slide", get(read)).layer(layer.with_always_save(true));
    as_it_is.merge(sliding)
}

async fn login(session: Session, Query(Login { number }): Query<Login>) -> Answer {
    let data: Map<String, Value> = serde_json::from_slice(&data::payload(number)).map_err(failed)?;
    session.cycle_id().await.map_err(failed)?;
    for (key, value) in data {
        session.insert_value(&key, value).await.map_err(failed)?;
    }
    session.insert("views", 0).await.map_err(failed)?;
    said(&session, 0).await
}

async fn read(session: Session) -> Answer {
    let views = session.get("views").await.map_err(failed)?.unwrap_or_default();
    said(&session, views).await
}

async fn write(session: Session) -> Answer {
    let views: u64 = session.get("views").await.map_err(failed)?.unwrap_or_default();
    session.insert("views", views + 1).await.map_err(failed)?;
    said(&session, views + 1).await
}

async fn said(session: &Session, views: u64) -> Answer {
    let passport: Option<Passport> = session.get("passport").await.map_err(failed)?;
    let Passport { user } = passport.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("{user} {views}"))
}

fn failed(error: impl std::error::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
