//! What runs in the other process: threads that use a store, and tell what they do.
//!
//! Each thread has ids and subjects of its own, so that what becomes of them is known exactly; some ids and a subject are
//! everybody's ([`SHARED`]); and some sessions live for a moment only ([`is_brief`]), so that there is expiry.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sessile::{AtLimit, Durability, Error, Event, Observer, Options, Session, Store, Touched, Write};

use super::dice::Dice;
use super::protocol::{Line, Op, Outcome, Put, short, tell, wall_ms};

/// Where a child finds its orders.
pub const ORDERS: &str = "SESSILE_CHILD_ORDERS";
/// The ids that a thread has, and its subjects.
const IDS: u64 = 24;
const SUBJECTS: u64 = 4;
/// The ids that everybody uses, and their subject.
const SHARED_IDS: u64 = 6;
pub const SHARED: &str = "everybody";
const HOUR_MS: u64 = 3_600_000;

/// What a child is to do.
#[derive(Debug, Clone)]
pub struct Orders {
    pub directory: PathBuf,
    /// Makes its data its own, and its choices.
    pub run: u64,
    pub threads: usize,
    /// Calls of each thread; then the store is closed. Until it is killed, when there is no number.
    pub calls: Option<u64>,
    pub segment_bytes: u64,
    /// One thread does everything, maintenance too.
    pub manual: bool,
    /// Endings wait no longer than the write they belong to.
    pub relaxed: bool,
    /// The most data that it puts into a session.
    pub data_bytes_max: u64,
}

impl Orders {
    pub fn new(directory: &Path, run: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            run,
            threads: 4,
            calls: None,
            segment_bytes: 64 << 10,
            manual: false,
            relaxed: run.is_multiple_of(3),
            data_bytes_max: 2_500,
        }
    }

    pub fn text(&self) -> String {
        let Self { run, threads, calls, segment_bytes, manual, relaxed, data_bytes_max, directory } = self;
        let calls = calls.unwrap_or(u64::MAX);
        let directory = directory.display();
        format!("{run} {threads} {calls} {segment_bytes} {manual} {relaxed} {data_bytes_max} {directory}")
    }

    /// This process's own, if it is a child.
    fn given() -> Option<Self> {
        let text = std::env::var(ORDERS).ok()?;
        let words: Vec<&str> = text.splitn(8, ' ').collect();
        let calls: u64 = words[2].parse().unwrap();
        Some(Self {
            run: words[0].parse().unwrap(),
            threads: words[1].parse().unwrap(),
            calls: Some(calls).filter(|calls| *calls != u64::MAX),
            segment_bytes: words[3].parse().unwrap(),
            manual: words[4].parse().unwrap(),
            relaxed: words[5].parse().unwrap(),
            data_bytes_max: words[6].parse().unwrap(),
            directory: words[7].into(),
        })
    }
}

/// How a child opens its store, and how its supervisor does.
pub fn options(segment_bytes: u64) -> Options {
    Options::new()
        .segment_bytes(segment_bytes)
        .eager_compaction(true)
        .disk_bytes_max(1 << 30)
        .at_limit(AtLimit::Reject)
        .sync_interval(Duration::from_millis(5))
        .lock_wait(Duration::from_secs(10))
}

/// A session that lives for a moment: its id is used once, so that nobody minds when exactly it ended.
pub fn is_brief(id: &str) -> bool {
    id.starts_with('b')
}

/// An id that every thread uses.
pub fn is_shared(id: &str) -> bool {
    id.starts_with("s/")
}

struct Telling;

impl Observer for Telling {
    fn event(&self, event: &Event) {
        tell(&Line::Event(format!("{event:?}")));
    }
}

/// The body of a child; does nothing in a process that has no orders.
pub fn run() {
    let Some(orders) = Orders::given() else { return };
    // What the harness printed before stands in a line of its own then.
    println!();
    tell(&Line::Opening);
    let store = options(orders.segment_bytes)
        .manual_maintenance(orders.manual)
        .logouts_may_be_lost_on_power_failure(orders.relaxed)
        .observer(Arc::new(Telling))
        .open(&orders.directory);
    let store = match store {
        Ok(store) => store,
        Err(error) => return tell(&Line::Event(format!("not opened: {error}"))),
    };
    look(&store, orders.threads);
    if orders.manual {
        work(&store, &orders, 0);
    } else {
        work_together(&store, &orders);
    }
    tell(&Line::Closing);
    match store.close() {
        Ok(()) => tell(&Line::Closed),
        Err(error) => tell(&Line::Event(format!("not closed: {error}"))),
    }
}

