//! Sessions as Rust values: they outlive the type that wrote them, and what cannot be read is an error and stays.

#![cfg(feature = "bincode")]
#![expect(clippy::unwrap_used, clippy::unreachable, reason = "the helpers of a test fail it by panicking")]

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sessile::typed::{Codec, Encoded, SessionValue, TypedStore, TypedWrite};
use sessile::{Durability, Error, Options, Result, Store};

/// The value as the first release of some program had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u64,
    cart: Vec<u32>,
}

impl SessionValue for Login {}

/// The same with a field more, for codecs that name their fields: the version stays.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LoginWithTheme {
    user: u64,
    cart: Vec<u32>,
    #[serde(default = "light")]
    theme: String,
}

impl SessionValue for LoginWithTheme {}

/// The same with a field more and a version more.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LoginV2 {
    user: u64,
    cart: Vec<u32>,
    theme: String,
}

impl SessionValue for LoginV2 {
    const VERSION: u32 = 2;

    fn migrate(version: u32, bytes: Encoded<'_>) -> Result<Self> {
        match version {
            1 => bytes.decode().map(|Login { user, cart }| Self { user, cart, theme: light() }),
            _ => Err(bytes.unknown_version::<Self>()),
        }
    }
}

fn light() -> String {
    "light".into()
}

fn login() -> Login {
    Login { user: 7, cart: vec![1, 2, 3] }
}

fn open(directory: &Path) -> Store {
    Options::new().durability(Durability::Written).open(directory).unwrap()
}

/// Writes one login under `id` and closes the store, as the old program does when it is replaced.
fn written_by_the_old_program(directory: &Path, codec: Codec) {
    let store = open(directory);
    let sessions = TypedStore::<Login>::new(store.clone()).codec(codec);
    sessions.create("id", TypedWrite::new(&login()).subject("7")).unwrap();
    store.close().unwrap();
}

#[test]
fn json_takes_a_field_more_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    written_by_the_old_program(dir.path(), Codec::Json);

    let sessions = TypedStore::<LoginWithTheme>::new(open(dir.path()));
    let session = sessions.get("id").unwrap().unwrap();
    assert_eq!(session.value(), &LoginWithTheme { user: 7, cart: vec![1, 2, 3], theme: light() });

    let dark = LoginWithTheme { theme: "dark".into(), ..session.into_value() };
    sessions.update("id", &dark).unwrap();
    sessions.store().close().unwrap();
    let sessions = TypedStore::<LoginWithTheme>::new(open(dir.path()));
    assert_eq!(sessions.get("id").unwrap().unwrap().value(), &dark);
}

#[test]
fn either_codec_takes_a_field_more_across_a_restart_by_a_migration() {
    for codec in [Codec::Json, Codec::Bincode] {
        let dir = tempfile::tempdir().unwrap();
        written_by_the_old_program(dir.path(), codec);

        let sessions = TypedStore::<LoginV2>::new(open(dir.path())).codec(codec);
        let session = sessions.get("id").unwrap().unwrap();
        assert_eq!(session.value(), &LoginV2 { user: 7, cart: vec![1, 2, 3], theme: light() }, "{codec:?}");
        let raw = sessions.store().get("id").unwrap().unwrap();
        assert_eq!(Encoded::parse(raw.data()).unwrap().version(), 1, "a read writes nothing");

        let dark = LoginV2 { theme: "dark".into(), ..session.into_value() };
        sessions.update("id", &dark).unwrap();
        sessions.store().close().unwrap();
        let sessions = TypedStore::<LoginV2>::new(open(dir.path())).codec(codec);
        assert_eq!(sessions.get("id").unwrap().unwrap().value(), &dark, "{codec:?}");
        let raw = sessions.store().get("id").unwrap().unwrap();
        assert_eq!(Encoded::parse(raw.data()).unwrap().version(), 2);
    }
}

