//! A deploy can be rolled back: one store goes through the release before, this one, and the release before again, each closed or
//! killed at its end, and no session is lost and none that has ended is back. After an upgrade the release before refuses it, and
//! changes nothing.
//!
//! `./scripts/previous` builds the release before and runs this. Without it nothing is checked here, and that is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

#[path = "common/dice.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod dice;
#[path = "../previous/driver.rs"]
mod driver;
#[path = "process/notes.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod notes;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use dice::Dice;
use sessile::{Format, Store};

const IDS: u64 = 40;

/// The command of the release before, where it was built.
fn release_before() -> Option<PathBuf> {
    let path = std::env::var_os("SESSILE_PREVIOUS").map(PathBuf::from);
    if path.is_none() {
        eprintln!(
            "not checked here: that the release before can be put back; ./scripts/previous builds it and checks"
        );
    }
    path
}

/// One process of the release before.
struct Before {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Before {
    /// Starts it, and gives what it says of the store.
    fn start(command: &Path, directory: &Path) -> (Self, String) {
        let mut process = Command::new(command)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.display()));
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut before = Self { process, input, output: BufReader::new(output) };
        let said = before.hear();
        (before, said)
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// A store in the hands of one release or the other.
enum Holder {
    Before(Box<Before>),
    This(Store),
}

impl Holder {
    fn ask(&mut self, line: &str) -> String {
        match self {
            // What the release before does not have, it does as far as it can.
            Self::Before(_) if line == "compact" => self.ask("maintain"),
            Self::This(store) if line == "compact" => {
                while store.compact(Duration::from_secs(1)).unwrap().more {}
                "done".to_owned()
            }
            Self::Before(before) => {
                writeln!(before.input, "{line}").unwrap();
                before.hear()
            }
            Self::This(store) => {
                driver::answer(store, line).unwrap_or_else(|error| format!("failed: {error}"))
            }
        }
    }
}

/// A directory, and the sessions that are in it.
struct Life {
    temp: tempfile::TempDir,
    directory: PathBuf,
    moves: u32,
    /// What the holder said of each session when it was last written.
    alive: BTreeMap<String, String>,
    subjects: BTreeMap<String, String>,
    dice: Dice,
    counts: [u64; 2],
}

impl Life {
    fn new(seed: u64) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("store");
        let (alive, subjects) = (BTreeMap::new(), BTreeMap::new());
        Self { temp, directory, moves: 0, alive, subjects, dice: Dice::new(seed), counts: [0; 2] }
    }

    /// One release holds the store for a while, and is closed or killed.
    fn turn(&mut self, command: Option<&Path>, steps: usize) {
        let mut holder = match command {
            Some(command) => {
                let (before, said) = Before::start(command, &self.directory);
                assert_eq!(said, "open");
                Holder::Before(Box::new(before))
            }
            None => Holder::This(driver::open(self.directory.to_str().unwrap()).unwrap()),
        };
        self.is_as_it_was(&mut holder);
        for _ in 0..steps {
            self.step(&mut holder);
        }
        self.is_as_it_was(&mut holder);
        let is_killed = self.dice.one_in(2);
        if !is_killed {
            assert_eq!(holder.ask("close"), "done");
        }
        match holder {
            Holder::Before(mut before) => {
                before.process.kill().unwrap();
                before.process.wait().unwrap();
            }
            Holder::This(store) => {
                // What a kill leaves: the files as they are now. What it does afterwards is done to files that nobody looks at.
                self.moves += 1;
                let copy = self.temp.path().join(format!("store {}", self.moves));
                fs::create_dir(&copy).unwrap();
                for (name, bytes) in files(&self.directory) {
                    fs::write(copy.join(name), bytes).unwrap();
                }
                self.directory = copy;
                drop(store);
            }
        }
        self.counts[usize::from(is_killed)] += 1;
    }

    fn step(&mut self, holder: &mut Holder) {
        let id = format!("id{}", self.dice.below(IDS));
        let subject = self.dice.pick(&["", "", "alice", "bob"]);
        let bytes = usize::try_from(self.dice.pick(&[20, 600, 3000])).unwrap();
        let data: String =
            format!("{}|{id}|", self.dice.below(1 << 40)).chars().cycle().take(bytes).collect();
        match self.dice.below(20) {
            0..7 => {
                let line = format!("create {id} {data} {subject}");
                self.expect(holder, &line, !self.alive.contains_key(&id));
                self.wrote(holder, &id, Some(subject));
            }
            7..11 => {
                self.expect(holder, &format!("update {id} {data}"), self.alive.contains_key(&id));
                self.wrote(holder, &id, None);
            }
            11 => {
                self.expect(holder, &format!("touch {id}"), self.alive.contains_key(&id));
                self.wrote(holder, &id, None);
            }
            12 | 13 => {
                let was = self.alive.remove(&id).is_some();
                assert_eq!(holder.ask(&format!("destroy {id}")), was.to_string());
            }
            14 | 15 => {
                let to = format!("id{}", self.dice.below(IDS));
                if to != id && !self.alive.contains_key(&to) {
                    self.expect(holder, &format!("rotate {id} {to}"), self.alive.contains_key(&id));
                    if self.alive.remove(&id).is_some() {
                        let subject = self.subjects.get(&id).cloned().unwrap_or_default();
                        self.wrote_as(holder, &to, &subject);
                    }
                }
            }
            16 if self.dice.one_in(4) => {
                let gone = |(id, by): (&String, &String)| (by == "alice").then(|| id.clone());
                let gone: Vec<_> = self.subjects.iter().filter_map(gone).collect();
                let ended = gone.iter().filter(|id| self.alive.remove(*id).is_some()).count();
                assert_eq!(holder.ask("revoke alice"), ended.to_string());
            }
            17 if self.dice.one_in(12) => {
                holder.ask("clear");
                self.alive.clear();
            }
            18 => {
                let line = format!("brief brief{} data", self.dice.below(IDS));
                holder.ask(&line);
            }
            _ => {
                let line = self.dice.pick(&["listen", "maintain", "compact"]);
                assert_eq!(holder.ask(line), "done");
            }
        }
    }

