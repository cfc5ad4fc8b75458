//! What a request says of who sent it: its cookie, its transport, its device, and whether our own page sent it.
//!
//! Owns: the session cookie's name and flags, and the headers of every answer. Knows nothing of the store.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::AsHeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderValue, ORIGIN, REFERRER_POLICY, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::page::Failure;

/// Who is asking.
pub struct Client {
    /// The id in the session cookie, when it looks like one that we gave out.
    pub id: Option<String>,
    /// A word for the device, for the list of devices: "Firefox on Linux".
    pub device: String,
    secure: bool,
}

impl Client {
    /// The `Set-Cookie` that hands out an id. The store knows the true deadlines; this one only tidies up.
    pub fn cookie(&self, id: &str, lifetime: Duration) -> String {
        let (name, secure) = (cookie_name(self.secure), if self.secure { "; Secure" } else { "" });
        let seconds = lifetime.as_secs();
        format!("{name}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The `Set-Cookie` that takes it away again.
    pub fn no_cookie(&self) -> String {
        self.cookie("", Duration::ZERO)
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        // A proxy that ends TLS says so; it may also have replaced the host with our local address.
        let secure = text(headers, "x-forwarded-proto") == "https" || !is_local(text(headers, HOST));
        let device = device(text(headers, USER_AGENT));
        Ok(Self { id: cookie(headers, cookie_name(secure)), device, secure })
    }
}

/// A browser takes `__Host-` only over HTTPS and from this very host, so no neighbouring domain can plant one.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-sid" } else { "sid" }
}

/// The value of that cookie, if it has the form of `SessionId::generate`: 43 URL-safe characters.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(found, _)| *found == name)?;
    let sound = id.len() == 43 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    sound.then(|| id.to_owned())
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn device(user_agent: &str) -> String {
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrom", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
        ("Linux", "Linux"),
    ];
    let first = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (first(&BROWSERS), first(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        // `curl/8.5.0` and its like: what stands before the slash.
        _ => match user_agent.split(['/', ' ']).next() {
            Some(program) if !program.is_empty() => program.chars().take(24).collect(),
            _ => "Unknown device".to_owned(),
        },
    }
}

/// Around every request: nothing changes at the wish of another site, and no answer is kept, framed or scripted.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = if request.method().is_safe() || is_from_our_page(request.headers()) {
        next.run(request).await
    } else {
        Failure::new(StatusCode::FORBIDDEN, "That form was sent by another site, so nothing was done.")
            .into_response()
    };
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: with that, browsers send `Origin: null` along with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `SameSite=Lax` keeps the cookie out of other sites' forms; this also refuses those of a sister domain, and
/// logins forged to put somebody else's name into your browser. What sends neither header is no browser.
fn is_from_our_page(headers: &HeaderMap) -> bool {
    match (text(headers, "sec-fetch-site"), text(headers, ORIGIN)) {
        ("same-origin" | "none", _) | ("", "") => true,
        ("", origin) => origin.split_once("://").is_some_and(|(_, host)| host == text(headers, HOST)),
        _ => false,
    }
}

/// A header's text; empty when it is missing or no text.
fn text(headers: &HeaderMap, name: impl AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
