//! How each fixture came to be, and what it must mean, said by hand: not what the engine says of it.

use std::sync::Arc;
use std::time::Duration;

use sessile::fuzzing::{self, Body, Put, SegmentHeader, StoreHeader};
use sessile::{Format, ManualClock, Options, Store, Write};
use tempfile::TempDir;

use super::expected::{Known, Outcome, Place, Refusal};
use super::files::Files;

const START_MS: u64 = 1_800_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const SUBJECTS: [&str; 1] = ["alice"];
/// Every id that some scenario uses.
const IDS: [&str; 7] = ["ann", "bea", "cid", "dan", "eve", "fay", "kim"];
const SECOND_AT: usize = 4096;

/// What opening must come to.
#[derive(Debug, Clone)]
pub enum Wanted {
    Alive(Vec<&'static str>),
    Damage(String, u64),
    NewerFormat(u32),
}

impl Wanted {
    pub fn is(&self, found: &Outcome) -> bool {
        match (self, found) {
            (Self::Alive(alive), Outcome::Opens { alive: found, unreadable, .. }) => {
                found == alive && unreadable.is_empty()
            }
            (Self::Damage(file, offset), Outcome::Refuses(Refusal::Damage(at))) => {
                *at == Place { file: file.clone(), offset: *offset }
            }
            (Self::NewerFormat(format), Outcome::Refuses(Refusal::NewerFormat(found))) => format == found,
            _ => false,
        }
    }
}

/// A store, and what it must mean.
pub struct Made {
    pub about: &'static str,
    pub files: Files,
    pub now_ms: u64,
    pub known: Vec<Known>,
    pub dead: Vec<String>,
    pub format: Option<u32>,
    pub strict: Wanted,
    pub salvage: Wanted,
}

impl Made {
    /// Opens, whichever way, as a store of this format with these sessions.
    fn shows(mut self, format: u32, ids: &[&'static str], about: &'static str) -> Self {
        (self.format, self.about) = (Some(format), about);
        self.strict = Wanted::Alive(ids.to_vec());
        self.salvage = self.strict.clone();
        self
    }

    /// Is refused, whichever way.
    fn refuses(mut self, wanted: Wanted, about: &'static str) -> Self {
        (self.format, self.about) = (None, about);
        (self.strict, self.salvage) = (wanted.clone(), wanted);
        self
    }

    /// The store's header, to be changed.
    fn header(&mut self) -> &mut Vec<u8> {
        self.files.0.get_mut("STORE").unwrap()
    }

    /// Puts the checksums of both copies right.
    fn seal(&mut self) {
        let (first, second) = self.header().split_at_mut(SECOND_AT);
        for copy in [first, second] {
            fuzzing::seal_store_header(copy).unwrap();
        }
    }
}

/// A store in the making.
struct Making {
    directory: TempDir,
    clock: ManualClock,
    format: Format,
}

impl Making {
    fn new(format: Format) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::at_ms(START_MS), format }
    }

    fn open(&self, close_budget: Duration) -> Store {
        Options::new()
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .segment_bytes(64 << 10)
            .idle(MONTH)
            .format(self.format)
            .close_budget(close_budget)
            .open(self.directory.path())
            .unwrap()
    }

    fn files(&self) -> Files {
        Files::read_from(self.directory.path())
    }

    /// What is there now, without closing the store: as after a kill.
    fn killed(&self, store: &Store) -> Made {
        use sessile::Clock;
        let known: Vec<Known> = IDS.iter().filter_map(|id| Known::of(store, id, &SUBJECTS)).collect();
        let dead = IDS.iter().filter(|id| !known.iter().any(|known| known.id == **id));
        Made {
            about: "",
            files: self.files(),
            now_ms: self.clock.wall_ms(),
            dead: dead.map(|id| (*id).to_owned()).collect(),
            known,
            format: None,
            strict: Wanted::Alive(Vec::new()),
            salvage: Wanted::Alive(Vec::new()),
        }
    }

    fn closed(&self, store: &Store) -> Made {
        let made = self.killed(store);
        store.close().unwrap();
        Made { files: self.files(), ..made }
    }
}

fn create(store: &Store, id: &str) {
    store.create(id, Write::new(format!("{id}'s data"))).unwrap();
}

