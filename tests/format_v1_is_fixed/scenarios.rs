//! How each fixture came to be, and what it must mean, said by hand: not what the engine says of it.
//!
//! Ids, secrets and salts are random, so that a store written anew differs in its bytes and not in what it means.

use std::sync::Arc;
use std::time::Duration;

use sessile::{Durability, ManualClock, Options, Store, Write};
use tempfile::TempDir;

use super::expected::{Known, Outcome, Place, Refusal};
use super::files::{Files, MARK};

const START_MS: u64 = 1_800_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const SUBJECTS: [&str; 2] = ["alice", "bob"];

/// What opening must come to.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// With these sessions alive, and these known but unreadable.
    Alive(Vec<&'static str>, Vec<&'static str>),
    Damage(String, u64),
    NewerFormat,
}

impl Wanted {
    fn alive(ids: &[&'static str]) -> Self {
        Self::Alive(ids.to_vec(), Vec::new())
    }

    pub fn is(&self, found: &Outcome) -> bool {
        match (self, found) {
            (Self::Alive(alive, unreadable), Outcome::Opens { alive: found, unreadable: broken, .. }) => {
                found == alive && broken == unreadable
            }
            (Self::Damage(file, offset), Outcome::Refuses(Refusal::Damage(at))) => {
                *at == Place { file: file.clone(), offset: *offset }
            }
            (Self::NewerFormat, Outcome::Refuses(Refusal::NewerFormat(2))) => true,
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
    pub strict: Wanted,
    pub salvage: Wanted,
    pub read_only: Wanted,
}

impl Made {
    /// All three ways show these sessions.
    fn shows(mut self, ids: &[&'static str]) -> Self {
        self.strict = Wanted::alive(ids);
        (self.salvage, self.read_only) = (self.strict.clone(), self.strict.clone());
        self
    }

    /// `Strict` and a look refuse at this place; `Salvage` shows these sessions.
    fn refuses(mut self, file: &str, offset: usize, salvaged: &[&'static str]) -> Self {
        self.strict = Wanted::Damage(file.to_owned(), offset as u64);
        self.read_only = self.strict.clone();
        self.salvage = Wanted::alive(salvaged);
        self
    }

    fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// A store in the making.
struct Making {
    directory: TempDir,
    clock: ManualClock,
}

impl Making {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::at_ms(START_MS) }
    }

    fn options(&self) -> Options {
        Options::new()
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .segment_bytes(64 << 10)
            .idle(MONTH)
    }

    fn open(&self) -> Store {
        self.options().open(self.directory.path()).unwrap()
    }

    /// Opens a store that will leave no snapshot.
    fn open_without_snapshot(&self) -> Store {
        self.options().close_budget(Duration::ZERO).open(self.directory.path()).unwrap()
    }

    fn files(&self) -> Files {
        Files::read_from(self.directory.path())
    }

    /// What is there now, without closing the store: as after a kill. The ids that live are those that it shows.
    fn killed(&self, store: &Store) -> Made {
        self.made(store, self.files())
    }

    fn closed(&self, store: Store) -> Made {
        let mut made = self.made(&store, Files::default());
        store.close().unwrap();
        made.files = self.files();
        made
    }

    fn made(&self, store: &Store, files: Files) -> Made {
        use sessile::Clock;
        let known: Vec<Known> = IDS.iter().filter_map(|id| Known::of(store, id, &SUBJECTS)).collect();
        let dead = IDS.iter().filter(|id| !known.iter().any(|known| known.id == **id));
        let dead = dead.map(|id| (*id).to_owned()).collect();
        let nothing = Wanted::alive(&[]);
        Made {
            about: "",
            files,
            now_ms: self.clock.wall_ms(),
            known,
            dead,
            strict: nothing.clone(),
            salvage: nothing.clone(),
            read_only: nothing,
        }
    }
}

/// Every id that some scenario uses.
const IDS: [&str; 10] = ["ann", "bea", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "kim"];

fn create(store: &Store, id: &str) {
    store.create(id, Write::new(format!("{id}'s data"))).unwrap();
}

fn maintain(store: &Store) -> u64 {
    let mut compacted = 0;
    loop {
        let done = store.maintain(HOUR).unwrap();
        compacted += done.segments_compacted;
        if !done.more {
            return compacted;
        }
    }
}

/// Three openings. Of the first: ann, bea (alice's), cid, dan, kim. Of the second: cid is destroyed, dan updated,
/// eve created; bea's session is rotated to fay. Of the third: gus, and hal behind him.
fn three_openings() -> (Making, Store) {
    three_openings_and(|_| {})
}

/// As [`three_openings`], with something done when the second begins.
fn three_openings_and(act: impl Fn(&Store)) -> (Making, Store) {
    let making = Making::new();
    let store = making.open_without_snapshot();
    for id in ["ann", "cid", "dan"] {
        create(&store, id);
    }
    store.create("bea", Write::new("bea's data").subject("alice")).unwrap();
    // Enough that no compaction is worth its while until something has been dead for long.
    store.create("kim", Write::new(format!("{:->600}", "kim's data"))).unwrap();
    store.close().unwrap();
    drop(store);
    making.clock.advance(MINUTE);
    let store = making.open_without_snapshot();
    act(&store);
    store.update("dan", Write::new("dan's other data")).unwrap();
    create(&store, "eve");
    store.destroy("cid").unwrap();
    store.rotate("bea", "fay", None).unwrap();
    store.close().unwrap();
    drop(store);
    making.clock.advance(MINUTE);
    let store = making.open_without_snapshot();
    create(&store, "gus");
    create(&store, "hal");
    (making, store)
}

const OF_THREE: [&str; 7] = ["ann", "dan", "eve", "fay", "gus", "hal", "kim"];

fn closed_cleanly() -> Made {
    let making = Making::new();
    let store = making.open();
    create(&store, "ann");
    store.create("bea", Write::new("bea's data").subject("alice").absolute(48 * HOUR)).unwrap();
    store.create("cid", Write::new("cid's data").idle(Duration::MAX)).unwrap();
    making
        .closed(store)
        .shows(&["ann", "bea", "cid"])
        .about("Closed cleanly, with a snapshot: an idle session, one of alice's with an absolute deadline, one for ever.")
}

fn killed() -> Made {
    let making = Making::new();
    let store = making.open();
    create(&store, "ann");
    store.create("bea", Write::new("bea's data").subject("alice").durability(Durability::Written)).unwrap();
    store.create("cid", Write::new("cid's data").durability(Durability::Written)).unwrap();
    making
        .killed(&store)
        .shows(&["ann", "bea", "cid"])
        .about("Killed while open: ann was synced, bea and cid only written, and a kill takes neither.")
}

fn rosters() -> Made {
    let (making, store) = three_openings();
    making
        .closed(store)
        .shows(&OF_THREE)
        .about("Three openings, so a roster of two segments; closed without a snapshot.")
}

fn compacted() -> Made {
    let (making, store) = three_openings();
    making.clock.advance(48 * HOUR);
    assert!(maintain(&store) > 0, "nothing was compacted");
    let made = making.killed(&store).shows(&OF_THREE);
    let outputs = made.files.segments().into_iter().filter(|name| made.files.0[name][12] == 2).count();
    assert!(outputs > 0, "no output of compaction is left");
    made.about("Killed after compaction: an output of it is on the roster, its inputs have left.")
}

fn with_a_snapshot() -> Made {
    let (making, store) = three_openings();
    store.close().unwrap();
    drop(store);
    let store = making.open();
    making.clock.advance(MINUTE);
    store.touch("ann", MONTH).unwrap();
    making
        .closed(store)
        .shows(&OF_THREE)
        .about("Several openings, then a clean close with a snapshot, over a log that has a touch of ann.")
}

fn touched() -> Made {
    let making = Making::new();
    let store = making.open();
    create(&store, "ann");
    store.create("bea", Write::new("bea's data").idle(HOUR)).unwrap();
    making.clock.advance(2 * MINUTE);
    store.touch("ann", MONTH).unwrap();
    store.touch("bea", HOUR).unwrap();
    making.clock.advance(59 * MINUTE);
    store.flush().unwrap();
    making
        .killed(&store)
        .shows(&["ann", "bea"])
        .about("Touches in the log, then a kill: without its touch bea's session would have run out.")
}

fn ended() -> Made {
    let making = Making::new();
    let store = making.open();
    for id in ["ann", "cid", "dan"] {
        create(&store, id);
    }
    for id in ["bea", "eve", "fay"] {
        store.create(id, Write::new(format!("{id}'s data")).subject("alice")).unwrap();
    }
    store.create("gus", Write::new("gus's data").idle(MINUTE)).unwrap();
    store.destroy("cid").unwrap();
    store.rotate("dan", "hal", Some(Write::new("hal's data").subject("bob"))).unwrap();
    store.destroy_subject("alice", Some(b"eve")).unwrap();
    making.clock.advance(2 * MINUTE);
    maintain(&store);
    create(&store, "kim");
    making.killed(&store).shows(&["ann", "eve", "hal", "kim"]).about(
        "Killed after endings of every kind: cid destroyed, dan rotated to hal, alice logged out but for eve, gus run out.",
    )
}

fn cleared() -> Made {
    let making = Making::new();
    let store = making.open();
    for id in ["ann", "bea", "cid"] {
        create(&store, id);
    }
    store.clear().unwrap();
    create(&store, "dan");
    making
        .killed(&store)
        .shows(&["dan"])
        .about("Killed after a clear, and a session that was created behind it.")
}

fn with_ids() -> Made {
    let making = Making::new();
    let store = making.options().keep_ids(true).open(making.directory.path()).unwrap();
    create(&store, "ann");
    store.rotate("ann", "bea", None).unwrap();
    making.killed(&store).shows(&["bea"]).about("A store that keeps ids in its records.")
}

fn torn_tail() -> Made {
    let making = Making::new();
    let store = making.open();
    create(&store, "ann");
    store.create("bea", Write::new("bea's data").durability(Durability::Written)).unwrap();
    let mut made = making.killed(&store);
    let (file, frame) = made.files.find("bea's data");
    made.files.0.get_mut(&file).unwrap()[frame.offset + 40..].fill(0);
    made.known.retain(|known| known.id != "bea");
    made.dead.push("bea".into());
    made.shows(&["ann"])
        .about("The power went: of the last record, which was never synced, only the front is there.")
}

fn record_in_the_middle() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (file, frame) = made.files.find("gus's data");
    made.files.flip(&file, frame.offset + 50);
    made.refuses(&file, frame.offset, &["ann", "dan", "eve", "fay", "hal", "kim"])
        .about("A bit of gus's record is flipped in the middle of the log; what ended there is known from the next mark.")
}

fn mark() -> Made {
    let (making, store) = three_openings();
    // Behind it another mark says that the damaged one was durable.
    create(&store, "ida");
    let mut made = making.killed(&store);
    let file = made.files.root();
    let marks: Vec<_> = made.files.frames(&file).into_iter().filter(|frame| frame.kind == MARK).collect();
    let second = marks[1].offset;
    made.files.flip(&file, second + 20);
    made.refuses(&file, second, &["hal", "ida"])
        .about("A bit of a mark is flipped: it may have been an ending, so only what has a record above it is trusted.")
}

fn sealed_record() -> Made {
    let (making, store) = three_openings_and(seal);
    let mut made = making.killed(&store);
    let (file, frame) = made.files.find("ann's data");
    made.files.flip(&file, frame.offset + 50);
    let others: Vec<_> = OF_THREE.into_iter().filter(|id| *id != "ann").collect();
    made.strict = Wanted::Alive(others, vec!["ann"]);
    (made.salvage, made.read_only) = (made.strict.clone(), made.strict.clone());
    made.about("A bit of ann's record is flipped in a sealed segment: its footer is sound, so who reads ann finds out.")
}

/// Gives the segments of earlier openings their footers, while there is no garbage in them yet.
fn seal(store: &Store) {
    assert_eq!(maintain(store), 0, "something was compacted");
}

fn footer() -> Made {
    let (making, store) = three_openings_and(seal);
    let mut made = making.killed(&store);
    let (file, _) = made.files.find("ann's data");
    let last = made.files.frames(&file).last().copied().unwrap();
    let footer = (last.offset + last.length).next_multiple_of(8);
    assert_eq!(&made.files.0[&file][footer..footer + 8], b"SESHINT1", "it has no footer");
    made.files.flip(&file, footer + 40);
    made.shows(&OF_THREE).about("A bit of a footer is flipped: it is only a cache, and the frames are read.")
}

fn footer_and_record() -> Made {
    let mut made = footer();
    let (file, frame) = made.files.find("ann's data");
    made.files.flip(&file, frame.offset + 50);
    made.refuses(&file, frame.offset, &["dan", "eve", "fay", "gus", "hal", "kim"]).about(
        "A bit of a footer is flipped and one of ann's record before it; a mark behind it knows the endings.",
    )
}

fn root_header() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let file = made.files.root();
    made.files.flip(&file, 30);
    made.refuses(&file, 0, &[])
        .about("A bit of the header of the last segment is flipped: nothing is known of what ended last.")
}

fn listed_header() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (file, _) = made.files.find("ann's data");
    made.files.flip(&file, 30);
    made.refuses(&file, 0, &["dan", "eve", "fay", "gus", "hal"])
        .about("A bit of the header of the first segment is flipped: what has its newest record there is lost: ann and kim.")
}

fn missing() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (file, _) = made.files.find("dan's other data");
    made.files.0.remove(&file);
    made.refuses(&file, 0, &["gus", "hal"]).about(
        "The second segment is missing, and endings with it: only what was written after it is trusted.",
    )
}