#[test]
fn bincode_with_a_field_more_and_no_new_version_is_an_error_and_the_session_stays() {
    let dir = tempfile::tempdir().unwrap();
    written_by_the_old_program(dir.path(), Codec::Bincode);

    let sessions = TypedStore::<LoginWithTheme>::new(open(dir.path())).codec(Codec::Bincode);
    stays_as_it_was(&sessions);
    sessions.store().close().unwrap();
    let sessions = TypedStore::<Login>::new(open(dir.path()));
    assert_eq!(sessions.get("id").unwrap().unwrap().value(), &login(), "the old program still reads it");
}

#[test]
fn a_rolled_back_deploy_cannot_read_what_the_new_program_wrote_and_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let new = TypedStore::<LoginV2>::new(open(dir.path()));
    let value = LoginV2 { user: 7, cart: vec![], theme: light() };
    new.create("id", TypedWrite::new(&value).subject("7")).unwrap();

    stays_as_it_was(&TypedStore::<Login>::new(new.store().clone()));
    assert_eq!(new.get("id").unwrap().unwrap().value(), &value);
}

/// Every way to read `id`, which these sessions cannot decode, is an error that names it by its handle and changes
/// nothing.
fn stays_as_it_was<T: SessionValue>(sessions: &TypedStore<T>) {
    let store = sessions.store();
    let before = store.get("id").unwrap().unwrap();
    let named = |error: Error| {
        let said = error.to_string();
        assert!(matches!(error, Error::Codec(_)) && said.contains(&before.handle().to_string()), "{said}");
    };
    named(sessions.get("id").unwrap_err());
    named(sessions.get_handle(&before.handle()).unwrap_err());
    named(sessions.update_with("id", |_| unreachable!("shown to nobody")).unwrap_err());
    named(sessions.iter().unwrap().next().unwrap().unwrap_err());
    named(sessions.sessions_of("7").unwrap().next().unwrap().unwrap_err());
    assert!(store.get("id").unwrap().unwrap() == before);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_session_that_cannot_be_read_can_still_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = TypedStore::<Login>::new(open(dir.path()));
    for id in ["a", "b", "c"] {
        sessions.store().create(id, sessile::Write::new("no value").subject("7")).unwrap();
    }
    let handle = sessions.store().handle_of("b").unwrap();
    assert!(sessions.destroy("a").unwrap());
    assert!(sessions.destroy_handle(&handle).unwrap());
    assert_eq!(sessions.destroy_subject("7", None).unwrap(), 1);
    assert_eq!(sessions.store().len(), 0);
}

#[test]
fn one_session_that_cannot_be_read_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = TypedStore::<Login>::new(open(dir.path()));
    for id in ["a", "b", "c"] {
        sessions.create(id, TypedWrite::new(&login()).subject("7")).unwrap();
    }
    sessions.store().update("b", "no value").unwrap();
    let read: Vec<_> = sessions.sessions_of("7").unwrap().collect();
    assert_eq!(read.iter().filter(|session| session.is_ok()).count(), 2);
    assert_eq!(read.iter().filter(|session| matches!(session, Err(Error::Codec(_)))).count(), 1);
}

#[test]
fn both_codecs_in_one_store_are_read_by_their_tags() {
    let dir = tempfile::tempdir().unwrap();
    let json = TypedStore::<Login>::new(open(dir.path()));
    let bincode = json.clone().codec(Codec::Bincode);
    json.create("j", login()).unwrap();
    bincode.create("b", login()).unwrap();
    for sessions in [&json, &bincode] {
        for id in ["j", "b"] {
            assert_eq!(sessions.get(id).unwrap().unwrap().value(), &login());
        }
    }
    let codec_of = |id| Encoded::parse(json.store().get(id).unwrap().unwrap().data()).unwrap().codec();
    assert_eq!((codec_of("j"), codec_of("b")), (Codec::Json, Codec::Bincode));
}

