//! What is sealed is believed, and nothing else: a payload that was changed, moved to another record or to another place is
//! `Corrupt`, also where somebody has made every checksum right.

#![cfg(all(feature = "simulation", feature = "encryption"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{HOUR, Machine, START_MS, maintain};
use sessile::vfs::CrashPolicy;
use sessile::{Error, KeyRing, Recovery, Write};

const DATA: &[u8] = b"the data of this session";
const TAG_BYTES: usize = 16;
const PUT: u8 = 1;
const TOUCH: u8 = 3;

/// Where a frame stands, and how long it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: usize,
    length: usize,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The frames of sessions in a segment.
fn puts(bytes: &[u8]) -> Vec<Place> {
    frames(bytes, PUT)
}

/// The frames of this kind in a segment.
fn frames(bytes: &[u8], kind: u8) -> Vec<Place> {
    let mut offset = word(bytes, 84) as usize;
    let mut places = Vec::new();
    while offset + 16 <= bytes.len() && word(bytes, offset + 4) != 0 {
        let length = (word(bytes, offset + 4) & 0xff_ffff) as usize;
        if bytes[offset + 7] == kind {
            places.push(Place { offset, length });
        }
        offset += length.next_multiple_of(8);
    }
    places
}

/// Makes the checksum of a frame right.
fn forge(bytes: &mut [u8], place: Place) {
    let salt = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
    let seed = salt ^ (place.offset as u64).rotate_left(32);
    let mut hasher = crc32fast::Hasher::new_with_initial((seed ^ seed >> 32) as u32);
    hasher.update(&bytes[place.offset + 4..place.offset + place.length]);
    let crc = hasher.finalize().to_le_bytes();
    bytes[place.offset..place.offset + 4].copy_from_slice(&crc);
}

/// A closed store with two sessions of the same shape, the name of their segment, and where they stand.
fn two_sessions() -> (Machine, String, Vec<Place>) {
    let machine = Machine::new().with_keys(Some(KeyRing::new("a", [1; 32]).unwrap()));
    let store = machine.open();
    store.create("one", Write::new(DATA)).unwrap();
    store.create("two", Write::new(DATA)).unwrap();
    store.close().unwrap();
    let segment = machine.segments().pop().unwrap();
    let places = puts(&machine.bytes(&segment));
    assert_eq!(places.len(), 2);
    (machine, segment, places)
}

/// Changes the segment, and says what a reader gets of the two sessions.
fn changed(change: impl FnOnce(&mut Vec<u8>, &[Place])) -> [Result<bool, Error>; 2] {
    let (machine, segment, places) = two_sessions();
    let mut bytes = machine.bytes(&segment);
    change(&mut bytes, &places);
    machine.put_bytes(&segment, &bytes);
    let store = machine.open();
    let damage = store.verify().unwrap().damage.len();
    let read = ["one", "two"].map(|id| store.get(id).map(|session| session.unwrap().data() == DATA));
    assert_eq!(damage, read.iter().filter(|read| read.is_err()).count(), "verify tells the same");
    read
}

fn is_corrupt(read: &Result<bool, Error>) -> bool {
    matches!(read, Err(Error::Corrupt(damage)) if damage.what.contains("sealed"))
}

#[test]
fn what_nobody_touched_is_read() {
    let read = changed(|bytes, places| {
        let before = bytes.clone();
        places.iter().for_each(|place| forge(bytes, *place));
        assert!(*bytes == before, "this test knows how checksums are made");
    });
    assert!(matches!(read, [Ok(true), Ok(true)]), "{read:?}");
}

#[test]
fn a_flipped_bit_of_a_sealed_payload_or_of_its_tag_is_corrupt_whatever_its_checksum() {
    for from_end in [1, TAG_BYTES, TAG_BYTES + 1, TAG_BYTES + 2 + DATA.len()] {
        let read = changed(|bytes, places| {
            bytes[places[0].offset + places[0].length - from_end] ^= 1;
            forge(bytes, places[0]);
        });
        assert!(is_corrupt(&read[0]) && matches!(read[1], Ok(true)), "{from_end}: {read:?}");
    }
}