fn root_missing() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let file = made.files.root();
    made.files.0.remove(&file);
    made.refuses(&file, 0, &[]).about("The last segment is missing: nothing is known of what ended last.")
}

fn truncated() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (file, frame) = made.files.find("dan's other data");
    made.files.0.get_mut(&file).unwrap().truncate(frame.offset + 8);
    made.refuses(&file, 0, &["gus", "hal"]).about("The second segment is cut short, in its frames.")
}

fn foreign() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (other, other_store) = three_openings();
    let others = other.killed(&other_store).files;
    let (file, _) = made.files.find("dan's other data");
    made.files.0.insert(file.clone(), others.0[&file].clone());
    made.refuses(&file, 0, &["gus", "hal"])
        .about("In the place of the second segment stands that of another store.")
}

fn left_over() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let (other, other_store) = three_openings();
    let others = other.killed(&other_store).files;
    for name in ["00000099.tmp", "STORE.tmp", "SNAPSHOT.tmp"] {
        made.files.0.insert(name.into(), b"half a file".to_vec());
    }
    made.files.0.insert("00000077.seg".into(), others.0[&others.root()].clone());
    made.files.0.insert("00000078.seg".into(), b"no segment".to_vec());
    made.shows(&OF_THREE)
        .about("Beside a sound store: files that were never finished, and segments that nobody lists.")
}

