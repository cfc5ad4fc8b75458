//! Who uses the servers: asks whichever answers, checks each answer against what it knows, and notes how long nobody answered.
//!
//! What a client knows of a session is which states it may be in: one, or two where a process died before it could answer. An
//! id that was ended is never used again, so that a session that comes back is seen.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::process::dice::Dice;
use super::supervisor::Site;

/// Nobody answers for so long: then the service is down.
const DOWN: Duration = Duration::from_secs(120);
/// How soon one asks again who was answered by nobody.
const AGAIN: Duration = Duration::from_millis(1);

/// Which servers there are, and what their clients have seen.
#[derive(Default)]
pub struct Service {
    /// The newest release that was started, and the oldest that may answer still.
    pub newest: AtomicUsize,
    pub answers: AtomicU64,
    /// The longest time between two answers, in microseconds.
    pub gap_us: AtomicU64,
    pub broken: AtomicU64,
    pub turned_away: AtomicU64,
    pub full: AtomicU64,
    pub stop: AtomicBool,
}

impl Service {
    /// Waits until clients have had so many answers more.
    pub fn answer(&self, more: u64) {
        let (from, began) = (self.answers.load(Ordering::SeqCst), Instant::now());
        while self.answers.load(Ordering::SeqCst) < from + more {
            assert!(began.elapsed() < DOWN && !self.stop.load(Ordering::SeqCst), "nobody is answered");
            std::thread::park_timeout(AGAIN);
        }
    }

    /// The longest time without an answer since this was last asked.
    pub fn take_gap(&self) -> Duration {
        Duration::from_micros(self.gap_us.swap(0, Ordering::SeqCst))
    }
}

/// The states that a session may be in: its data, or that there is none.
type May = Vec<Option<String>>;

pub struct Client<'s> {
    me: usize,
    site: &'s Site,
    service: &'s Service,
    dice: Dice,
    line: Option<BufReader<UnixStream>>,
    pub known: BTreeMap<String, May>,
    live: Vec<String>,
    made: u64,
}

/// A client that has seen something wrong ends the test, and not only itself.
impl Drop for Client<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.service.stop.store(true, Ordering::SeqCst);
        }
    }
}

/// What came of a request.
enum Came {
    Answer(String),
    /// The connection broke: nobody knows.
    Broken,
}

