//! The example over each kind of home that this machine has: a login on two devices, and log out everywhere from one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(dir: &std::path::Path, address: Option<&str>) -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile-example-axum"));
    command.env("ADDR", "127.0.0.1:0").env("SESSILE_DIR", dir.join("sessions")).env_remove("SESSION_STORE");
    if let Some(address) = address {
        command.env("SESSION_STORE", address);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("it says where").to_owned();
    (Running(child), url)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into()
}

fn log_in(url: &str) -> String {
    let answer = agent().post(format!("{url}/login")).send_form([("name", "alice")]).unwrap();
    let cookie = answer.headers().get("set-cookie").expect("a cookie").to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn me(url: &str, cookie: &str) -> String {
    agent()
        .get(format!("{url}/me"))
        .header("cookie", cookie)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap()
}

fn is_a_home(address: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let (server, url) = serve(dir.path(), address);
    let (phone, laptop) = (log_in(&url), log_in(&url));
    assert_eq!(me(&url, &phone).matches("\"handle\"").count(), 2);
    agent().post(format!("{url}/logout/everywhere")).header("cookie", &phone).send_empty().unwrap();
    for device in [&phone, &laptop] {
        assert!(me(&url, device).contains("\"user\":null"), "{address:?}");
    }
    // What is not ended survives the server, where the home does.
    let kept = log_in(&url);
    drop(server);
    let (_server, url) = serve(dir.path(), address);
    assert_eq!(me(&url, &kept).contains("alice"), address != Some("memory:"), "{address:?}");
}

#[test]
fn a_directory_is_a_home() {
    is_a_home(None);
    let dir = tempfile::tempdir().unwrap();
    is_a_home(Some(&format!("sessile:{}", dir.path().display())));
}

#[test]
fn memory_is_a_home() {
    is_a_home(Some("memory:"));
}

#[test]
fn redis_is_a_home() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(dir.path());
    let Ok(server) = command.stdout(Stdio::null()).spawn() else {
        eprintln!("NOT CHECKED HERE: there is no redis-server for the example");
        return;
    };
    let _server = Running(server);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    is_a_home(Some(&format!("redis://127.0.0.1:{port}?absolute=12h")));
}
