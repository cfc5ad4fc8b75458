//! The server that is deployed: a process with a store, that answers over a socket as long as it has it.
//!
//! A request is a line, and so is its answer. A process says on its output how it fares: `opening`, `open`, `filled`,
//! `stopping`, `closed`, or `refused` with what the store said.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sessile::{AtLimit, Durability, Error, Options, Store, Write};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where a process finds its orders.
pub const ORDERS: &str = "SESSILE_DEPLOYED";
/// Longer than any test, so that nothing runs out by itself.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// What a process is to do.
#[derive(Debug, Clone)]
pub struct Orders {
    pub directory: PathBuf,
    pub socket: PathBuf,
    pub lock_wait: Duration,
    /// Sessions that it creates before it answers anybody.
    pub fill: u64,
}

impl Orders {
    pub fn text(&self) -> String {
        let Self { directory, socket, lock_wait, fill } = self;
        format!("{} {fill} {} {}", lock_wait.as_millis(), socket.display(), directory.display())
    }

    fn given() -> Option<Self> {
        let text = std::env::var(ORDERS).ok()?;
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        Some(Self {
            lock_wait: Duration::from_millis(words[0].parse().unwrap()),
            fill: words[1].parse().unwrap(),
            socket: words[2].into(),
            directory: words[3].into(),
        })
    }
}

/// The body of the process; does nothing in one that has no orders.
pub fn run() {
    let Some(orders) = Orders::given() else { return };
    // What the harness printed before stands in a line of its own then.
    println!();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // From here on a signal to stop is heard, also while the store is being opened.
    let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()).unwrap() });
    tell("opening");
    let began = Instant::now();
    // Nobody is evicted, so that whoever is missing was lost.
    let options = Options::new()
        .idle(IDLE)
        .at_limit(AtLimit::Reject)
        .lock_wait(orders.lock_wait)
        .sync_interval(Duration::from_millis(20));
    let store = match options.open(&orders.directory) {
        Ok(store) => store,
        Err(error) => {
            tell(&format!("refused {error}"));
            std::process::exit(1);
        }
    };
    let found = store.stats();
    let source = if found.recovery.from_snapshot { "snapshot" } else { "log" };
    let alone_ms = found.recovery.took.as_millis();
    tell(&format!("open {} {alone_ms} {} {source}", began.elapsed().as_millis(), found.sessions));
    if orders.fill > 0 {
        fill(&store, orders.fill);
        tell(&format!("filled {}", store.stats().memory_bytes));
    }
    serve(&store, &orders);
    runtime.block_on(stopped(&mut terminate));
    tell("stopping");
    let began = Instant::now();
    match store.close() {
        Ok(()) => tell(&format!("closed {}", began.elapsed().as_millis())),
        Err(error) => {
            tell(&format!("not closed: {error}"));
            std::process::exit(1);
        }
    }
}

async fn stopped(terminate: &mut Signal) {
    terminate.recv().await;
}

/// Tells whoever started this. Who cannot be heard any more has nothing more to do.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "@ {line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(3);
    }
}

/// Bulk load: what a large site has accumulated.
fn fill(store: &Store, sessions: u64) {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for n in (half..sessions).step_by(2) {
                    let write = Write::new(format!("the data of session {n}, as long as a small one is"));
                    store.create(format!("f{n}"), write.durability(Durability::Written)).unwrap();
                }
            });
        }
    });
    store.flush().unwrap();
}

/// Listens only now that the store is open: who cannot be answered is not let in.
fn serve(store: &Store, orders: &Orders) {
    let listener = UnixListener::bind(&orders.socket).unwrap();
    let store = store.weak();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, store) = (client.unwrap(), store.clone());
            std::thread::spawn(move || answer_all(&store, client));
        }
    });
}

fn answer_all(store: &Store, client: UnixStream) {
    let mut requests = BufReader::new(client.try_clone().unwrap());
    let (mut client, mut line) = (client, String::new());
    while requests.read_line(&mut line).is_ok_and(|read| read > 0) {
        let answer = answer(store, line.trim_end());
        if writeln!(client, "{answer}").is_err() {
            return;
        }
        line.clear();
    }
}

fn answer(store: &Store, request: &str) -> String {
    let mut words = request.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (what, id, how, data) = (word(), word(), word(), word());
    let durability = if how == "written" { Durability::Written } else { Durability::Synced };
    let write = || Write::new(data).durability(durability);
    let done = |()| "done".to_owned();
    let answered = match what {
        "create" => store.create(id, write()).map(|_| done(())),
        "update" => store.update(id, write()).map(|_| done(())),
        "touch" => store.touch(id, IDLE).map(|_| done(())),
        "destroy" => store.destroy(id).map(|there| if there { done(()) } else { "unknown".to_owned() }),
        "get" => store.get(id).map(|found| match found {
            Some(session) => format!("data {}", String::from_utf8_lossy(session.data())),
            None => "unknown".to_owned(),
        }),
        "len" => Ok(format!("data {}", store.len())),
        _ => unreachable!("{what} is no request"),
    };
    answered.unwrap_or_else(|error| match error {
        Error::Unknown(_) => "unknown".to_owned(),
        Error::Duplicate => "duplicate".to_owned(),
        Error::Closed => "closed".to_owned(),
        Error::Full(_) => format!("full {error}"),
        other => format!("failed {other}"),
    })
}