    fn expect(&mut self, holder: &mut Holder, line: &str, is_done: bool) {
        let said = holder.ask(line);
        assert_eq!(said == "done", is_done, "{}: {said}", &line[..line.len().min(30)]);
    }

    fn wrote(&mut self, holder: &mut Holder, id: &str, subject: Option<&str>) {
        let said = holder.ask(&format!("get {id}"));
        if said == "gone" {
            return;
        }
        if !self.alive.contains_key(id) {
            self.subjects.insert(id.to_owned(), subject.unwrap_or_default().to_owned());
        }
        self.alive.insert(id.to_owned(), said);
    }

    fn wrote_as(&mut self, holder: &mut Holder, id: &str, subject: &str) {
        self.wrote(holder, id, Some(subject));
    }

    /// Every session that lives, with all that is told of it, and no other.
    fn is_as_it_was(&mut self, holder: &mut Holder) {
        for id in (0..IDS).map(|number| format!("id{number}")) {
            let said = holder.ask(&format!("get {id}"));
            match self.alive.get_mut(&id) {
                Some(known) => {
                    assert!(is_the_same(&said, known), "{id}: {said}, and was {known}");
                    *known = said;
                }
                None => assert_eq!(said, "gone", "{id} is back"),
            }
        }
        // Each lives for a millisecond.
        for id in (0..IDS).map(|number| format!("brief{number}")) {
            let tries = (0..100_000).take_while(|_| holder.ask(&format!("get {id}")) != "gone");
            assert!(tries.count() < 100_000, "{id} does not expire");
        }
        assert_eq!(holder.ask("verify"), format!("0 damaged, {} sessions", self.alive.len()));
    }
}

/// Whether an answer tells of the same version of a session; a kill may take a touch back that is not a minute later than what the
/// log says.
fn is_the_same(said: &str, known: &str) -> bool {
    let words = |answer: &str| answer.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (mut said, mut known) = (words(said), words(known));
    if said.len() != 5 || known.len() != 5 {
        return false;
    }
    let [said_ms, known_ms] = [&mut said, &mut known].map(|words| words.remove(3).parse::<u64>().unwrap());
    said == known && said_ms <= known_ms && known_ms - said_ms < 60_000
}

/// What stands in a directory, but for the lock, which is only for people.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named.filter(|(name, _)| name != "LOCK").map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

#[test]
fn a_store_goes_through_the_release_before_this_one_and_the_release_before_again() {
    let Some(before) = release_before() else { return };
    let mut counts = [0, 0];
    for seed in 0..6 {
        let mut life = Life::new(seed);
        for command in [Some(&*before), None, Some(&*before), None, None, Some(&*before)] {
            life.turn(command, 120);
        }
        assert!(life.alive.len() > 3, "seed {seed}: hardly anybody is left");
        counts = [counts[0] + life.counts[0], counts[1] + life.counts[1]];
    }
    assert!(counts.iter().all(|count| *count > 8), "{counts:?} were closed and killed");
    notes::say(&format!(
        "the release before was put back 12 times; of 36 turns {} ended closed and {} killed",
        counts[0], counts[1]
    ));
}

#[test]
fn after_an_upgrade_the_release_before_refuses_the_store_and_changes_nothing() {
    let Some(before) = release_before() else { return };
    for is_closed in [true, false] {
        let mut life = Life::new(77);
        life.turn(Some(&before), 120);
        life.turn(None, 120);
        let directory = life.directory.to_str().unwrap().to_owned();
        let store = driver::open(&directory).unwrap();
        assert_eq!(store.upgrade().unwrap(), Format::V1);
        if is_closed {
            store.close().unwrap();
        }
        let left = life.temp.path().join("left");
        fs::create_dir(&left).unwrap();
        let whole = files(&life.directory);
        whole.iter().for_each(|(name, bytes)| fs::write(left.join(name), bytes).unwrap());
        drop(store);
        let (mut refusing, said) = Before::start(&before, &left);
        assert!(
            said.starts_with("refused: the store has format 2 and this release reads up to 1"),
            "it said: {said}"
        );
        refusing.process.wait().unwrap();
        assert!(files(&left) == whole, "a refusal changed files");
        // Nor did it harm what this release goes on with.
        life.directory = left;
        life.turn(None, 60);
    }
}