#[test]
fn every_operation_is_the_stores_own() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = TypedStore::<Login>::new(open(dir.path()));
    assert!(sessions.get("old").unwrap().is_none());
    assert!(matches!(sessions.update("old", login()), Err(Error::Unknown(_))));

    let first = sessions.set("old", login()).unwrap();
    assert!(matches!(sessions.create("old", login()), Err(Error::Duplicate)));
    let second = sessions.replace_if("old", first, &Login { user: 8, cart: vec![] }).unwrap();
    assert!(
        matches!(sessions.replace_if("old", first, login()), Err(Error::Conflict { current }) if current == second)
    );

    let third = sessions.update_with("old", |session| {
        let mut login = session.into_value();
        login.cart.push(42);
        Some(TypedWrite::from(login).subject("8"))
    });
    assert!(third.unwrap().unwrap() > second);
    assert_eq!(sessions.update_with("old", |_| None).unwrap(), None);
    let session = sessions.get("old").unwrap().unwrap();
    assert_eq!(session.value(), &Login { user: 8, cart: vec![42] });
    assert_eq!(session.subject(), Some(sessions.store().subject_digest("8").unwrap()));

    sessions.touch("old", std::time::Duration::from_secs(60)).unwrap();
    sessions.rotate("old", "new", Some(TypedWrite::new(&login()).subject("7"))).unwrap();
    assert!(sessions.get("old").unwrap().is_none());
    let devices: Vec<_> = sessions.sessions_of("7").unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].value(), &login());
    assert_eq!(devices[0].created_ms(), session.created_ms());
    sessions.rotate("new", "newer", None).unwrap();
    assert_eq!(sessions.get("newer").unwrap().unwrap().value(), &login());
}

/// A type with everything that carries a length.
#[derive(Debug, Serialize, Deserialize)]
struct Greedy {
    text: String,
    bytes: Vec<u8>,
    words: Vec<u64>,
    map: HashMap<String, Vec<String>>,
    last: Option<Box<Greedy>>,
}

impl SessionValue for Greedy {}

#[test]
fn a_length_that_lies_is_an_error_and_no_allocation() {
    let peak = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before_kib = peak();
    for length in [1, 1 << 20, 1 << 33, 1 << 40, 1 << 62, u64::MAX / 8, u64::MAX] {
        // The length in each field's place, with everything before it empty.
        for fields_before in 0..4 {
            let mut data = b"B\x01\0\0\0".to_vec();
            data.resize(data.len() + 8 * fields_before, 0);
            data.extend_from_slice(&u64::to_le_bytes(length));
            let read = Encoded::parse(&data).unwrap().into_value::<Greedy>();
            assert!(matches!(read, Err(Error::Codec(_))), "{length} after {fields_before} fields: {read:?}");
        }
    }
    // The stores of other tests map a few segments meanwhile; the least of the lies above is 8 GiB.
    let grown_mib = (peak() - before_kib) >> 10;
    assert!(grown_mib < 4096, "lengths that lie cost {grown_mib} MiB of address space");
}

#[test]
fn nesting_without_end_is_an_error_and_no_stack_overflow() {
    let json = [b"J\x01\0\0\0".as_slice(), &b"[".repeat(1 << 20)].concat();
    assert!(matches!(Encoded::parse(&json).unwrap().into_value::<Nested>(), Err(Error::Codec(_))));
}

/// Nests as deep as the bytes say.
#[derive(Debug, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

impl SessionValue for Nested {}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), bincode: bool) {
        let tag = if bincode { b"B\x01\0\0\0" } else { b"J\x01\0\0\0" };
        let data = [tag.as_slice(), &bytes].concat();
        if let Err(error) = Encoded::parse(&data).unwrap().into_value::<Greedy>() {
            prop_assert!(matches!(error, Error::Codec(_)));
        }
        if let Err(error) = Encoded::parse(&bytes).and_then(Encoded::into_value::<Greedy>) {
            prop_assert!(matches!(error, Error::Codec(_)));
        }
    }

    #[test]
    fn a_value_that_was_written_is_read_as_it_was(user: u64, cart: Vec<u32>, bincode: bool) {
        let codec = if bincode { Codec::Bincode } else { Codec::Json };
        let login = Login { user, cart };
        let data = Encoded::write(&login, codec).unwrap();
        prop_assert_eq!(Encoded::parse(&data).unwrap().into_value::<Login>().unwrap(), login);
    }
}
