//! The example server through the death of its process: who is logged in stays so, who was logged out stays out.
//!
//! Each test starts `examples/server` as a process of its own and speaks HTTP to it. Nothing here sleeps: a server is
//! up when it has printed its address, and gone when it has been waited for.

#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of a test fail it by panicking")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use ureq::Agent;
use ureq::http::Response;

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(example())
            .env("ADDR", "127.0.0.1:0")
            .env("SESSILE_DIR", directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the example server");
        let mut line = String::new();
        let stdout = process.stdout.as_mut().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("reading what the server prints");
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let Some(address) = address else { panic!("the server printed {line:?}: {:?}", process.wait()) };
        Self { process, address }
    }

    /// What `kill -9` does: the process gets no chance to say goodbye to its store.
    fn kill(mut self) {
        self.process.kill().expect("SIGKILL");
        self.process.wait().expect("waiting for its end");
    }

    /// What Ctrl-C or a service manager does.
    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("SIGTERM");
        self.process.wait().expect("waiting for its end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already waited for, unless a test failed in between.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Examples are built along with `cargo test`, beside the directory that holds this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let example = profile.join("examples").join("server");
    assert!(example.is_file(), "{} is missing: run `cargo build --example server`", example.display());
    example
}

/// One browser on one device: it keeps the cookie that it is given.
struct Browser {
    agent: Agent,
    device: &'static str,
    cookie: Option<String>,
}

struct Answer {
    status: u16,
    set_cookie: Option<String>,
    body: String,
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE: &str =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1";

impl Browser {
    fn new(device: &'static str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self { agent: config.into(), device, cookie: None }
    }

    fn get(&mut self, server: &Server, path: &str) -> Answer {
        self.try_get(&server.address, path).expect("an answer")
    }

    fn try_get(&mut self, address: &str, path: &str) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("{address}{path}")).header("user-agent", self.device);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        self.keep(request.call()?)
    }

    fn post(&mut self, server: &Server, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_post(&server.address, path, form, &[]).expect("an answer")
    }

    fn try_post(
        &mut self,
        address: &str,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{address}{path}")).header("user-agent", self.device);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.keep(request.send_form(form.iter().copied())?)
    }

    fn keep(&mut self, mut response: Response<ureq::Body>) -> Result<Answer, ureq::Error> {
        let set_cookie = response.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let set_cookie = set_cookie.map(str::to_owned);
        if let Some(line) = &set_cookie {
            let (pair, _) = line.split_once(';').expect("a cookie with flags");
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        let status = response.status().as_u16();
        Ok(Answer { status, set_cookie, body: response.body_mut().read_to_string()? })
    }

    fn log_in(&mut self, server: &Server, name: &str) {
        self.get(server, "/");
        let answer = self.post(server, "/login", &[("name", name)]);
        assert_eq!(answer.status, 303);
        assert!(self.is_logged_in(server, name));
    }

    fn is_logged_in(&mut self, server: &Server, name: &str) -> bool {
        let answer = self.get(server, "/");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body.contains(&format!("Hello, {name}."))
    }

    fn with_cookie(cookie: &Option<String>) -> Self {
        Self { cookie: cookie.clone(), ..Self::new(FIREFOX) }
    }
}

impl Answer {
    fn visits(&self) -> u64 {
        let (_, rest) = self.body.split_once("data-visits>").expect("a count of visits");
        let (count, _) = rest.split_once('<').expect("an end tag");
        count.parse().expect("a number")
    }

    /// The handles behind the buttons that end a device.
    fn handles(&self) -> Vec<String> {
        let parts = self.body.split("name=\"handle\" value=\"").skip(1);
        parts.map(|part| part.split('"').next().expect("a value").to_owned()).collect()
    }
}

#[test]
fn a_login_outlives_kill_9_and_so_does_a_logout() {
    let directory = tempfile::tempdir().unwrap();
    let (mut desk, mut phone) = (Browser::new(FIREFOX), Browser::new(IPHONE));

    let server = Server::start(directory.path());
    desk.log_in(&server, "ada");
    server.kill();

    let server = Server::start(directory.path());
    assert!(desk.is_logged_in(&server, "ada"));
    phone.log_in(&server, "ada");
    let page = desk.get(&server, "/");
    assert!(page.body.contains("Firefox on Linux") && page.body.contains("Safari on iPhone"));
    server.kill();

    let server = Server::start(directory.path());
    assert!(desk.is_logged_in(&server, "ada") && phone.is_logged_in(&server, "ada"));
    let kept = [desk.cookie.clone(), phone.cookie.clone()];
    assert_eq!(desk.post(&server, "/logout/everywhere", &[]).status, 303);
    assert_eq!(desk.cookie, None, "the browser is told to forget");
    server.kill();

    let server = Server::start(directory.path());
    for cookie in &kept {
        assert!(!Browser::with_cookie(cookie).is_logged_in(&server, "ada"), "a logout was lost");
    }
}