fn first_header() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    made.files.flip("STORE", 40);
    made.shows(&OF_THREE)
        .about("A bit of the first copy of the store's header is flipped; the second is sound.")
}

fn both_headers() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    made.files.flip("STORE", 40);
    made.files.flip("STORE", 4096 + 40);
    let mut made = made
        .refuses("STORE", 0, &[])
        .about("Both copies of the store's header are damaged: not even Salvage opens.");
    made.salvage = made.strict.clone();
    made
}

fn header_missing() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    made.files.0.remove("STORE");
    let mut made = made.refuses("STORE", 0, &[]).about("The store's header is missing beside its segments.");
    made.salvage = made.strict.clone();
    made
}

fn newer_format() -> Made {
    let (making, store) = three_openings();
    let mut made = making.killed(&store);
    let header = made.files.0.get_mut("STORE").unwrap();
    for copy in [0, 4096] {
        (header[copy + 8], header[copy + 12]) = (2, 2);
        let crc = crc32fast::hash(&header[copy..copy + 88]);
        header[copy + 88..copy + 92].copy_from_slice(&crc.to_le_bytes());
    }
    made.strict = Wanted::NewerFormat;
    (made.salvage, made.read_only) = (made.strict.clone(), made.strict.clone());
    made.about("A store of format 2, which no reader of format 1 can read.")
}