/// Two openings: ann, bea (alice's), cid and kim; then cid is destroyed, bea rotated to fay, dan created. In the second
/// something is done before that.
fn two_openings(format: Format, act: impl Fn(&Store)) -> (Making, Store) {
    let making = Making::new(format);
    let store = making.open(Duration::ZERO);
    for id in ["ann", "cid"] {
        create(&store, id);
    }
    store.create("bea", Write::new("bea's data").subject("alice")).unwrap();
    // Enough that no compaction is worth its while until something has been dead for long.
    store.create("kim", Write::new(format!("{:->600}", "kim's data"))).unwrap();
    store.close().unwrap();
    drop(store);
    making.clock.advance(MINUTE);
    let store = making.open(Duration::ZERO);
    act(&store);
    store.destroy("cid").unwrap();
    store.rotate("bea", "fay", None).unwrap();
    create(&store, "dan");
    (making, store)
}

const OF_TWO: [&str; 4] = ["ann", "dan", "fay", "kim"];

fn of_format_2() -> (Making, Store) {
    two_openings(Format::V2, |_| {})
}

fn upgrade(store: &Store) {
    assert_eq!(store.upgrade().unwrap(), Format::V1);
}

fn closed_cleanly() -> Made {
    let making = Making::new(Format::V2);
    let store = making.open(HOUR);
    create(&store, "ann");
    store.create("bea", Write::new("bea's data").subject("alice")).unwrap();
    making.closed(&store).shows(2, &["ann", "bea"], "Closed cleanly, with a snapshot.")
}

fn killed() -> Made {
    let (making, store) = of_format_2();
    making.killed(&store).shows(2, &OF_TWO, "Killed in its second opening.")
}

fn compacted() -> Made {
    let (making, store) = of_format_2();
    making.clock.advance(48 * HOUR);
    while store.maintain(HOUR).unwrap().more {}
    let made = making.killed(&store);
    let outputs = made.files.segments().into_iter().filter(|name| made.files.0[name][12] == 2);
    assert!(outputs.count() > 0, "no output of compaction is left");
    made.shows(2, &OF_TWO, "Killed after compaction: an output of it is on the roster.")
}

fn upgraded() -> Made {
    let (making, store) = two_openings(Format::V1, upgrade);
    making.closed(&store).shows(
        2,
        &OF_TWO,
        "Of format 1, and upgraded in its second opening: the segments are of format 1.",
    )
}

fn upgraded_and_opened_again() -> Made {
    let (making, store) = two_openings(Format::V1, upgrade);
    store.close().unwrap();
    drop(store);
    let store = making.open(Duration::ZERO);
    create(&store, "eve");
    let ids = ["ann", "dan", "eve", "fay", "kim"];
    making.killed(&store).shows(
        2,
        &ids,
        "Upgraded, and opened again: the last segment is of format 2, the others of format 1.",
    )
}

/// An upgraded store, and its header before the upgrade.
fn while_upgrading() -> (Made, Vec<u8>) {
    let (making, store) = two_openings(Format::V1, |_| {});
    let before = making.files().0["STORE"].clone();
    upgrade(&store);
    (making.killed(&store), before)
}

fn between_the_copies() -> Made {
    let (mut made, before) = while_upgrading();
    made.header()[..92].copy_from_slice(&before[..92]);
    made.header()[92..SECOND_AT].fill(0);
    made.shows(
        2,
        &OF_TWO,
        "Killed during an upgrade, when one copy of the header was of format 2: it counts.",
    )
}

fn torn_while_upgrading() -> Made {
    let (mut made, before) = while_upgrading();
    made.header()[92..SECOND_AT].fill(0);
    made.header()[SECOND_AT..SECOND_AT + 92].copy_from_slice(&before[SECOND_AT..]);
    made.header().truncate(SECOND_AT + 92);
    made.shows(
        1,
        &OF_TWO,
        "The power went during an upgrade: one copy of the header lacks its extension, the other is of format 1, and counts.",
    )
}

fn one_extension_damaged() -> Made {
    let (making, store) = of_format_2();
    let mut made = making.killed(&store);
    made.files.flip("STORE", 97);
    made.shows(
        2,
        &OF_TWO,
        "A bit of the extension of the first copy of the header is flipped; the second is sound.",
    )
}

fn both_extensions_damaged() -> Made {
    let (making, store) = of_format_2();
    let mut made = making.killed(&store);
    made.files.flip("STORE", 97);
    made.files.flip("STORE", SECOND_AT + 97);
    made.refuses(
        Wanted::Damage("STORE".into(), 0),
        "The extensions of both copies of the header are damaged.",
    )
}

