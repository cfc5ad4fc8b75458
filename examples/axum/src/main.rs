//! An axum server that remembers you: `cargo run -p sessile-example-axum`, then http://127.0.0.1:3000 in two browsers. `ADDR`,
//! `SESSILE_DIR` and `IDLE_SECONDS` change where and how long; `SESSION_STORE=redis://host?absolute=12h` keeps sessions in another
//! home. Outside your own machine: behind HTTPS, `with_secure(true)`.

mod home;

use std::{error::Error, sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Json, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router, extract::State};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use home::home;
use serde_json::{Value, json};
use sessile::{Handle, Session as Stored, SessionEvent};
use sessile_backends::Backend;
use tokio::sync::broadcast::{self, error::RecvError};
use tower_sessions::cookie::{SameSite, time};
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_sessile::SessileStore;

/// The home of sessions, and what happens in it for every open socket; it ends when the server stops.
type App = (Arc<dyn Backend>, broadcast::WeakSender<SessionEvent>);
type Heard = broadcast::Receiver<SessionEvent>;
type Answer<T = Redirect> = Result<T, StatusCode>;
type Fields = Form<std::collections::HashMap<String, String>>;

/// What asks for a stop often kills after ten seconds.
const STOPPING: Duration = Duration::from_secs(5);

fn failed(error: impl Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn var(name: &str, or: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| or.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (store, mut events, _control) = home().await?;
    let idle = time::Duration::seconds(var("IDLE_SECONDS", "1800").parse()?);
    let layer = SessionManagerLayer::new(SessileStore::over(store.clone()).subject_key("user"))
        .with_secure(false)
        .with_same_site(SameSite::Lax)
        .with_always_save(true) // Every request counts as use. That costs a touch.
        .with_expiry(Expiry::OnInactivity(idle));
    let sender = broadcast::channel(1024).0;
    let app: App = (store.clone(), sender.downgrade());
    let telling = tokio::spawn(async move {
        while let Some(events) = &mut events
            && let Some(event) = events.next().await
        {
            let _ = sender.send(event);
        }
        // Where nobody tells, sockets look by themselves, until this is dropped.
        std::future::pending::<()>().await;
    });
    let file = |kind: &'static str, text: &'static str| get(async move || ([("content-type", kind)], text));
    let routes = Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../../web/index.html")))
        .route("/style.css", file("text/css", include_str!("../../web/style.css")))
        .route("/wire.js", file("text/javascript", include_str!("../../web/wire.js")))
        .route("/page.js", file("text/javascript", include_str!("../../web/page.js")))
        .route("/me", get(me))
        .route("/live", get(live))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/logout/everywhere", post(logout_everywhere))
        .route("/devices/end", post(end_device))
        .layer(layer)
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(var("ADDR", "127.0.0.1:3000")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {} }
        telling.abort(); // With its sender all sockets close: the server waits for them.
    };
    let stopped = stopped.shared();
    // Requests end in their own time; somebody who is not heard to the end of his has none.
    let late = stopped.clone().then(|()| tokio::time::sleep(STOPPING));
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stopped);
    tokio::select! { served = serving.into_future() => served?, () = late => {} }
    Ok(store.close().await?)
}

/// Who asks, if he has logged in, and the handle of his session.
async fn known((store, _): &App, session: &Session) -> Answer<Option<(String, Handle)>> {
    let user: Option<String> = session.get("user").await.map_err(failed)?;
    let handle =
        session.id().map(|id| store.handle_of(&SessileStore::id_of(&id))).transpose().map_err(failed)?;
    Ok(user.zip(handle))
}