/// Threads that work, and one that maintains as long as they do.
fn work_together(store: &Store, orders: &Orders) {
    std::thread::scope(|scope| {
        let start = |me| scope.spawn(move || work(store, orders, me));
        let workers: Vec<_> = (0..orders.threads).map(start).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            maintain(store);
            std::thread::park_timeout(Duration::from_millis(2));
        }
    });
}

fn maintain(store: &Store) {
    tell(&Line::Compacting);
    match store.maintain(Duration::from_millis(20)) {
        Ok(done) => tell(&Line::Compacted(done.segments_compacted + done.segments_removed)),
        Err(error) => tell(&Line::Event(format!("maintenance: {error}"))),
    }
}

/// Tells all that is there, and whether the ways of looking at it agree.
fn look(store: &Store, threads: usize) {
    let from_ms = wall_ms();
    let mut wrong = String::new();
    let own = (0..threads as u64).flat_map(|me| (0..IDS).map(move |n| format!("{me}/{n}")));
    let ids: Vec<String> = own.chain((0..SHARED_IDS).map(|n| format!("s/{n}"))).collect();
    let mut found: BTreeMap<_, (String, Session)> = BTreeMap::new();
    for id in ids {
        match store.get(&id) {
            Ok(None) => {}
            Ok(Some(session)) => {
                found.insert(session.handle(), (id, session));
            }
            Err(error) => writeln!(wrong, "get {id}: {error}").unwrap(),
        }
    }
    let mut listed = 0;
    for session in store.iter().unwrap() {
        let session = session.unwrap();
        let known = found.get(&session.handle()).map(|(_, session)| session);
        let brief = short(session.data()).map(|(id, _)| id).filter(|id| is_brief(id));
        match (known, brief) {
            (Some(known), _) if same(known, &session) => listed += 1,
            (None, Some(id)) => {
                listed += 1;
                found.insert(session.handle(), (id, session));
            }
            _ => writeln!(wrong, "iter shows {session:?} and get {known:?}").unwrap(),
        }
    }
    let verified = store.verify().unwrap();
    let to_ms = wall_ms();
    let lasting = found.values().filter(|(_, session)| session.deadline().as_ms() > to_ms).count() as u64;
    if listed < lasting
        || verified.sessions < lasting
        || verified.sessions > found.len() as u64
        || store.len() < lasting
    {
        let counts = (found.len(), lasting, listed, verified.sessions, store.len());
        writeln!(wrong, "get, lasting, iter, verify, len: {counts:?}").unwrap();
    }
    if !verified.damage.is_empty() {
        writeln!(wrong, "verify: {:?}", verified.damage).unwrap();
    }
    let own = (0..threads).flat_map(|me| (0..SUBJECTS).map(move |n| format!("u{me}.{n}")));
    for subject in own.chain([SHARED.to_owned()]) {
        let digest = store.subject_digest(&subject).unwrap();
        let of = store.sessions_of(&subject).unwrap().map(|session| session.unwrap().handle());
        let of: std::collections::BTreeSet<_> = of.collect();
        // What ran out while it was looked at may be seen one way and not the other.
        let now_ms = wall_ms();
        let mut by_id = found.values().filter(|(_, session)| session.subject() == Some(digest));
        let known = by_id.clone().filter(|(_, session)| of.contains(&session.handle())).count();
        if known != of.len() || by_id.any(|(_, s)| s.deadline().as_ms() > now_ms && !of.contains(&s.handle()))
        {
            writeln!(wrong, "sessions_of({subject}) is not what get shows").unwrap();
        }
    }
    for (id, session) in found.values() {
        let data = short(session.data()).map(|(_, data)| data);
        let deadline_ms = session.deadline().as_ms();
        match data {
            Some(data) => tell(&Line::Found { id: id.clone(), data, deadline_ms }),
            None => writeln!(wrong, "{id} holds what nobody wrote").unwrap(),
        }
    }
    wrong.truncate(3_000);
    if !wrong.is_empty() {
        tell(&Line::Violation(wrong));
    }
    tell(&Line::Looked { from_ms, to_ms });
}

/// All but when it was used: that is told to the millisecond at which it is asked, when a touch has used another lifetime
/// than the last write.
fn same(one: &Session, other: &Session) -> bool {
    let facts = |session: &Session| {
        (
            session.version(),
            session.created_ms(),
            session.deadline(),
            session.absolute_deadline(),
            session.subject(),
        )
    };
    facts(one) == facts(other) && one.data() == other.data()
}

