//! The fixed script: each hot operation, many times over, in a store of its own.
//!
//! Nothing in it depends on the run: ids and data are made from numbers, the store's secret and salts follow from a seed, the
//! clock stands still until it is told to move, and no thread of the store's own is at work. Writes are `Written`, endings too,
//! so no call waits for the disk.

#![expect(clippy::expect_used, reason = "an operation that fails has no cost: the run ends")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use sessile::vfs::seed_entropy;
use sessile::{Clock, Durability, Options, Store, Touched, Write};

/// How many sessions there are in the store.
const SESSIONS: u64 = 10_000;
/// How many there are in the store that is opened.
const SESSIONS_OPENED: u64 = 1_000;
/// How many sessions a subject has.
const SUBJECT_SESSIONS: u64 = 50;
/// Bytes of data in each session: the mean of what express-session keeps for a shop, as in benches/.
const DATA_BYTES: usize = 490;
/// A multiple of the slack, as the clock's first reading is, so that it is known which touch enters another step.
const IDLE: Duration = Duration::from_secs(14 * 24 * 3600);
const START_MS: u64 = 1_800_000_000_000;

/// Between which functions is counted: callgrind finds them by their names.
pub(crate) const SECTION_BEGINS: &str = "counted_section";
pub(crate) const SECTION_ENDS: &str = "behind_the_section";

/// A hot operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    GetRef,
    GetMissing,
    TouchCoalesced,
    TouchLogged,
    SetReplace,
    SetCreate,
    Rotate,
    Destroy,
    DestroySubject,
    Expire,
    Open,
}

impl Operation {
    const ALL: [Self; 12] = [
        Self::Get,
        Self::GetRef,
        Self::GetMissing,
        Self::TouchCoalesced,
        Self::TouchLogged,
        Self::SetReplace,
        Self::SetCreate,
        Self::Rotate,
        Self::Destroy,
        Self::DestroySubject,
        Self::Expire,
        Self::Open,
    ];

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// What the file calls it.
    pub(crate) const fn name(self) -> &'static str {
        self.told().0
    }

    /// What the file says of it.
    pub(crate) const fn script(self) -> &'static str {
        self.told().1
    }

    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("get", "a read of each of 10,000 sessions, copied"),
            Self::GetRef => ("get-ref", "a read of each of 10,000 sessions, in place"),
            Self::GetMissing => ("get-missing", "10,000 reads under ids that nobody has"),
            Self::TouchCoalesced => {
                ("touch-coalesced", "a touch of each of 10,000 sessions, a second after it was written")
            }
            Self::TouchLogged => {
                ("touch-logged", "a touch of each of 10,000 sessions, 61 s after it was written")
            }
            Self::SetReplace => ("set-replace", "a set, Written, of each of 10,000 sessions"),
            Self::SetCreate => ("set-create", "10,000 sets, Written, under new ids"),
            Self::Rotate => ("rotate", "a new id, a subject and data for each of 10,000 sessions"),
            Self::Destroy => ("destroy", "the end of each of 10,000 sessions, not waiting for the disk"),
            Self::DestroySubject => ("destroy-subject", "the end of all 50 sessions of a subject, 200 times"),
            Self::Expire => ("expire", "maintain, when 10,000 sessions have expired at once; a session"),
            Self::Open => ("open", "opening a store of 1,000 sessions that was closed; an opening"),
        }
    }

    /// How many operations the count is divided by.
    pub(crate) const fn times(self) -> u64 {
        match self {
            Self::DestroySubject => SESSIONS / SUBJECT_SESSIONS,
            Self::Open => 1,
            _ => SESSIONS,
        }
    }
}

impl ValueEnum for Operation {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.script()))
    }
}

/// What is counted.
#[inline(never)]
fn counted_section(work: &mut dyn FnMut()) {
    work();
    behind_the_section();
}

#[inline(never)]
fn behind_the_section() {
    black_box(SECTION_ENDS);
}

/// A clock that moves when it is told to, and costs next to nothing to read.
#[derive(Clone)]
struct Steady(Arc<AtomicU64>);

impl Steady {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for Steady {
    fn wall_ms(&self) -> u64 {
        START_MS + self.boot_ms()
    }

