//! A server that remembers you: log in, kill it in mid-request, start it again, and you are still logged in.
//!
//! ```text
//! cargo run --release --example server      # then open http://127.0.0.1:3000
//! ```
//!
//! `ADDR` sets another address, `SESSILE_DIR` another directory than `./sessions`. This file holds every call of the
//! store; `server/client.rs` knows cookies and headers, `server/page.rs` makes HTML of what was read.

#[path = "server/client.rs"]
mod client;
#[path = "server/page.rs"]
mod page;

use std::future::IntoFuture as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::{Deserialize, Serialize};
use sessile::{Durability, Error, Handle, Options, Session, SessionId, Stats, Store, Unknown, Write};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use client::Client;
use page::{Failure, complain};

/// How long you stay logged in without coming back.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// How long a login lasts whatever you do.
const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a stopping server waits for the answers under way, and a starting one for its predecessor.
const GRACE: Duration = Duration::from_secs(5);
/// The page lists no more devices than this.
const DEVICES_MAX: usize = 50;

/// What a session holds.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Data {
    name: Option<String>,
    visits: u64,
    device: String,
}

impl Data {
    fn of(session: &Session) -> Self {
        // Bytes that this program cannot read are a stranger's: better logged out than guessed.
        serde_json::from_slice(session.data()).unwrap_or_default()
    }

    fn write(&self) -> Result<Write, Failure> {
        Ok(Write::new(serde_json::to_vec(self).map_err(|_| Failure::unavailable())?))
    }
}

/// What a page shows: who is asking, if anybody, where else they are logged in, and how the store is.
struct View {
    me: Option<Session>,
    devices: Vec<Session>,
    stats: Stats,
}

impl View {
    fn of(store: &Store, me: Option<Session>) -> Result<Self, Failure> {
        let name = me.as_ref().and_then(|session| Data::of(session).name);
        let mut devices = match name {
            Some(name) => store.sessions_of(name)?.take(DEVICES_MAX).collect::<Result<Vec<_>, _>>()?,
            None => Vec::new(),
        };
        devices.sort_by_key(|session| (session.created_ms(), session.handle()));
        Ok(Self { me, devices, stats: store.stats() })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let directory = std::env::var_os("SESSILE_DIR").map_or_else(|| "sessions".into(), PathBuf::from);
    let listener =
        TcpListener::bind(&address).await.map_err(|error| format!("listening on {address}: {error}"))?;
    let store = Options::new().idle(IDLE).lock_wait(GRACE).open(directory)?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;

    let server = axum::serve(listener, routes(store.clone())).with_graceful_shutdown(stop_signal());
    tokio::select! {
        ended = server.into_future() => ended?,
        () = async { stop_signal().await; tokio::time::sleep(GRACE).await } => {}
    }
    tokio::task::spawn_blocking(move || store.close()).await??;
    Ok(())
}

fn routes(store: Store) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/live", get(live))
        .route("/login", post(login))
        .route("/stay", post(stay))
        .route("/logout", post(logout))
        .route("/logout/others", post(logout_others))
        .route("/logout/everywhere", post(logout_everywhere))
        .route("/devices/end", post(end_device))
        .merge(page::assets())
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "There is no such page."))
        .method_not_allowed_fallback(async || Redirect::to("/"))
        .layer(DefaultBodyLimit::max(4096))
        .layer(middleware::from_fn(client::guard))
        .with_state(store)
}

/// The page. Who has a session is counted, who comes without one gets one.
async fn home(State(store): State<Store>, client: Client) -> Result<Response, Failure> {
    blocking(move || {
        let notice = match client.id.as_ref().map(|id| count_visit(&store, id)) {
            Some(Ok(me)) => return Ok(page::home(&View::of(&store, me)?, "").into_response()),
            Some(Err(Error::Unknown(Unknown::Expired))) => "The time of your session was up.",
            Some(Err(Error::Unknown(Unknown::Ended))) => "Your session was ended.",
            Some(Err(Error::Unknown(_))) | None => "",
            Some(Err(error)) => return Err(error.into()),
        };
        // Never the id that the browser came with: who planted it there would share the session.
        let id = SessionId::generate()?;
        let data = Data { name: None, visits: 1, device: client.device.clone() };
        store.create(&id, data.write()?.durability(Durability::Written))?;
        let view = View::of(&store, store.get(&id)?)?;
        Ok(([(SET_COOKIE, client.cookie(id.as_str(), IDLE))], page::home(&view, notice)).into_response())
    })
    .await
}