fn stale_snapshot() -> Made {
    let making = Making::new();
    let store = making.open();
    create(&store, "ann");
    create(&store, "bea");
    store.close().unwrap();
    drop(store);
    let stale = making.files().0["SNAPSHOT"].clone();
    let store = making.open_without_snapshot();
    store.destroy("ann").unwrap();
    create(&store, "cid");
    let mut made = making.closed(store);
    made.files.0.insert("SNAPSHOT".into(), stale);
    made.shows(&["bea", "cid"]).about("A snapshot of the opening before the last, which still knows ann.")
}

fn damaged_snapshot() -> Made {
    let mut made = closed_cleanly();
    made.files.flip("SNAPSHOT", 80);
    made.about("A bit of the snapshot is flipped: it is only a cache, and the log is read.")
}

fn log_without_end() -> Made {
    let making = Making::new();
    let store = making.open_without_snapshot();
    create(&store, "ann");
    create(&store, "bea");
    store.destroy("ann").unwrap();
    let mut made = making.closed(store);
    let (file, frame) = made.files.find("bea's data");
    let end = (frame.offset + frame.length).next_multiple_of(8);
    made.files.0.get_mut(&file).unwrap()[end..].fill(0);
    made.dead.retain(|id| id != "bea");
    made.refuses(&file, end, &[])
        .about("Closed cleanly, and later the end of the log was zeroed, with the ending of ann in it.")
}