impl<'s> Client<'s> {
    pub fn new(me: usize, site: &'s Site, service: &'s Service, seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_add(me as u64));
        let (known, live) = (BTreeMap::new(), Vec::new());
        Self { me, site, service, dice, line: None, known, live, made: 0 }
    }

    /// Uses the service until it is told to stop; what it knows then.
    pub fn run(mut self) -> BTreeMap<String, May> {
        while !self.service.stop.load(Ordering::SeqCst) {
            self.step();
        }
        std::mem::take(&mut self.known)
    }

    /// One request, checked.
    pub fn step(&mut self) {
        let n = self.dice.below(100);
        if self.live.len() < 4 || (n < 20 && self.live.len() < 60) {
            return self.create();
        }
        let id = self.live[self.dice.below(self.live.len() as u64) as usize].clone();
        match n {
            20..40 => self.change("update", &id),
            40..50 => self.ask_and("touch", &id, ""),
            50..60 => self.change("destroy", &id),
            60..70 => self.look_at_any(),
            _ => self.look(&id),
        }
    }

    fn create(&mut self) {
        let id = format!("c{}.{}", self.me, self.made);
        self.made += 1;
        self.known.insert(id.clone(), vec![None]);
        self.live.push(id.clone());
        self.change("create", &id);
    }

    fn data(&mut self) -> String {
        let (length, n) = (10 + self.dice.below(400) as usize, self.dice.below(u64::MAX));
        format!("{n:020}").repeat(length / 20 + 1)
    }

    fn change(&mut self, what: &str, id: &str) {
        let data = if what == "destroy" { String::new() } else { self.data() };
        self.ask_and(what, id, &data);
    }

    /// Asks, and knows more.
    fn ask_and(&mut self, what: &str, id: &str, data: &str) {
        let how = self.dice.pick(&["synced", "written"]);
        let came = self.ask(&format!("{what} {id} {how} {data}"));
        let may = self.known.get_mut(id).unwrap();
        let after = match what {
            "create" | "update" => Some(Some(data.to_owned())),
            "destroy" => Some(None),
            _ => None,
        };
        match came {
            Came::Broken => {
                // It may have been done before, if it could be.
                let possible = what == "create" || may.iter().any(Option::is_some);
                may.extend(after.filter(|_| possible));
            }
            Came::Answer(answer) => match (answer.as_str(), what) {
                ("done", "create") => *may = vec![after.unwrap()],
                // Who asked before may have been served, and never heard of it.
                ("duplicate", "create") if may.iter().any(Option::is_some) => may.retain(Option::is_some),
                ("done", "touch") if may.iter().any(Option::is_some) => may.retain(Option::is_some),
                ("done", "update" | "destroy") if may.iter().any(Option::is_some) => {
                    *may = vec![after.unwrap()]
                }
                ("unknown", "touch" | "update" | "destroy") if may.contains(&None) => *may = vec![None],
                (full, "create" | "update") if full.starts_with("full") => {
                    self.service.full.fetch_add(1, Ordering::SeqCst);
                }
                (answer, _) => {
                    panic!("{what} of a session that is one of {may:?} was answered with: {answer}")
                }
            },
        }
        if self.known[id] == [None] {
            self.live.retain(|live| live != id);
        }
    }

    /// An id of any time, ended ones among them.
    fn look_at_any(&mut self) {
        let id = format!("c{}.{}", self.me, self.dice.below(self.made));
        self.look(&id);
    }

    fn look(&mut self, id: &str) {
        let Came::Answer(answer) = self.ask(&format!("get {id}")) else { return };
        let found = match answer.as_str() {
            "unknown" => None,
            other => Some(other.strip_prefix("data ").unwrap_or_else(|| panic!("{other}")).to_owned()),
        };
        let may = self.known.get_mut(id).unwrap();
        assert!(may.contains(&found), "{id} may be one of {may:?} and is {found:?}");
        *may = vec![found];
        if self.known[id] == [None] {
            self.live.retain(|live| live != id);
        }
    }

    /// Asks whoever answers. That the store is closed is the one answer that is none: another one is asked.
    fn ask(&mut self, request: &str) -> Came {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < DOWN, "nobody answers");
            let Some(line) = self.connected() else {
                std::thread::park_timeout(AGAIN);
                continue;
            };
            let came = exchange(line, request);
            match came {
                Some(answer) if answer == "closed" => {
                    self.service.turned_away.fetch_add(1, Ordering::SeqCst);
                    self.line = None;
                    std::thread::park_timeout(AGAIN);
                }
                Some(answer) => {
                    let gap_us = u64::try_from(began.elapsed().as_micros()).unwrap();
                    self.service.gap_us.fetch_max(gap_us, Ordering::SeqCst);
                    self.service.answers.fetch_add(1, Ordering::SeqCst);
                    return Came::Answer(answer);
                }
                None => {
                    self.service.broken.fetch_add(1, Ordering::SeqCst);
                    self.line = None;
                    return Came::Broken;
                }
            }
        }
    }

    fn connected(&mut self) -> Option<&mut BufReader<UnixStream>> {
        if self.line.is_none() {
            let newest = self.service.newest.load(Ordering::SeqCst);
            let releases = [Some(newest), newest.checked_sub(1)];
            self.line =
                releases.into_iter().flatten().find_map(|release| connect(&self.site.socket(release)));
        }
        self.line.as_mut()
    }
}

fn connect(socket: &Path) -> Option<BufReader<UnixStream>> {
    UnixStream::connect(socket).ok().map(BufReader::new)
}

/// Sends a request and reads the answer; `None` when the connection broke.
fn exchange(line: &mut BufReader<UnixStream>, request: &str) -> Option<String> {
    writeln!(line.get_mut(), "{request}").ok()?;
    let mut answer = String::new();
    line.read_line(&mut answer).ok()?;
    Some(answer.strip_suffix('\n')?.to_owned())
}

/// One question to one server, which listens just after it has said that it is open.
pub fn ask_once(socket: &Path, request: &str) -> String {
    let began = Instant::now();
    loop {
        if let Some(mut line) = connect(socket) {
            return exchange(&mut line, request).expect("it answers");
        }
        assert!(began.elapsed() < DOWN, "it does not listen");
        std::thread::park_timeout(AGAIN);
    }
}