/// One visit more, which also starts the idle time anew. `Written` outlives this process, and a count needs no more.
fn count_visit(store: &Store, id: &str) -> Result<Option<Session>, Error> {
    store.update_with(id, |session| {
        let mut data = Data::of(session);
        data.visits += 1;
        Some(data.write().ok()?.durability(Durability::Written))
    })?;
    store.get(id)
}

/// What the page asks for every two seconds. It only reads: to be watched is not to be used.
async fn live(State(store): State<Store>, client: Client) -> Result<Response, Failure> {
    blocking(move || Ok(Json(page::live(&View::of(&store, me(&store, &client)?)?)).into_response())).await
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Any name will do here; this is where yours checks a password.
async fn login(
    State(store): State<Store>,
    client: Client,
    Form(login): Form<Login>,
) -> Result<Response, Failure> {
    let name = login.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        let sentence = "A name has 1 to 64 characters.";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence));
    }
    blocking(move || {
        let (id, mut visits) = (SessionId::generate()?, 0);
        match (&client.id, me(&store, &client)?) {
            // Logged in already, perhaps as somebody else: that login ends here.
            (Some(old), Some(session)) if session.subject().is_some() => {
                store.destroy(old)?;
            }
            (_, visitor) => visits = visitor.map_or(0, |session| Data::of(&session).visits),
        }
        let data = Data { name: Some(name.clone()), visits, device: client.device.clone() };
        // A new id, so that an id known before the login is worth nothing after it; and all of it in one record.
        let write = data.write()?.subject(name).absolute(ABSOLUTE);
        let rotated = client.id.as_ref().map(|old| store.rotate(old, &id, Some(write.clone())));
        match rotated {
            None | Some(Err(Error::Unknown(_))) => store.create(&id, write)?,
            Some(rotated) => rotated?,
        };
        Ok(([(SET_COOKIE, client.cookie(id.as_str(), ABSOLUTE))], Redirect::to("/")).into_response())
    })
    .await
}

/// Used, and nothing else: the store notes it in memory, and on disk only when that would fall behind.
async fn stay(State(store): State<Store>, client: Client) -> Result<Redirect, Failure> {
    blocking(move || match client.id.map(|id| store.touch(id, IDLE)) {
        None | Some(Ok(_) | Err(Error::Unknown(_))) => Ok(Redirect::to("/")),
        Some(Err(error)) => Err(error.into()),
    })
    .await
}

async fn logout(State(store): State<Store>, client: Client) -> Result<Response, Failure> {
    blocking(move || {
        client.id.as_ref().map(|id| store.destroy(id)).transpose()?;
        Ok(goodbye(&client))
    })
    .await
}

/// One record ends them all, however many they are.
async fn logout_everywhere(State(store): State<Store>, client: Client) -> Result<Response, Failure> {
    blocking(move || {
        if let Some(name) = me(&store, &client)?.and_then(|session| Data::of(&session).name) {
            store.destroy_subject(name, None)?;
        }
        Ok(goodbye(&client))
    })
    .await
}

async fn logout_others(State(store): State<Store>, client: Client) -> Result<Redirect, Failure> {
    blocking(move || {
        if let Some(name) = me(&store, &client)?.and_then(|session| Data::of(&session).name) {
            store.destroy_subject(name, client.id.as_ref().map(String::as_bytes))?;
        }
        Ok(Redirect::to("/"))
    })
    .await
}

#[derive(Deserialize)]
struct Device {
    handle: String,
}

async fn end_device(
    State(store): State<Store>,
    client: Client,
    Form(device): Form<Device>,
) -> Result<Redirect, Failure> {
    let Ok(handle) = device.handle.parse::<Handle>() else {
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "That names no device."));
    };
    blocking(move || {
        let mine = me(&store, &client)?.and_then(|session| session.subject());
        let theirs = store.get_handle(&handle)?.and_then(|session| session.subject());
        // A handle is no secret and so proves nothing: a session is ended only by whom it belongs to.
        if mine.is_some() && mine == theirs {
            store.destroy_handle(&handle)?;
        }
        Ok(Redirect::to("/"))
    })
    .await
}

/// The session of who is asking.
fn me(store: &Store, client: &Client) -> Result<Option<Session>, Error> {
    client.id.as_ref().map_or(Ok(None), |id| store.get(id))
}

fn goodbye(client: &Client) -> Response {
    ([(SET_COOKIE, client.no_cookie())], Redirect::to("/")).into_response()
}

/// A synced write waits for the disk; it does so here, and not on a thread that serves everybody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Failure::unavailable()))
}

/// Ctrl-C, or what a service manager sends.
async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