#[test]
fn a_kill_in_mid_request_takes_back_nothing_that_was_answered() {
    const BROWSERS: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path());
    let mut browsers: Vec<(Browser, u64)> = (0..BROWSERS)
        .map(|_| {
            let mut browser = Browser::new(FIREFOX);
            browser.log_in(&server, "ada");
            let visits = browser.get(&server, "/").visits();
            (browser, visits)
        })
        .collect();

    for _ in 0..3 {
        let (answered, answers) = mpsc::channel();
        let running: Vec<_> = browsers
            .into_iter()
            .map(|(mut browser, mut visits)| {
                let (answered, address) = (answered.clone(), server.address.clone());
                thread::spawn(move || {
                    // Until the server dies under it, at whatever point of a request that is.
                    while let Ok(answer) = browser.try_get(&address, "/") {
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        visits = answer.visits();
                        let _ = answered.send(());
                    }
                    (browser, visits)
                })
            })
            .collect();
        drop(answered);
        assert_eq!(answers.iter().take(BROWSERS * 20).count(), BROWSERS * 20);
        server.kill();
        browsers = running.into_iter().map(|thread| thread.join().unwrap()).collect();

        server = Server::start(directory.path());
        for (browser, visits) in &mut browsers {
            let answer = browser.get(&server, "/");
            assert!(answer.body.contains("Hello, ada."), "logged out by a kill");
            // This visit, and perhaps the one whose answer the kill cut off.
            let now = answer.visits();
            assert!((*visits + 1..=*visits + 2).contains(&now), "{visits} visits answered, {now} counted");
            *visits = now;
        }
    }
}

#[test]
fn a_kill_among_logins_and_logouts_keeps_each_that_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (answered, answers) = mpsc::channel();
    let running: Vec<_> = (0..8)
        .map(|number| {
            let (answered, address) = (answered.clone(), server.address.clone());
            thread::spawn(move || {
                let (mut logged_in, mut ended) = (Vec::new(), Vec::new());
                let name = format!("ada{number}");
                for turn in 0.. {
                    let mut browser = Browser::new(FIREFOX);
                    if browser.try_get(&address, "/").is_err() {
                        break;
                    }
                    let visitor = browser.cookie.clone();
                    if browser.try_post(&address, "/login", &[("name", &name)], &[]).is_err() {
                        break;
                    }
                    ended.push(visitor);
                    let member = browser.cookie.clone();
                    if turn % 2 == 0 {
                        logged_in.push(member);
                    } else {
                        match browser.try_post(&address, "/logout", &[], &[]) {
                            Ok(_) => ended.push(member),
                            // Nobody knows whether it was still heard.
                            Err(_) => break,
                        }
                    }
                    let _ = answered.send(());
                }
                (name, logged_in, ended)
            })
        })
        .collect();
    drop(answered);
    assert_eq!(answers.iter().take(80).count(), 80);
    server.kill();

    let server = Server::start(directory.path());
    for thread in running {
        let (name, logged_in, ended) = thread.join().unwrap();
        for cookie in &logged_in {
            assert!(Browser::with_cookie(cookie).is_logged_in(&server, &name), "a login was lost");
        }
        for cookie in &ended {
            let mut browser = Browser::with_cookie(cookie);
            assert!(!browser.is_logged_in(&server, &name), "an ended session is back");
            assert_ne!(&browser.cookie, cookie, "an ended id is taken up again");
        }
    }
}

#[test]
fn a_clean_stop_keeps_the_login_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut browser = Browser::new(FIREFOX);
    browser.log_in(&server, "ada");
    assert!(server.stop().success());

    let server = Server::start(directory.path());
    assert!(browser.is_logged_in(&server, "ada"));
    assert!(browser.get(&server, "/").body.contains("from the snapshot of a clean stop"));
}