#[test]
fn a_payload_in_another_record_is_refused() {
    let read = changed(|bytes, places| {
        let sealed = DATA.len() + 2 + TAG_BYTES;
        let end = |place: Place| place.offset + place.length;
        let one = bytes[end(places[0]) - sealed..end(places[0])].to_vec();
        bytes[end(places[1]) - sealed..end(places[1])].copy_from_slice(&one);
        forge(bytes, places[1]);
    });
    assert!(matches!(read[0], Ok(true)) && is_corrupt(&read[1]), "{read:?}");
}

/// A deadline that somebody has pushed out, or a session that somebody has given another user's.
#[test]
fn the_fields_before_a_payload_are_bound_to_it() {
    for field in [16 + 16, 16 + 22, 16 + 28] {
        let read = changed(|bytes, places| {
            bytes[places[0].offset + field] ^= 1;
            forge(bytes, places[0]);
        });
        assert!(is_corrupt(&read[0]), "byte {field}: {read:?}");
    }
}

/// Somebody puts a record of his own into an encrypted segment, with nothing sealed in it.
#[test]
fn a_plain_record_in_an_encrypted_segment_is_refused() {
    let read = changed(|bytes, places| {
        let flags = places[0].offset + 16 + 31;
        assert_eq!(bytes[flags] & 0x80, 0x80);
        bytes[flags] &= 0x7f;
        forge(bytes, places[0]);
    });
    assert!(is_corrupt(&read[0]), "{read:?}");
}

/// Touches are not sealed. Somebody lets one say that a session goes on for long after its absolute deadline, which is.
#[test]
fn nobody_is_shown_after_the_absolute_deadline_that_was_sealed() {
    let machine = Machine::new().with_keys(Some(KeyRing::new("a", [1; 32]).unwrap()));
    let store = machine.open();
    store.create("one", Write::new(DATA).idle(HOUR).absolute(3 * HOUR)).unwrap();
    store.touch("one", 2 * HOUR).unwrap();
    store.flush().unwrap();
    let machine = machine.crash(CrashPolicy::KeepAll);
    drop(store);
    let segment = machine.segments().pop().unwrap();
    let mut bytes = machine.bytes(&segment);
    let touches = frames(&bytes, TOUCH);
    assert_eq!(touches.len(), 1);
    let deadline = touches[0].offset + 16 + 16;
    bytes[deadline..deadline + 6]
        .copy_from_slice(&(START_MS + 9 * HOUR.as_millis() as u64).to_le_bytes()[..6]);
    forge(&mut bytes, touches[0]);
    machine.put_bytes(&segment, &bytes);
    let store = machine.open();
    machine.clock.advance(2 * HOUR + HOUR / 2);
    let shown = store.get("one").unwrap().unwrap();
    assert!(shown.data() == DATA && store.get_ref("one").unwrap().is_some(), "that it can do");
    machine.clock.advance(HOUR);
    assert!(store.get("one").unwrap().is_none() && store.get_ref("one").unwrap().is_none());
    assert_eq!(store.iter().unwrap().count(), 0);
    let kept = store.update("one", Write::new("more"));
    assert!(kept.is_err() || store.get("one").unwrap().is_none(), "nor does a write bring it back");
}

/// Changes both copies of the store's header and makes their checksums right: of the extension's, whose checksum leaves out that of
/// the fixed front.
fn change_header(machine: &Machine, change: impl Fn(&mut Vec<u8>)) {
    let mut file = machine.bytes("STORE");
    for at in [0, 4096] {
        let end = at + 92 + word(&file, at + 92) as usize;
        let mut copy = file[at..end].to_vec();
        change(&mut copy);
        let front = crc32fast::hash(&copy[..88]).to_le_bytes();
        copy[88..92].copy_from_slice(&front);
        let end = copy.len() - 4;
        let whole = crc32fast::hash(&[&copy[..88], &copy[92..end]].concat()).to_le_bytes();
        copy[end..].copy_from_slice(&whole);
        file[at..at + copy.len()].copy_from_slice(&copy);
    }
    machine.put_bytes("STORE", &file);
}