type Make = fn() -> Made;

/// Every fixture by name.
pub const ALL: [(&str, Make); 29] = [
    ("both_copies_of_the_header_damaged", both_headers),
    ("cleared", cleared),
    ("closed_cleanly", closed_cleanly),
    ("compacted", compacted),
    ("ended", ended),
    ("first_copy_of_the_header_damaged", first_header),
    ("footer_and_record_damaged", footer_and_record),
    ("footer_damaged", footer),
    ("header_missing", header_missing),
    ("header_of_a_listed_segment_damaged", listed_header),
    ("header_of_the_last_segment_damaged", root_header),
    ("ids_kept", with_ids),
    ("killed", killed),
    ("last_segment_missing", root_missing),
    ("left_over_files", left_over),
    ("log_without_its_end", log_without_end),
    ("mark_damaged", mark),
    ("newer_format", newer_format),
    ("record_damaged", record_in_the_middle),
    ("record_in_a_sealed_segment_damaged", sealed_record),
    ("rosters", rosters),
    ("segment_cut_short", truncated),
    ("segment_missing", missing),
    ("segment_of_another_store", foreign),
    ("snapshot", with_a_snapshot),
    ("snapshot_damaged", damaged_snapshot),
    ("snapshot_stale", stale_snapshot),
    ("torn_tail", torn_tail),
    ("touched", touched),
];
