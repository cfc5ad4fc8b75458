//! An upgrade is one change of the store's header. Wherever the power goes, the store is of the one format or of the other and
//! holds what it held; one that was acknowledged stays; and no file in a new format is ever left beside a header that the
//! release before would believe.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{HOUR, Machine, maintain, roll, telling};
use common::script::Runner;
use common::workload::{Step, workload};
use sessile::vfs::{CallKind, CrashPolicy, Fault, Hazards, Times};
use sessile::{Error, Format, Store, Write};

const IDS: usize = 12;
const SUBJECTS: usize = 2;

/// What the release that knows only format 1 makes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadByTheRelease {
    Opens,
    Newer,
    Damaged,
}

/// As format 1 has been read since there is one: any sound copy of a newer format, and the store is refused.
fn read_by_the_release_before(header: &[u8]) -> ReadByTheRelease {
    let word = |copy: &[u8], at: usize| u32::from_le_bytes(copy[at..at + 4].try_into().unwrap());
    let copies = [0, 4096].into_iter().filter_map(|at| header.get(at..at + 92));
    let sound: Vec<_> = copies
        .filter(|copy| copy.starts_with(b"SESSILE1") && crc32fast::hash(&copy[..88]) == word(copy, 88))
        .collect();
    match sound.iter().any(|copy| word(copy, 8) > 1 && word(copy, 12) > 1) {
        true => ReadByTheRelease::Newer,
        false if sound.is_empty() => ReadByTheRelease::Damaged,
        false => ReadByTheRelease::Opens,
    }
}

fn format_of(store: &Store) -> Format {
    store.stats().format
}

/// Segments that say so themselves are of format 2.
fn segments_of_format_2(machine: &Machine) -> usize {
    machine.segments().iter().filter(|name| machine.bytes(name).starts_with(b"SESSEGM2")).count()
}

/// What the power left: of one format, which the header tells to either release.
fn is_of_one_format(left: &Machine, is_acknowledged: bool) -> Format {
    if left.sim.read_file(&Machine::path("STORE")).is_err() {
        assert!(!is_acknowledged, "the store is gone");
        return Format::V1;
    }
    let read = read_by_the_release_before(&left.bytes("STORE"));
    let has_new = segments_of_format_2(left) > 0;
    assert!(!has_new || read == ReadByTheRelease::Newer, "segments of format 2, and the header is {read:?}");
    let store = left.open();
    let format = format_of(&store);
    assert!(!is_acknowledged || format == Format::V2, "the upgrade was acknowledged");
    assert!(!has_new || format == Format::V2, "segments of format 2 in a store of format {format}");
    assert!(format == Format::V1 || read == ReadByTheRelease::Newer, "the header was {read:?}");
    // From now on it says the same in both copies.
    let after = read_by_the_release_before(&left.bytes("STORE"));
    let expected = if format == Format::V1 { ReadByTheRelease::Opens } else { ReadByTheRelease::Newer };
    assert_eq!(after, expected);
    format
}

fn policies(seed: u64) -> [CrashPolicy; 4] {
    let garbage = CrashPolicy::Chosen(seed, Hazards { garbage: true, ..Hazards::NONE });
    [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(seed), garbage]
}

/// A life with an upgrade in it, which closes, opens and compacts before and after.
fn life() -> Vec<Step> {
    let mut steps = workload(31, 110, IDS, SUBJECTS, false);
    steps.insert(60, Step::Upgrade);
    steps
}

#[test]
fn a_crash_at_any_call_of_a_life_with_an_upgrade_takes_back_nothing() {
    let (mut crashes, mut upgraded) = (0, [0, 0]);
    for (nth, after) in (1..).flat_map(|nth| [(nth, false), (nth, true)]) {
        let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
        match after {
            false => runner.machine.sim.crash_at_call(nth),
            true => runner.machine.sim.crash_after_call(nth),
        }
        if runner.run(&life()).is_ok() {
            break;
        }
        crashes += 1;
        for policy in policies(nth) {
            telling(&format!("crash at call {nth} (after it: {after}), {policy:?}"), || {
                let format = is_of_one_format(&runner.machine.crashed(policy), runner.seen.steps > 60);
                upgraded[usize::from(format == Format::V2)] += 1;
                runner.check_after(policy);
            });
        }
    }
    assert!(crashes > 200 && upgraded.iter().all(|count| *count > 100), "{crashes} crashes, {upgraded:?}");
}