fn work(store: &Store, orders: &Orders, thread: usize) {
    let mut dice = Dice::new(orders.run.wrapping_mul(1_000).wrapping_add(thread as u64));
    let began = Instant::now();
    for call in 0..orders.calls.unwrap_or(u64::MAX) {
        // Nobody has read for so long that nobody will.
        assert!(began.elapsed() < Duration::from_secs(120), "forgotten by its supervisor");
        let op = choose(&mut dice, orders, thread, call);
        tell(&Line::Try { thread, at_ms: wall_ms(), op: op.clone() });
        let outcome = perform(store, &op);
        tell(&Line::Did { thread, at_ms: wall_ms(), outcome });
        if orders.manual && call % 8 == 7 {
            maintain(store);
        }
    }
}

fn choose(dice: &mut Dice, orders: &Orders, me: usize, call: u64) -> Op {
    let shared = orders.threads > 1 && dice.one_in(5);
    let subject = if shared { SHARED.to_owned() } else { format!("u{me}.{}", dice.below(SUBJECTS)) };
    let put = Put {
        tag: format!("{}.{me}.{call}", orders.run),
        bytes: usize::try_from(dice.below(orders.data_bytes_max)).unwrap(),
        idle_ms: HOUR_MS * (1 + dice.below(4)),
        subject,
        synced: dice.one_in(3),
    };
    if shared {
        let id = format!("s/{}", dice.below(SHARED_IDS));
        return match dice.below(10) {
            0..=5 => Op::Set(id, put),
            6..=8 => Op::Destroy(id),
            _ => Op::DestroySubject(SHARED.to_owned()),
        };
    }
    let (id, other) = (format!("{me}/{}", dice.below(IDS)), format!("{me}/{}", dice.below(IDS)));
    match dice.below(40) {
        0..=7 => Op::Create(id, put),
        8..=15 => Op::Update(id, put),
        16..=18 => Op::Set(id, put),
        19..=23 => Op::Touch(id, put.idle_ms),
        24..=25 if id != other => Op::Rotate(id, other, None),
        26..=28 if id != other => Op::Rotate(id, other, Some(put)),
        29..=32 => Op::Destroy(id),
        33 => Op::DestroySubject(put.subject),
        34..=35 => {
            let id = format!("b{me}/{}.{call}", orders.run);
            Op::Create(id, Put { idle_ms: 20 + dice.below(400), ..put })
        }
        _ => Op::Get(id),
    }
}

fn perform(store: &Store, op: &Op) -> Outcome {
    let write = |id: &str, put: &Put| {
        let durability = if put.synced { Durability::Synced } else { Durability::Written };
        Write::new(put.data(id))
            .idle(Duration::from_millis(put.idle_ms))
            .subject(put.subject.as_str())
            .durability(durability)
    };
    match op {
        Op::Create(id, put) => told(store, store.create(id, write(id, put)), |_| Outcome::Done),
        Op::Update(id, put) => told(store, store.update(id, write(id, put)), |_| Outcome::Done),
        Op::Set(id, put) => told(store, store.set(id, write(id, put)), |_| Outcome::Done),
        Op::Touch(id, idle_ms) => {
            let touched = store.touch(id, Duration::from_millis(*idle_ms));
            told(store, touched, |_: Touched| Outcome::Done)
        }
        Op::Rotate(old, new, put) => {
            let rotated = store.rotate(old, new, put.as_ref().map(|put| write(new, put)));
            told(store, rotated, |_| Outcome::Done)
        }
        Op::Destroy(id) => told(store, store.destroy(id), |was| Outcome::Count(u64::from(was))),
        Op::DestroySubject(subject) => told(store, store.destroy_subject(subject, None), Outcome::Count),
        Op::Get(id) => told(store, store.get(id), |session| match session {
            None => Outcome::Nothing,
            Some(session) => match short(session.data()) {
                Some((_, data)) => Outcome::Data(data),
                None => Outcome::Failed(format!("{id} holds what nobody wrote")),
            },
        }),
    }
}

fn told<T>(store: &Store, result: Result<T, Error>, outcome: impl FnOnce(T) -> Outcome) -> Outcome {
    match result {
        Ok(value) => outcome(value),
        Err(Error::Duplicate) => Outcome::Duplicate,
        Err(Error::Unknown(_)) => Outcome::Unknown,
        Err(Error::Full(_)) => Outcome::Full,
        Err(Error::Latched { .. }) if store.stats().latched.is_some() => Outcome::Latched,
        Err(Error::Latched { in_memory: true, .. }) => Outcome::Undurable,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