#[test]
fn a_login_gets_a_new_id_and_the_old_one_is_worth_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());

    // An id that somebody planted is not taken up.
    let planted = Some(format!("sid={}", "A".repeat(43)));
    let mut browser = Browser::with_cookie(&planted);
    browser.get(&server, "/");
    assert!(browser.cookie.is_some() && browser.cookie != planted);

    let visitor = browser.cookie.clone();
    browser.log_in(&server, "ada");
    assert_ne!(browser.cookie, visitor);
    assert!(!Browser::with_cookie(&visitor).is_logged_in(&server, "ada"));
    let visits = browser.get(&server, "/").visits();
    assert!(visits > 3, "the visits before the login count on, but there are {visits}");

    // Logging in as somebody else ends the login before it.
    let ada = browser.cookie.clone();
    browser.log_in(&server, "eve");
    assert!(!Browser::with_cookie(&ada).is_logged_in(&server, "ada"));
}

#[test]
fn a_device_is_ended_by_its_owner_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let [mut desk, mut phone, mut eve] = [FIREFOX, IPHONE, FIREFOX].map(Browser::new);
    desk.log_in(&server, "ada");
    phone.log_in(&server, "ada");
    eve.log_in(&server, "eve");

    let page = desk.get(&server, "/");
    let handles = page.handles();
    assert_eq!(handles.len(), 1, "one button, and none for this device: {}", page.body);
    assert!(eve.get(&server, "/").handles().is_empty());

    let phone_handle = [("handle", handles[0].as_str())];
    assert_eq!(eve.post(&server, "/devices/end", &phone_handle).status, 303);
    assert_eq!(Browser::new(FIREFOX).post(&server, "/devices/end", &phone_handle).status, 303);
    assert!(phone.is_logged_in(&server, "ada"), "ended by somebody else");

    assert_eq!(desk.post(&server, "/devices/end", &phone_handle).status, 303);
    assert!(phone.get(&server, "/").body.contains("Your session was ended."));
    assert!(desk.is_logged_in(&server, "ada") && eve.is_logged_in(&server, "eve"));

    phone.log_in(&server, "ada");
    assert_eq!(desk.post(&server, "/logout/others", &[]).status, 303);
    assert!(desk.is_logged_in(&server, "ada") && !phone.is_logged_in(&server, "ada"));
    assert_eq!(desk.post(&server, "/stay", &[]).status, 303);
    assert_eq!(desk.post(&server, "/logout", &[]).status, 303);
    assert!(!desk.is_logged_in(&server, "ada") && eve.is_logged_in(&server, "eve"));
}

#[test]
fn the_cookie_has_its_flags_and_other_sites_get_nothing_done() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut browser = Browser::new(FIREFOX);

    let line = browser.get(&server, "/").set_cookie.expect("a cookie at the first visit");
    assert!(line.starts_with("sid=") && line.contains("; Path=/;"), "{line}");
    assert!(line.contains("; HttpOnly") && line.contains("; SameSite=Lax"), "{line}");
    assert!(!line.contains("Secure"), "{line}");
    for (name, value) in [("host", "example.org"), ("x-forwarded-proto", "https")] {
        let form = [("name", "ada")];
        let answer =
            Browser::new(FIREFOX).try_post(&server.address, "/login", &form, &[(name, value)]).unwrap();
        let line = answer.set_cookie.expect("a cookie at login");
        assert!(
            line.starts_with("__Host-sid=") && line.ends_with("; HttpOnly; SameSite=Lax; Secure"),
            "{line}"
        );
    }

    let own = server.address.clone();
    for (headers, status) in [
        (&[("sec-fetch-site", "cross-site")][..], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("origin", "https://example.org")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", own.as_str())], 303),
        (&[("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 303),
    ] {
        let answer = browser.try_post(&server.address, "/login", &[("name", "ada")], headers).unwrap();
        assert_eq!(answer.status, status, "{headers:?}");
    }
}

#[test]
fn a_name_is_text_whatever_it_contains() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut browser = Browser::new("<b>\"agent\"</b>");
    browser.log_in(&server, "ada");
    browser.post(&server, "/login", &[("name", "<script>'&\"")]);
    let page = browser.get(&server, "/").body;
    assert!(page.contains("Hello, &lt;script&gt;&#39;&amp;&quot;."), "{page}");
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
    let long = "x".repeat(65);
    for name in ["", "   ", "a\nb", long.as_str()] {
        assert_eq!(browser.post(&server, "/login", &[("name", name)]).status, 422, "{name:?}");
    }
    assert_eq!(browser.get(&server, "/nowhere").status, 404);
    assert_eq!(browser.get(&server, "/login").status, 303);
}