/// Who was there, who had left, and who was only written.
fn begun() -> Machine {
    let machine = Machine::new();
    let store = machine.open();
    for id in ["stays", "ended"] {
        store.create(id, Write::new(id).subject("somebody")).unwrap();
    }
    store.destroy("ended").unwrap();
    drop(store);
    machine.crash(CrashPolicy::KeepAll)
}

fn is_as_it_began(store: &Store) {
    assert_eq!(store.get("stays").unwrap().unwrap().data(), b"stays");
    assert!(store.get("ended").unwrap().is_none());
}

/// The upgrade loses the power, and the recovery after it loses the power again, and what was not synced is garbage. Or only the
/// process dies over the upgrade, so that the next one finds in the page cache what was never synced, and then the power goes.
#[test]
fn a_crash_within_an_upgrade_and_another_within_the_recovery_leave_the_store() {
    let machine = begun();
    let (mut crashes, mut upgraded) = (0, [0, 0]);
    let [garbage, other_garbage] = [policies(5)[3], policies(105)[3]];
    let both = [(garbage, other_garbage), (CrashPolicy::KeepAll, CrashPolicy::DropAll)];
    let calls = (1..40).flat_map(|first| (1..18).map(move |second| (first, second)));
    for ((first, second), (then, at_last)) in calls.flat_map(|calls| both.map(|policies| (calls, policies))) {
        let left = machine.fork();
        left.sim.crash_after_call(first);
        let done = left.try_open().and_then(|store| store.upgrade());
        crashes += u64::from(done.is_err());
        let recovering = left.crash(then);
        recovering.sim.crash_at_call(second);
        drop(recovering.try_open());
        let last = recovering.crash(at_last);
        telling(&format!("crashes after call {first}, {then:?}, and at call {second}, {at_last:?}"), || {
            let format = is_of_one_format(&last, done.is_ok());
            upgraded[usize::from(format == Format::V2)] += 1;
            is_as_it_began(&last.open());
        });
    }
    assert!(crashes > 500 && upgraded.iter().all(|count| *count > 100), "{crashes} crashes, {upgraded:?}");
}

/// A header that could not be written says what nobody knows: the store takes no more writes until it is opened again, and is
/// then of the one format or of the other.
#[test]
fn an_upgrade_that_fails_latches_the_store_and_loses_nothing() {
    for kind in [CallKind::Write, CallKind::Sync] {
        for nth in 1..4 {
            let machine = begun();
            let store = machine.open();
            machine.sim.fail_named("STORE", kind, nth, Fault::Eio, Times::Once);
            let Err(error) = store.upgrade() else {
                assert_eq!(machine.sim.struck().len(), 0, "it went on over a fault of {kind:?}");
                continue;
            };
            assert!(matches!(error, Error::Latched { .. }), "{error:?}");
            assert!(error.to_string().contains("STORE"), "{error}");
            is_as_it_began(&store);
            assert!(matches!(store.create("late", "data"), Err(Error::Latched { .. })));
            assert!(matches!(store.upgrade(), Err(Error::Latched { .. })));
            drop(store);
            for policy in policies(nth) {
                let left = machine.crashed(policy);
                is_of_one_format(&left, false);
                is_as_it_began(&left.open());
            }
        }
    }
}

#[test]
fn what_was_there_is_read_as_before_and_what_comes_is_of_the_new_format() {
    let machine = begun();
    let store = machine.open();
    assert_eq!(format_of(&store), Format::V1);
    roll(&store, &machine, "before", HOUR);
    assert_eq!(segments_of_format_2(&machine), 0);
    assert_eq!(store.upgrade().unwrap(), Format::V1);
    assert_eq!(format_of(&store), Format::V2);
    assert_eq!(segments_of_format_2(&machine), 0, "no segment is rewritten");
    is_as_it_began(&store);
    roll(&store, &machine, "after", HOUR);
    roll(&store, &machine, "later", HOUR);
    let of_format_2 = segments_of_format_2(&machine);
    assert!(of_format_2 > 0 && of_format_2 < machine.segments().len());
    let count = store.len();

    let copy = machine.fork();
    store.backup("/copy").unwrap();
    let restored = machine.options().read_only(true).open("/copy").unwrap();
    assert_eq!((restored.len(), format_of(&restored)), (count, Format::V2));
    is_as_it_began(&restored);

    store.close().unwrap();
    for machine in [machine, copy.crash(CrashPolicy::DropAll)] {
        let look = machine.options().read_only(true).open("/store").unwrap();
        assert_eq!(format_of(&look), Format::V2);
        assert!(matches!(look.upgrade(), Err(Error::ReadOnly)));
        let store = machine.open();
        is_as_it_began(&store);
        assert!(store.verify().unwrap().damage.is_empty());
    }
}

