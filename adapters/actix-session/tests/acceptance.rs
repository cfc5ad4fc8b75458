//! The five workflows that actix-session accepts a store by, under the same names, each with signed and with private cookies,
//! in our own words: a counter and a user in a session, and what becomes of its cookie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use actix_session::config::{CookieContentSecurity, PersistentSession, TtlExtensionPolicy};
use actix_session::storage::SessionStore;
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_session_sessile::SessileSessionStore;
use actix_test::{ClientResponse, TestServer};
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, Key};
use actix_web::dev::ServiceResponse;
use actix_web::web::{self, Json};
use actix_web::{App, Result, guard, test};
use serde::{Deserialize, Serialize};
use sessile::Options;
use sessile::nonblocking::AsyncStore;
use sessile_backends::{Backend, Embedded, Memory, Settings};

const NAME: &str = "test-session";
const POLICIES: [CookieContentSecurity; 2] = [CookieContentSecurity::Signed, CookieContentSecurity::Private];

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    user: Option<String>,
    counter: u64,
}

fn seen(user: Option<&str>, counter: u64) -> Seen {
    Seen { user: user.map(str::to_owned), counter }
}

async fn look(session: Session) -> Result<Json<Seen>> {
    Ok(Json(Seen { user: session.get("user")?, counter: session.get("counter")?.unwrap_or(0) }))
}

async fn add(session: Session) -> Result<Json<Seen>> {
    let counter = session.get::<u64>("counter")?.unwrap_or(0);
    session.insert("counter", counter + 1)?;
    look(session).await
}

async fn login(user: Json<String>, session: Session) -> Result<Json<Seen>> {
    session.insert("user", &*user)?;
    session.renew();
    look(session).await
}

async fn logout(session: Session) -> &'static str {
    session.purge();
    "bye"
}

fn middleware<S: SessionStore + 'static>(
    store: S,
    policy: CookieContentSecurity,
    lifecycle: PersistentSession,
) -> SessionMiddleware<S> {
    SessionMiddleware::builder(store, Key::from(&[7; 64]))
        .cookie_name(NAME.to_owned())
        .cookie_content_security(policy)
        .session_lifecycle(lifecycle)
        .build()
}

/// A server with all the pages, for clients that come and go.
fn server<S: SessionStore + Clone + Send + 'static>(
    store: S,
    policy: CookieContentSecurity,
    ttl: Duration,
) -> TestServer {
    actix_test::start(move || {
        App::new()
            .wrap(middleware(store.clone(), policy, PersistentSession::default().session_ttl(ttl)))
            .route("/", web::get().to(look))
            .route("/add", web::post().to(add))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .service(
                web::scope("/protected")
                    .guard(guard::fn_guard(|request| {
                        request.get_session().get::<String>("user").is_ok_and(|user| user.is_some())
                    }))
                    .route("/count", web::get().to(look)),
            )
    })
}

fn cookie_of<S>(answer: &ClientResponse<S>) -> Option<Cookie<'static>> {
    answer.cookies().unwrap().iter().find(|cookie| cookie.name() == NAME).cloned()
}

/// Asks for a page with this cookie; what was seen, and the cookie that came with it.
async fn ask(
    request: actix_test::ClientRequest,
    cookie: Option<&Cookie<'static>>,
) -> (Seen, Option<Cookie<'static>>) {
    let request = cookie.into_iter().fold(request, |request, cookie| request.cookie(cookie.clone()));
    let mut answer = request.send().await.unwrap();
    assert!(answer.status().is_success());
    (answer.json().await.unwrap(), cookie_of(&answer))
}

fn set_cookie<B>(answer: &ServiceResponse<B>) -> Option<Cookie<'static>> {
    answer.response().cookies().find(|cookie| cookie.name() == NAME).map(Cookie::into_owned)
}

/// Pages for one request after the other, in this process.
macro_rules! pages {
    ($store:expr, $policy:expr, $lifecycle:expr) => {
        test::init_service(
            App::new()
                .wrap(middleware($store, $policy, $lifecycle))
                .route("/add", web::get().to(add))
                .route("/still", web::get().to(|| async { "no change" })),
        )
        .await
    };
}

macro_rules! get {
    ($pages:expr, $page:expr, $cookie:expr) => {{
        let request = test::TestRequest::with_uri($page);
        let cookie: Option<&Cookie<'static>> = $cookie;
        let request = cookie.into_iter().fold(request, |request, cookie| request.cookie(cookie.clone()));
        set_cookie(&test::call_service(&$pages, request.to_request()).await)
    }};
}

async fn basic_workflow<S: SessionStore + Clone + Send + 'static>(store: S, policy: CookieContentSecurity) {
    let lifecycle = PersistentSession::default().session_ttl(Duration::seconds(100));
    let middleware = SessionMiddleware::builder(store, Key::from(&[7; 64]))
        .cookie_name(NAME.to_owned())
        .cookie_path("/test/".to_owned())
        .cookie_domain(Some("localhost".to_owned()))
        .cookie_content_security(policy)
        .session_lifecycle(lifecycle)
        .build();
    let app = App::new().wrap(middleware).route("/", web::get().to(add)).route("/test/", web::get().to(look));
    let pages = test::init_service(app).await;
    let first = test::call_service(&pages, test::TestRequest::get().to_request()).await;
    let cookie = set_cookie(&first).unwrap();
    assert_eq!((cookie.path(), cookie.domain()), (Some("/test/"), Some("localhost")));
    let request = test::TestRequest::with_uri("/test/").cookie(cookie).to_request();
    assert_eq!(test::call_and_read_body_json::<_, _, Seen>(&pages, request).await, seen(None, 1));
}