/// Yours checks a password first. An id that somebody knew before the login is worth nothing after it.
async fn login(session: Session, headers: HeaderMap, Form(fields): Fields) -> Answer {
    let device = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    session.cycle_id().await.map_err(failed)?;
    session.insert("user", fields.get("name").ok_or(StatusCode::BAD_REQUEST)?).await.map_err(failed)?;
    session.insert("device", device).await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

async fn me(State(app): State<App>, session: Session) -> Answer<Json<Value>> {
    let Some((user, mine)) = known(&app, &session).await? else { return Ok(Json(json!({ "user": null }))) };
    let mut all: Vec<Stored> = app.0.sessions_of(user.as_bytes()).try_collect().await.map_err(failed)?;
    all.sort_by_key(|one| (one.created_ms(), one.handle()));
    let device = |one: &Stored| {
        let data: Value = serde_json::from_slice(one.data()).unwrap_or_default();
        let (handle, this) = (one.handle().to_string(), one.handle() == mine);
        json!({ "handle": handle, "name": data.get("device"), "used": one.last_used_ms(), "this": this })
    };
    let devices: Vec<_> = all.iter().map(device).collect();
    let me = all.iter().find(|one| one.handle() == mine).ok_or(StatusCode::UNAUTHORIZED)?;
    let (since, idle, absolute) = (me.created_ms(), me.deadline().as_ms(), me.absolute_deadline().as_ms());
    Ok(Json(json!({ "user": user, "since": since, "idle": idle, "absolute": absolute, "devices": devices })))
}

async fn logout(session: Session) -> Answer {
    session.flush().await.map(|()| Redirect::to("/")).map_err(failed)
}

/// One record ends them all, however many they are.
async fn logout_everywhere(State(app): State<App>, session: Session) -> Answer {
    if let Some((user, _)) = known(&app, &session).await? {
        app.0.destroy_subject(user.as_bytes(), None).await.map_err(failed)?;
    }
    logout(session).await
}

/// A handle is no secret and proves nothing: a session is ended only by whom it belongs to.
async fn end_device(State(app): State<App>, session: Session, Form(fields): Fields) -> Answer {
    let handle: Handle =
        fields.get("handle").and_then(|it| it.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    let theirs = app.0.get_handle(handle).await.map_err(failed)?.and_then(|one| one.subject());
    let mine = known(&app, &session).await?.and_then(|(user, _)| app.0.subject_digest(user.as_bytes()).ok());
    if mine.is_some() && mine == theirs {
        app.0.destroy_handle(handle).await.map_err(failed)?;
    }
    Ok(Redirect::to("/"))
}

/// A socket belongs to the session that opened it, and ends with it.
async fn live(State(app): State<App>, session: Session, upgrade: WebSocketUpgrade) -> Answer<Response> {
    let events = app.1.upgrade().ok_or(StatusCode::SERVICE_UNAVAILABLE)?.subscribe();
    let mine = known(&app, &session).await?.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(upgrade.on_upgrade(move |socket| watch(socket, app.0, mine, events)))
}

/// The user's devices, to be compared.
async fn devices(home: &Arc<dyn Backend>, user: &str) -> Vec<Handle> {
    let all = home.sessions_of(user.as_bytes()).map_ok(|one| one.handle()).try_collect().await;
    let mut all: Vec<Handle> = all.unwrap_or_default();
    all.sort();
    all
}

async fn watch(
    mut socket: WebSocket,
    home: Arc<dyn Backend>,
    (user, mine): (String, Handle),
    mut events: Heard,
) {
    let (nobody_tells, mut seen) = (home.capabilities().shared, devices(&home, &user).await);
    let code = loop {
        let Ok(Some(session)) = home.get_handle(mine).await else { break 4001 };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)), if nobody_tells => {
                let now = devices(&home, &user).await;
                if now != seen && socket.send(Message::Text("changed".into())).await.is_err() {
                    return;
                }
                seen = now;
            }
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return },
            event = events.recv() => match event {
                Err(RecvError::Closed) => break 1001,
                Ok(event) if event.subject() != session.subject() => {}
                _ => if socket.send(Message::Text("changed".into())).await.is_err() { return },
            },
        }
    };
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
}
