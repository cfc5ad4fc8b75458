//! The routes that tower-sessions and its stores are tested by, scenario for scenario and under the same names, over this
//! store alone, with a cache before it, and as the cache of another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use sessile::Options;
use sessile::nonblocking::AsyncStore;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;
use tower_cookies::Cookie;
use tower_cookies::cookie::SameSite;
use tower_sessions::{CachingSessionStore, Expiry, MemoryStore, Session, SessionManagerLayer, SessionStore};
use tower_sessions_sessile::{Saving, SessileStore};

static DIRECTORIES: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

async fn sessile() -> SessileStore {
    let directory = tempfile::tempdir_in(DIRECTORIES.path()).unwrap().keep();
    SessileStore::new(AsyncStore::open_with(Options::new(), directory).await.unwrap())
}

fn app<S: SessionStore + Clone>(store: S, max_age: Option<Duration>, domain: Option<&str>) -> Router {
    let mut layer = SessionManagerLayer::new(store);
    if let Some(max_age) = max_age {
        layer = layer.with_expiry(Expiry::OnInactivity(max_age));
    }
    if let Some(domain) = domain {
        layer = layer.with_domain(domain.to_owned());
    }
    let tomorrow = || Expiry::AtDateTime(OffsetDateTime::now_utc() + Duration::days(1));
    Router::new()
        .route("/", get(|_: Session| async { "nothing" }))
        .route("/insert", get(|session: Session| async move { session.insert("foo", 42).await.unwrap() }))
        .route(
            "/get",
            get(
                |session: Session| async move { format!("{:?}", session.get::<usize>("foo").await.unwrap()) },
            ),
        )
        .route(
            "/remove",
            get(|session: Session| async move {
                session.remove::<usize>("foo").await.unwrap().is_some().to_string()
            }),
        )
        .route("/cycle_id", get(|session: Session| async move { session.cycle_id().await.unwrap() }))
        .route("/flush", get(|session: Session| async move { session.flush().await.unwrap() }))
        .route(
            "/set_expiry",
            get(move |session: Session| async move { session.set_expiry(Some(tomorrow())) }),
        )
        .route(
            "/remove_expiry",
            get(|session: Session| async move { session.set_expiry(Some(Expiry::OnSessionEnd)) }),
        )
        .layer(layer)
}

/// Asks for a page, with this cookie.
async fn visit(app: &Router, page: &str, cookie: Option<&Cookie<'_>>) -> Response {
    let mut request = Request::builder().uri(page);
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie.encoded().stripped().to_string());
    }
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer
}

fn cookie(answer: &Response) -> Option<Cookie<'static>> {
    let header = answer.headers().get(SET_COOKIE)?;
    Some(Cookie::parse_encoded(header.to_str().unwrap().to_owned()).unwrap())
}

async fn body(answer: Response) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

fn is_about(age: Option<Duration>, expected: Duration) -> bool {
    age.is_some_and(|age| (age - expected).abs() <= Duration::seconds(1))
}