fn newer_format() -> Made {
    let (making, store) = of_format_2();
    let mut made = making.killed(&store);
    for copy in [0, SECOND_AT] {
        (made.header()[copy + 8], made.header()[copy + 12]) = (3, 3);
    }
    made.seal();
    made.refuses(Wanted::NewerFormat(3), "A store of format 3, which no reader of format 2 can read.")
}

fn unknown_flag() -> Made {
    let (making, store) = of_format_2();
    let mut made = making.killed(&store);
    for copy in [0, SECOND_AT] {
        made.header()[copy + 84] |= 0x10;
    }
    made.seal();
    made.refuses(Wanted::NewerFormat(2), "Of format 2, with a flag that only a later release knows.")
}

fn segment_header_damaged() -> Made {
    let (making, store) = of_format_2();
    let mut made = making.killed(&store);
    let file = made.files.root();
    made.files.flip(&file, 90);
    let mut made = made.refuses(
        Wanted::Damage(file, 0),
        "A bit of the length of an envelope is flipped in the header of the last segment: nothing is known of what ended last.",
    );
    (made.format, made.salvage) = (Some(2), Wanted::Alive(Vec::new()));
    made
}

/// What no release writes into envelopes yet: a later one may.
fn envelopes() -> Made {
    let (secret, store_id, salt, lsn) = ([7; 32], [9; 16], 5, (1 << 40) + 1);
    let header = SegmentHeader {
        number: 1,
        compacted: false,
        store_id,
        salt,
        opening: 1,
        clock_ms: START_MS,
        lsn_first: lsn,
        copied_to: 0,
        capacity: 8192,
        envelope: Some((0..=255).collect()),
        roster: Vec::new(),
    };
    let mut segment = header.bytes();
    let (before, deadline_ms) = (lsn - 1, START_MS + 3_600_000);
    let mark = Body::Mark {
        durable_lsn: before,
        since_lsn: before,
        roster_lsn: before,
        clock_ms: START_MS,
        endings: Vec::new(),
    };
    let put = Put {
        digest: fuzzing::digest(secret, b"ann"),
        deadline_ms,
        created_ms: START_MS,
        idle_ms: 3_600_000,
        birth: lsn + 1,
        absolute_ms: u64::MAX,
        ceiling_ms: deadline_ms,
        subject: None,
        ends: None,
        id: None,
        payload: b"ann's data".to_vec(),
    };
    for (nth, body) in [mark, Body::Put(put)].iter().enumerate() {
        segment.extend(fuzzing::frame_bytes(salt, segment.len() as u64, lsn + nth as u64, body));
    }
    segment.resize(8192, 0);
    let store = StoreHeader {
        store_id,
        secret,
        opening: 1,
        durable_lsn: before,
        root: 1,
        keeps_ids: false,
        envelope: Some((0..300_u16).map(|byte| byte as u8).collect()),
    };
    let mut file = store.bytes();
    file.resize(SECOND_AT, 0);
    file.extend(store.bytes());
    let known = Known {
        id: "ann".into(),
        data: "ann's data".into(),
        created_ms: START_MS,
        deadline_ms,
        absolute_ms: u64::MAX,
        subject: None,
        version: lsn + 1,
    };
    let made = Made {
        about: "",
        files: Files([("STORE".to_owned(), file), ("00000001.seg".to_owned(), segment)].into()),
        now_ms: START_MS + 1000,
        known: vec![known],
        dead: vec!["bea".into()],
        format: None,
        strict: Wanted::Alive(Vec::new()),
        salvage: Wanted::Alive(Vec::new()),
    };
    made.refuses(
        Wanted::NewerFormat(2),
        "Envelopes that hold what no release has put there: those of a later one.",
    )
}

type Make = fn() -> Made;

/// Every fixture by name.
pub const ALL: [(&str, Make); 13] = [
    ("closed_cleanly", closed_cleanly),
    ("compacted", compacted),
    ("envelopes", envelopes),
    ("extension_of_both_copies_damaged", both_extensions_damaged),
    ("extension_of_one_copy_damaged", one_extension_damaged),
    ("killed", killed),
    ("newer_format", newer_format),
    ("header_of_the_last_segment_damaged", segment_header_damaged),
    ("torn_while_upgrading", torn_while_upgrading),
    ("unknown_flag", unknown_flag),
    ("upgraded", upgraded),
    ("upgraded_and_opened_again", upgraded_and_opened_again),
    ("upgraded_between_the_copies", between_the_copies),
];