    fn boot_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A store with sessions in it, and what is done to it.
struct Script {
    store: Store,
    options: Options,
    clock: Steady,
    /// The ids of the sessions, in an order that has nothing to do with when they were written.
    stored: Vec<String>,
    /// Ids that nobody has.
    others: Vec<String>,
    data: String,
}

/// Prepares a store in `directory`, which must not be there yet, and runs the operation on it.
pub(crate) fn run(operation: Operation, directory: &Path) {
    seed_entropy(Some(1));
    let script = Script::new(operation, directory);
    match operation {
        Operation::Get | Operation::GetRef | Operation::GetMissing => script.read(operation),
        Operation::TouchCoalesced => script.touch(1, Touched::Coalesced),
        Operation::TouchLogged => script.touch(61, Touched::Logged),
        Operation::SetReplace => script.set(&script.stored),
        Operation::SetCreate => script.set(&script.others),
        Operation::Rotate => script.rotate(),
        Operation::Destroy => {
            each(&script.stored, |id| assert!(script.store.destroy(id).expect("an ending")))
        }
        Operation::DestroySubject => script.destroy_subjects(),
        Operation::Expire => script.expire(),
        Operation::Open => script.open(directory),
    }
    script.store.close().expect("the store closes");
}

impl Script {
    fn new(operation: Operation, directory: &Path) -> Self {
        let clock = Steady(Arc::new(AtomicU64::new(0)));
        let options = Options::new()
            .idle(IDLE)
            .durability(Durability::Written)
            .logouts_may_be_lost_on_power_failure(true)
            .manual_maintenance(true)
            .sessions_max(1 << 20)
            .disk_bytes_max(4 << 30)
            .clock(Arc::new(clock.clone()));
        let store = options.clone().open(directory).expect("the store opens");
        let sessions = if operation == Operation::Open { SESSIONS_OPENED } else { SESSIONS };
        for number in 0..sessions {
            let write = Write::new(data('d'));
            let write = match operation {
                Operation::DestroySubject => write.subject((number / SUBJECT_SESSIONS).to_le_bytes()),
                _ => write,
            };
            store.create(id(number), write).expect("a create");
        }
        // 7,919 is prime.
        let stored = (0..sessions).map(|n| id(n * 7_919 % sessions)).collect();
        let others = (SESSIONS..2 * SESSIONS).map(id).collect();
        Self { store, options, clock, stored, others, data: data('n') }
    }

    fn read(&self, operation: Operation) {
        let store = &self.store;
        match operation {
            Operation::GetMissing => {
                each(&self.others, |id| assert!(store.get(id).expect("a read").is_none()))
            }
            Operation::GetRef => each(&self.stored, |id| {
                let session = store.get_ref(id).expect("a read").expect("it is there");
                black_box(session.data());
            }),
            _ => each(&self.stored, |id| {
                let session = store.get(id).expect("a read").expect("it is there");
                black_box(session.data());
            }),
        }
    }

    fn touch(&self, after_seconds: u64, touched: Touched) {
        self.clock.advance(after_seconds);
        each(&self.stored, |id| assert_eq!(self.store.touch(id, IDLE).expect("a touch"), touched));
    }

    fn set(&self, ids: &[String]) {
        each(ids, |id| _ = black_box(self.store.set(id, self.data.as_str()).expect("a set")));
    }

    fn rotate(&self) {
        let mut new = self.others.iter();
        each(&self.stored, |id| {
            let login = Write::new(self.data.as_str()).subject(id.as_str());
            self.store.rotate(id, new.next().expect("as many"), Some(login)).expect("a rotate");
        });
    }

    fn destroy_subjects(&self) {
        let subjects: Vec<_> = (0..SESSIONS / SUBJECT_SESSIONS).map(u64::to_le_bytes).collect();
        each(&subjects, |subject| {
            assert_eq!(self.store.destroy_subject(subject, None).expect("an ending"), SUBJECT_SESSIONS);
        });
    }

    fn expire(&self) {
        self.clock.advance(IDLE.as_secs() + 1);
        let mut expired = 0;
        counted_section(&mut || {
            let mut more = true;
            while more {
                let done = self.store.maintain(Duration::from_secs(3600)).expect("maintenance");
                expired += done.expired;
                more = done.more;
            }
        });
        assert_eq!(expired, SESSIONS);
    }

    fn open(&self, directory: &Path) {
        self.store.close().expect("the store closes");
        let mut opened = None;
        counted_section(&mut || {
            opened = Some(self.options.clone().open(directory).expect("the store opens"))
        });
        assert_eq!(opened.expect("it ran").len(), SESSIONS_OPENED);
    }
}

fn each<T>(of: &[T], mut operation: impl FnMut(&T)) {
    counted_section(&mut || of.iter().for_each(&mut operation));
}

/// An id of 32 characters, as web frameworks make them.
fn id(number: u64) -> String {
    format!("session-id-of-32-characters-{number:04x}")
}

fn data(letter: char) -> String {
    std::iter::repeat_n(letter, DATA_BYTES).collect()
}

/// What code may ask a processor for before it decides what to run.
pub(crate) fn features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let asked = [
            ("sse4.1", is_x86_feature_detected!("sse4.1")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        let there: Vec<_> = asked.into_iter().filter_map(|(name, there)| there.then_some(name)).collect();
        there.join(" ")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole script but the counting, so that one that no longer runs is found where nobody can count.
    #[test]
    fn each_operation_of_the_script_runs_and_does_what_it_says() {
        for operation in Operation::ALL {
            let top = std::env::temp_dir().join(format!("sessile-budget-{}", std::process::id()));
            let directory = top.join(operation.name());
            run(operation, &directory);
            std::fs::remove_dir_all(&top).unwrap();
        }
    }
}
