//! An actix-web server that remembers you: `cargo run -p sessile-example-actix`, then http://127.0.0.1:3000 in two browsers.
//! `ADDR`, `SESSILE_DIR`, `IDLE_SECONDS` and `COOKIE_KEY` change it. Outside your own machine: HTTPS, `cookie_secure(true)`.

use std::{collections::HashMap, future::ready, time::Duration};

use actix_session::config::{CookieContentSecurity, PersistentSession, TtlExtensionPolicy};
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_session_sessile::SessileSessionStore;
use actix_web::cookie::{CookieJar, Key, time};
use actix_web::error::{ErrorBadRequest as bad, ErrorInternalServerError as failed};
use actix_web::web::{self, Data, Form, Json, Payload, Redirect};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Result, error};
use actix_ws::{CloseCode, Message};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sessile::{Handle, Options, Session as Stored, SessionEvent, nonblocking::AsyncStore};
use tokio::sync::broadcast::{self, WeakSender, error::RecvError};

/// The store, what happens in it for every open socket (it ends when the server stops), and what signs the cookies.
struct Shop(AsyncStore, WeakSender<SessionEvent>, Key);
type Fields = Form<HashMap<String, String>>;

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let var = |name, or: &str| std::env::var(name).unwrap_or_else(|_| or.to_owned());
    let options = Options::new().absolute(Duration::from_secs(12 * 3600)).lock_wait(Duration::from_secs(5));
    let store = AsyncStore::open_with(options, var("SESSILE_DIR", "sessions")).await?;
    let sessions = SessileSessionStore::new(store.clone()).subject_key("user");
    let key = Key::try_from(var("COOKIE_KEY", &"only to try it out, ".repeat(4)).as_bytes())?;
    let idle = PersistentSession::default()
        .session_ttl(time::Duration::seconds(var("IDLE_SECONDS", "1800").parse()?))
        .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest); // That costs a touch.
    let sender = broadcast::channel(1024).0;
    let shop = Data::new(Shop(store.clone(), sender.downgrade(), key.clone()));
    let telling = tokio::spawn(store.events()?.for_each(move |event| {
        let _ = sender.send(event);
        ready(())
    }));
    let app = move || {
        let layer = SessionMiddleware::builder(sessions.clone(), key.clone())
            .cookie_secure(false)
            .cookie_content_security(CookieContentSecurity::Signed)
            .session_lifecycle(idle.clone());
        let file = |kind, it| web::get().to(move || ready(HttpResponse::Ok().content_type(kind).body(it)));
        App::new()
            .app_data(shop.clone())
            .wrap(layer.build())
            .route("/", file("text/html; charset=utf-8", include_str!("../../web/index.html")))
            .route("/style.css", file("text/css", include_str!("../../web/style.css")))
            .route("/wire.js", file("text/javascript", include_str!("../../web/wire.js")))
            .route("/page.js", file("text/javascript", include_str!("../../web/page.js")))
            .route("/me", web::get().to(me))
            .route("/live", web::get().to(live))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .route("/logout/everywhere", web::post().to(logout_everywhere))
            .route("/devices/end", web::post().to(end_device))
    };
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {} }
        telling.abort(); // With its sender all sockets close: the server waits for them.
    };
    let server = HttpServer::new(app).shutdown_signal(stopped).bind(var("ADDR", "127.0.0.1:3000"))?;
    server.addrs().iter().for_each(|address| println!("listening on http://{address}"));
    server.run().await?;
    Ok(store.close().await?)
}

/// Who asks, if he has logged in, and the handle of his session, whose key only the cookie tells.
fn known(Shop(store, _, key): &Shop, request: &HttpRequest) -> Result<Option<(String, Handle)>> {
    let mut jar = CookieJar::new();
    request.cookie("id").into_iter().for_each(|cookie| jar.add_original(cookie));
    let handle = jar.signed(key).get("id").and_then(|id| store.handle_of(id.value()).ok());
    Ok(request.get_session().get("user")?.zip(handle))
}