async fn expiration_is_refreshed_on_changes<S: SessionStore + Clone + Send + 'static>(
    store: S,
    policy: CookieContentSecurity,
) {
    let ttl = Duration::seconds(60);
    let pages = pages!(store, policy, PersistentSession::default().session_ttl(ttl));
    let cookie = get!(pages, "/add", None).unwrap();
    assert_eq!(cookie.max_age(), Some(ttl));
    assert!(get!(pages, "/still", Some(&cookie)).is_none());
    assert_eq!(get!(pages, "/add", Some(&cookie)).unwrap().max_age(), Some(ttl));
}

async fn expiration_is_always_refreshed_if_configured_to_refresh_on_every_request<
    S: SessionStore + Clone + Send + 'static,
>(
    store: S,
    policy: CookieContentSecurity,
) {
    let ttl = Duration::seconds(60);
    let lifecycle = PersistentSession::default()
        .session_ttl(ttl)
        .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    let pages = pages!(store, policy, lifecycle);
    let cookie = get!(pages, "/add", None).unwrap();
    assert_eq!(cookie.max_age(), Some(ttl));
    assert_eq!(get!(pages, "/still", Some(&cookie)).unwrap().max_age(), Some(ttl));
}

async fn complex_workflow<S: SessionStore + Clone + Send + 'static>(store: S, policy: CookieContentSecurity) {
    let ttl = Duration::days(7);
    let server = server(store, policy, ttl);
    // Who has nothing in his session gets no cookie.
    assert_eq!(ask(server.get("/"), None).await, (seen(None, 0), None));
    let (first, anonymous) = ask(server.post("/add"), None).await;
    let anonymous = anonymous.unwrap();
    assert_eq!((first, anonymous.max_age()), (seen(None, 1), Some(ttl)));
    // A look changes nothing, so there is no cookie; a change renews it.
    assert_eq!(ask(server.get("/"), Some(&anonymous)).await, (seen(None, 1), None));
    let (second, anonymous) = ask(server.post("/add"), Some(&anonymous)).await;
    let anonymous = anonymous.unwrap();
    assert_eq!((second, anonymous.max_age()), (seen(None, 2), Some(ttl)));
    // A login keeps the state and changes the key.
    let login = server.post("/login").cookie(anonymous.clone()).send_json(&"ferris");
    let mut login = login.await.unwrap();
    let member = cookie_of(&login).unwrap();
    assert_ne!(anonymous.value(), member.value());
    assert_eq!(login.json::<Seen>().await.unwrap(), seen(Some("ferris"), 2));
    assert_eq!(ask(server.get("/"), Some(&member)).await.0, seen(Some("ferris"), 2));
    assert_eq!(ask(server.post("/add"), Some(&member)).await.0, seen(Some("ferris"), 3));
    // The key from before the login is worth nothing.
    assert_eq!(ask(server.get("/"), Some(&anonymous)).await, (seen(None, 0), None));
    // Nor is the one from before the logout.
    let out = server.post("/logout").cookie(member.clone()).send().await.unwrap();
    let removed = cookie_of(&out).unwrap();
    assert_eq!((removed.max_age(), removed.path()), (Some(Duration::ZERO), Some("/")));
    for cookie in [&removed, &member] {
        assert_eq!(ask(server.get("/"), Some(cookie)).await, (seen(None, 0), None));
    }
}

async fn guard<S: SessionStore + Clone + Send + 'static>(store: S, policy: CookieContentSecurity) {
    let server = server(store, policy, Duration::days(7));
    assert!(!server.get("/protected/count").send().await.unwrap().status().is_success());
    let login = server.post("/login").send_json(&"ferris").await.unwrap();
    let first = cookie_of(&login).unwrap();
    let (added, second) = ask(server.post("/add"), Some(&first)).await;
    assert_eq!(added, seen(Some("ferris"), 1));
    assert_eq!(ask(server.get("/protected/count"), second.as_ref()).await.0, seen(Some("ferris"), 1));
}

async fn suite<S: SessionStore + Clone + Send + 'static>(store: impl Fn() -> S) {
    for policy in POLICIES {
        basic_workflow(store(), policy).await;
        expiration_is_refreshed_on_changes(store(), policy).await;
        expiration_is_always_refreshed_if_configured_to_refresh_on_every_request(store(), policy).await;
        complex_workflow(store(), policy).await;
        guard(store(), policy).await;
    }
}

#[actix_web::test]
async fn sessile_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let sessions = AsyncStore::open(directory.path()).await.unwrap();
    suite(|| SessileSessionStore::new(sessions.clone())).await;
}

/// The same suite over any other home.
#[actix_web::test]
async fn every_home_is_accepted() {
    suite(|| SessileSessionStore::over(Arc::new(Memory::new(Settings::new()).unwrap()))).await;
    let dir = tempfile::tempdir().unwrap();
    let home: Arc<dyn Backend> = Arc::new(Embedded::open(Options::new(), dir.path()).await.unwrap());
    suite(|| SessileSessionStore::over(home.clone())).await;
}