/// In the end the old segments are compacted away, and so is every trace of the old format.
#[test]
fn compaction_leaves_nothing_of_the_old_format() {
    let machine = begun();
    let store = machine.open();
    roll(&store, &machine, "before", HOUR);
    store.upgrade().unwrap();
    roll(&store, &machine, "after", HOUR);
    machine.clock.advance(HOUR * 30);
    store.confirm_clock().unwrap();
    store.create("new", "data").unwrap();
    maintain(&store);
    machine.clock.advance(HOUR * 30);
    roll(&store, &machine, "later", HOUR);
    maintain(&store);
    assert_eq!(segments_of_format_2(&machine), machine.segments().len());
    drop(store);
    let store = machine.crash(CrashPolicy::DropAll).open();
    assert!(store.verify().unwrap().damage.is_empty());
}

#[test]
fn the_second_upgrade_changes_nothing_and_a_closed_store_is_not_upgraded() {
    let machine = begun();
    let store = machine.open();
    store.upgrade().unwrap();
    let (header, calls) = (machine.bytes("STORE"), machine.sim.calls());
    assert_eq!(store.upgrade().unwrap(), Format::V2);
    assert_eq!((machine.bytes("STORE"), machine.sim.calls()), (header, calls));
    store.close().unwrap();
    assert!(matches!(store.upgrade(), Err(Error::Closed)));
}

/// A release goes on writing the format that a store has: to the release before, everything is as it left it.
#[test]
fn a_store_that_nobody_upgrades_stays_what_it_is() {
    let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
    runner.run(&workload(33, 300, IDS, SUBJECTS, true)).unwrap();
    assert_eq!(runner.stats().format, Format::V1);
    assert_eq!(segments_of_format_2(&runner.machine), 0);
    let header = runner.machine.bytes("STORE");
    assert_eq!(header.len(), 4096 + 92);
    assert_eq!(read_by_the_release_before(&header), ReadByTheRelease::Opens);
}

/// Whoever asks for it gets it from the first byte, and keeps it, whatever later openings ask for.
#[test]
fn a_new_store_may_have_the_new_format_from_its_first_byte() {
    let machine = Machine::new();
    let options = || machine.options().format(Format::V2);
    drop(options().open("/store").unwrap());
    assert_eq!(read_by_the_release_before(&machine.bytes("STORE")), ReadByTheRelease::Newer);
    assert_eq!(segments_of_format_2(&machine), machine.segments().len());
    let store = machine.options().format(Format::V1).open("/store").unwrap();
    assert_eq!((format_of(&store), store.upgrade().unwrap()), (Format::V2, Format::V2));
    let old = begun();
    assert_eq!(format_of(&old.options().format(Format::V2).open("/store").unwrap()), Format::V1);
}

/// A life that is of format 2 from the beginning, with the power going at each call.
#[test]
fn a_crash_at_any_call_in_a_store_of_format_2_takes_back_nothing() {
    let steps = workload(34, 140, IDS, SUBJECTS, false);
    let mut crashes = 0;
    for nth in (1..).step_by(2) {
        let machine = Machine::new();
        drop(machine.options().format(Format::V2).open("/store").unwrap());
        let mut runner = Runner::new(machine.crash(CrashPolicy::KeepAll), IDS, SUBJECTS);
        runner.machine.sim.crash_at_call(nth);
        if runner.run(&steps).is_ok() {
            break;
        }
        crashes += 1;
        for policy in policies(nth) {
            telling(&format!("crash at call {nth}, {policy:?}"), || runner.check_after(policy));
        }
    }
    assert!(crashes > 100, "{crashes}");
}