macro_rules! scenarios {
    ($name:ident, $store:expr) => {
        mod $name {
            use super::*;

            const HOUR: Option<Duration> = Some(Duration::HOUR);

            async fn store() -> impl SessionStore + Clone {
                $store
            }

            #[tokio::test]
            async fn no_session_set() {
                let answer = visit(&app(store().await, HOUR, None), "/", None).await;
                assert!(cookie(&answer).is_none());
            }

            #[tokio::test]
            async fn bogus_session_cookie() {
                let bogus = Cookie::new("id", "AAAAAAAAAAAAAAAAAAAAAA");
                let answer = visit(&app(store().await, HOUR, None), "/insert", Some(&bogus)).await;
                assert_ne!(cookie(&answer).unwrap().value(), bogus.value());
            }

            #[tokio::test]
            async fn malformed_session_cookie() {
                let malformed = Cookie::new("id", "malformed");
                let answer = visit(&app(store().await, HOUR, None), "/", Some(&malformed)).await;
                assert_ne!(cookie(&answer).unwrap().value(), malformed.value());
            }

            #[tokio::test]
            async fn insert_session() {
                let answer = visit(&app(store().await, HOUR, None), "/insert", None).await;
                let cookie = cookie(&answer).unwrap();
                assert_eq!(cookie.name(), "id");
                assert_eq!((cookie.http_only(), cookie.secure()), (Some(true), Some(true)));
                assert_eq!((cookie.same_site(), cookie.path()), (Some(SameSite::Strict), Some("/")));
                assert!(is_about(cookie.max_age(), Duration::HOUR));
            }

            #[tokio::test]
            async fn session_max_age() {
                let answer = visit(&app(store().await, None, None), "/insert", None).await;
                assert!(cookie(&answer).unwrap().max_age().is_none());
            }

            #[tokio::test]
            async fn get_session() {
                let app = app(store().await, HOUR, None);
                let session = cookie(&visit(&app, "/insert", None).await).unwrap();
                assert_eq!(body(visit(&app, "/get", Some(&session)).await).await, "Some(42)");
            }

            #[tokio::test]
            async fn get_no_value() {
                let app = app(store().await, HOUR, None);
                assert_eq!(body(visit(&app, "/get", None).await).await, "None");
            }

            #[tokio::test]
            async fn remove_last_value() {
                let app = app(store().await, HOUR, None);
                let session = cookie(&visit(&app, "/insert", None).await).unwrap();
                let emptied = cookie(&visit(&app, "/remove", Some(&session)).await).unwrap();
                assert_eq!(emptied.value(), session.value(), "with nothing in it, it is a session still");
                assert_eq!(body(visit(&app, "/get", Some(&session)).await).await, "None");
            }

            #[tokio::test]
            async fn cycle_session_id() {
                let app = app(store().await, HOUR, None);
                let first = cookie(&visit(&app, "/insert", None).await).unwrap();
                let second = cookie(&visit(&app, "/cycle_id", Some(&first)).await).unwrap();
                assert_ne!(first.value(), second.value());
                assert_eq!(body(visit(&app, "/get", Some(&second)).await).await, "Some(42)");
                assert_eq!(body(visit(&app, "/get", Some(&first)).await).await, "None");
            }

            #[tokio::test]
            async fn flush_session() {
                let app = app(store().await, HOUR, None);
                let session = cookie(&visit(&app, "/insert", None).await).unwrap();
                let removed = cookie(&visit(&app, "/flush", Some(&session)).await).unwrap();
                assert_eq!((removed.value(), removed.max_age()), ("", Some(Duration::ZERO)));
                assert_eq!(removed.path(), Some("/"));
                assert_eq!(body(visit(&app, "/get", Some(&session)).await).await, "None");
            }

            #[tokio::test]
            async fn flush_with_domain() {
                let app = app(store().await, HOUR, Some("localhost"));
                let session = cookie(&visit(&app, "/insert", None).await).unwrap();
                let removed = cookie(&visit(&app, "/flush", Some(&session)).await).unwrap();
                assert_eq!((removed.value(), removed.max_age()), ("", Some(Duration::ZERO)));
                assert_eq!((removed.domain(), removed.path()), (Some("localhost"), Some("/")));
            }

            #[tokio::test]
            async fn set_expiry() {
                let app = app(store().await, HOUR, Some("localhost"));
                let session = cookie(&visit(&app, "/insert", None).await).unwrap();
                assert!(is_about(session.max_age(), Duration::HOUR));
                let changed = cookie(&visit(&app, "/set_expiry", Some(&session)).await).unwrap();
                assert!(is_about(changed.max_age(), Duration::DAY));
            }

            #[tokio::test]
            async fn change_expiry_type() {
                let at_end = app(store().await, None, Some("localhost"));
                let session = cookie(&visit(&at_end, "/insert", None).await).unwrap();
                assert!(session.max_age().is_none());
                let changed = cookie(&visit(&at_end, "/set_expiry", Some(&session)).await).unwrap();
                assert!(is_about(changed.max_age(), Duration::DAY));
                let sliding = app(store().await, HOUR, Some("localhost"));
                let session = cookie(&visit(&sliding, "/insert", None).await).unwrap();
                assert!(is_about(session.max_age(), Duration::HOUR));
                let changed = cookie(&visit(&sliding, "/remove_expiry", Some(&session)).await).unwrap();
                assert!(changed.max_age().is_none());
            }

            #[tokio::test]
            async fn expired() {
                let store = store().await;
                let soon = app(store.clone(), Some(Duration::milliseconds(30)), None);
                let session = cookie(&visit(&soon, "/insert", None).await).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(60)).await;
                assert_eq!(body(visit(&soon, "/get", Some(&session)).await).await, "None");
                let answer = visit(&app(store, HOUR, None), "/insert", Some(&session)).await;
                assert_ne!(cookie(&answer).unwrap().value(), session.value());
            }
        }
    };
}

scenarios!(alone, sessile().await);
scenarios!(behind_a_cache, CachingSessionStore::new(MemoryStore::default(), sessile().await));
scenarios!(
    as_a_cache,
    CachingSessionStore::new(sessile().await.saving(Saving::Upsert), MemoryStore::default())
);