const STAGE: usize = 100;

#[test]
fn a_header_that_nobody_changed_opens() {
    let (machine, _, _) = two_sessions();
    let before = machine.bytes("STORE");
    change_header(&machine, |copy| assert_eq!(copy[STAGE], 2));
    assert!(machine.bytes("STORE") == before, "this test knows how checksums are made");
    assert_eq!(machine.open().get("one").unwrap().unwrap().data(), DATA);
}

/// Somebody writes that the store is still being encrypted, so that his plain segments are taken for what was there before.
#[test]
fn a_store_is_not_made_unfinished_by_who_has_no_key() {
    let (machine, _, _) = two_sessions();
    change_header(&machine, |copy| copy[STAGE] = 1);
    let opened = machine.try_open().map(drop);
    assert!(matches!(opened, Err(Error::KeyWrong { .. })), "{opened:?}");
    let encrypted = machine.options().encrypt("/store", |_| {}).map(drop);
    assert!(matches!(encrypted, Err(Error::KeyWrong { .. })), "{encrypted:?}");
}

/// Somebody writes that the store is plain, with a secret of his own, and waits for the operator to change the keys.
#[test]
fn a_plain_header_over_encrypted_segments_is_not_encrypted_with_a_genuine_key() {
    let (machine, _, _) = two_sessions();
    change_header(&machine, |copy| {
        copy[32..64].fill(7);
        copy.truncate(96);
        copy[92..96].copy_from_slice(&12_u32.to_le_bytes());
        copy.extend_from_slice(&[0; 8]);
    });
    let files = |machine: &Machine| -> Vec<_> {
        let names = machine.names().into_iter().filter(|name| name != "LOCK");
        names.map(|name| (machine.bytes(&name), name)).collect()
    };
    let before = files(&machine);
    let opened = machine.try_open().map(drop);
    assert!(matches!(opened, Err(Error::KeysForPlain)), "as a rotation of keys opens it: {opened:?}");
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        let encrypted = machine.options().recovery(recovery).encrypt("/store", |_| {}).map(drop);
        assert!(
            matches!(&encrypted, Err(Error::Corrupt(damage)) if damage.what.contains("encrypted")),
            "{encrypted:?}"
        );
        assert!(files(&machine) == before, "something was written");
    }
}

/// A segment with such a record is put aside and keeps no other from being reclaimed.
#[test]
fn compaction_goes_on_around_a_payload_that_does_not_open() {
    let machine = Machine::new().with_keys(Some(KeyRing::new("a", [1; 32]).unwrap()));
    let store = machine.open();
    for name in 0..200 {
        store.create(format!("id {name}"), Write::new(vec![7; 1000])).unwrap();
    }
    store.close().unwrap();
    let segment = machine.segments().remove(0);
    let mut bytes = machine.bytes(&segment);
    let place = puts(&bytes)[1];
    bytes[place.offset + place.length - 1] ^= 1;
    forge(&mut bytes, place);
    machine.put_bytes(&segment, &bytes);
    let store = machine.open();
    for name in (0..200).filter(|name| name % 2 == 0) {
        store.destroy(format!("id {name}")).unwrap();
    }
    maintain(&store);
    let left = machine.segments();
    assert!(left.contains(&segment) && left.len() < 5, "{left:?}");
    assert!(is_corrupt(&store.get("id 1").map(|_| true)));
    for name in (3..200).filter(|name| name % 2 == 1) {
        assert_eq!(store.get(format!("id {name}")).unwrap().unwrap().data(), [7; 1000]);
    }
    assert!(matches!(store.reencrypt(|_| {}), Ok(done) if done.done == 0), "it has the newest key");
}