/// Yours checks a password first. A key that somebody knew before the login is worth nothing after it.
async fn login(session: Session, request: HttpRequest, fields: Fields) -> Result<Redirect> {
    let device = request.headers().get("user-agent").and_then(|agent| agent.to_str().ok());
    session.renew();
    session.insert("user", fields.get("name").ok_or_else(|| bad("no name"))?)?;
    session.insert("device", device)?;
    Ok(Redirect::to("/").see_other())
}

async fn me(shop: Data<Shop>, request: HttpRequest) -> Result<Json<Value>> {
    let Some((user, mine)) = known(&shop, &request)? else { return Ok(Json(json!({ "user": null }))) };
    let mut all: Vec<Stored> = shop.0.sessions_of(&user).await.map_err(failed)?.flatten().collect();
    all.sort_by_key(|one| (one.created_ms(), one.handle()));
    let device = |one: &Stored| {
        let state: HashMap<String, String> = serde_json::from_slice(one.data()).unwrap_or_default();
        let name = state.get("device").and_then(|name| serde_json::from_str::<Value>(name).ok());
        let (handle, this) = (one.handle().to_string(), one.handle() == mine);
        json!({ "handle": handle, "name": name, "used": one.last_used_ms(), "this": this })
    };
    let devices: Vec<_> = all.iter().map(device).collect();
    let me = all.iter().find(|it| it.handle() == mine).ok_or_else(|| error::ErrorUnauthorized("ended"))?;
    let (since, idle, absolute) = (me.created_ms(), me.deadline().as_ms(), me.absolute_deadline().as_ms());
    Ok(Json(json!({ "user": user, "since": since, "idle": idle, "absolute": absolute, "devices": devices })))
}

async fn logout(session: Session) -> Redirect {
    session.purge();
    Redirect::to("/").see_other()
}

/// One record ends them all, however many they are.
async fn logout_everywhere(shop: Data<Shop>, request: HttpRequest) -> Result<Redirect> {
    if let Some((user, _)) = known(&shop, &request)? {
        shop.0.destroy_subject(user, None).await.map_err(failed)?;
    }
    Ok(logout(request.get_session()).await)
}

/// A handle is no secret and proves nothing: a session is ended only by whom it belongs to.
async fn end_device(shop: Data<Shop>, request: HttpRequest, fields: Fields) -> Result<Redirect> {
    let handle = fields.get("handle").and_then(|it| it.parse().ok()).ok_or_else(|| bad("no handle"))?;
    let theirs = shop.0.get_handle(&handle).await.map_err(failed)?.and_then(|one| one.subject());
    let mine = known(&shop, &request)?.and_then(|(user, _)| shop.0.subject_digest(user).ok());
    if mine.is_some() && mine == theirs {
        shop.0.destroy_handle(&handle).await.map_err(failed)?;
    }
    Ok(Redirect::to("/").see_other())
}

/// A socket belongs to the session that opened it, and ends with it.
async fn live(shop: Data<Shop>, request: HttpRequest, body: Payload) -> Result<HttpResponse> {
    let mut events = shop.1.upgrade().ok_or_else(|| error::ErrorServiceUnavailable("stopping"))?.subscribe();
    let (_, mine) = known(&shop, &request)?.ok_or_else(|| error::ErrorUnauthorized("nobody"))?;
    let (answer, mut socket, mut heard) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        let code = loop {
            let Ok(Some(session)) = shop.0.get_handle(&mine).await else { break 4001 };
            tokio::select! {
                message = heard.recv() => match message {
                    Some(Ok(Message::Ping(bytes))) if socket.pong(&bytes).await.is_ok() => {}
                    _ => break 1000,
                },
                event = events.recv() => match event {
                    Err(RecvError::Closed) => break 1001,
                    Ok(event) if event.subject() != session.subject() => {}
                    _ => if socket.text("changed").await.is_err() { return },
                },
            }
        };
        let _ = socket.close(Some(CloseCode::from(code).into())).await;
    });
    Ok(answer)
}
