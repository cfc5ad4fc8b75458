//! What is sealed opens where it was sealed, with the key it was sealed with, and nowhere else.

use std::os::unix::fs::PermissionsExt;

use super::*;

const KEY: [u8; 32] = [0x5a; 32];
const OTHER: [u8; 32] = [0xa5; 32];
const STORE: Whose = Whose::Store([1; 16]);

fn segment(salt: u64) -> Whose {
    Whose::Segment { store_id: [1; 16], salt }
}

fn ring(name: &str, key: [u8; 32]) -> KeyRing {
    KeyRing::new(name, key).unwrap()
}

/// The published vector of the cipher (NIST's gcmEncryptExtIV256, with 128 bits of plain and 128 of bound text).
#[test]
fn the_cipher_is_aes_256_gcm() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let key: [u8; 32] =
        hex("92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b").try_into().unwrap();
    let nonce: [u8; 12] = hex("ac93a1a6145299bde902f21a").try_into().unwrap();
    let bound = hex("1e0889016f67601c8ebea4943bc23ad6");
    let plain = hex("2d71bcfa914e4ac045b2aa60955fad24");
    let sealed = hex("8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab");
    let opened = super::cipher::open_with(&key, &nonce, &bound, &sealed);
    assert_eq!(opened, Some(plain));
}

#[test]
fn a_payload_opens_at_its_place_with_what_it_is_bound_to_and_no_bit_may_flip() {
    let key = DataKey::new(&KEY, "a");
    let mut out = b"before".to_vec();
    out.extend_from_slice(b"the payload");
    key.seal(4096, b"bound", &mut out, 6);
    assert_eq!(out.len(), 6 + 11 + TAG_BYTES);
    assert_eq!(&out[..6], b"before");
    let sealed = &out[6..];
    assert!(!sealed.windows(7).any(|window| window == b"payload"));
    assert_eq!(key.open(4096, b"bound", sealed).as_deref(), Some(&b"the payload"[..]));
    assert_eq!(key.open(4104, b"bound", sealed), None, "another place");
    assert_eq!(key.open(4096, b"other", sealed), None, "another record");
    assert_eq!(DataKey::new(&OTHER, "a").open(4096, b"bound", sealed), None, "another segment");
    for bit in 0..sealed.len() * 8 {
        let mut bad = sealed.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.open(4096, b"bound", &bad), None, "bit {bit}");
    }
    for cut in 0..sealed.len() {
        assert_eq!(key.open(4096, b"bound", &sealed[..cut]), None);
    }
}

#[test]
fn a_key_opens_what_it_wrapped_for_whom_it_wrapped_it() {
    let wrapped = ring("a", KEY).wrap(&[3; 32], segment(7), Stage::Sealed).unwrap();
    assert_eq!(ring("a", KEY).unwrap(&wrapped, segment(7)).unwrap(), [3; 32]);
    for whose in [segment(8), STORE, Whose::Segment { store_id: [2; 16], salt: 7 }] {
        assert!(matches!(ring("a", KEY).unwrap(&wrapped, whose), Err(Error::KeyWrong { .. })), "{whose:?}");
    }
    assert!(
        matches!(ring("a", OTHER).unwrap(&wrapped, segment(7)), Err(Error::KeyWrong { name }) if name == "a")
    );
    assert!(
        matches!(ring("b", KEY).unwrap(&wrapped, segment(7)), Err(Error::KeyMissing { name }) if name == "a")
    );
    let both = ring("b", OTHER).and_older("a", KEY).unwrap();
    assert_eq!(both.unwrap(&wrapped, segment(7)).unwrap(), [3; 32], "an older key opens");
    assert_eq!(both.wrap(&[3; 32], segment(7), Stage::Sealed).unwrap().name, "b", "the newest wraps");
}

/// Who can write to the disk can make a checksum right, and no seal.
#[test]
fn what_stands_before_a_wrapped_key_is_bound_to_it() {
    let ring = ring("a", KEY).and_older("b", KEY).unwrap();
    for whose in [STORE, segment(7)] {
        let wrapped = ring.wrap(&[3; 32], whose, Stage::Sealed).unwrap();
        assert!(ring.unwrap(&wrapped, whose).is_ok());
        for other in [
            Wrapped { stage: Stage::Sealing, ..wrapped.clone() },
            Wrapped { name: "b".into(), ..wrapped.clone() },
        ] {
            assert!(matches!(ring.unwrap(&other, whose), Err(Error::KeyWrong { .. })));
        }
    }
}

#[test]
fn no_two_wrappings_share_a_nonce() {
    let ring = ring("a", KEY);
    let nonces: std::collections::HashSet<_> =
        (0..100).map(|_| ring.wrap(&[3; 32], STORE, Stage::Sealed).unwrap().nonce).collect();
    assert_eq!(nonces.len(), 100);
}

#[test]
fn a_ring_is_read_from_text() {
    let hex = "5a".repeat(32);
    let forms =
        [&hex, "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=", "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo"];
    for form in forms {
        for text in [
            format!("# keys\n\n  new  {form}\r\nold {}\n", "a5".repeat(32)),
            format!("new {form},old {}", "a5".repeat(32)),
        ] {
            let read = KeyRing::parse(&text).unwrap();
            assert_eq!(read.names().collect::<Vec<_>>(), ["new", "old"]);
            let wrapped = ring("new", KEY).wrap(&[3; 32], STORE, Stage::Sealed).unwrap();
            assert!(read.unwrap(&wrapped, STORE).is_ok(), "{form}");
        }
    }
}

#[test]
fn what_is_no_ring_is_refused_and_never_repeated() {
    let key = "5a".repeat(32);
    for text in [
        String::new(),
        "# nothing".into(),
        key.clone(),
        format!("a {key} b"),
        format!("a {}", &key[2..]),
        format!("a {key}00"),
        format!("a {}", "zz".repeat(32)),
        format!("a {}", "00".repeat(32)),
        format!("a {key}\na {key}"),
        format!("a/b {key}"),
        format!("{key} a"),
        format!("{} {key}", "n".repeat(33)),
    ] {
        match KeyRing::parse(&text) {
            Err(error @ Error::KeysUnreadable { .. }) => {
                assert!(!error.to_string().contains("5a5a") && !format!("{error:?}").contains("5a5a"));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn nothing_shows_a_key() {
    let ring = ring("2026", KEY).and_older("2025", OTHER).unwrap();
    assert_eq!(format!("{ring:?}"), r#"KeyRing(["2026", "2025"])"#);
    assert_eq!(format!("{:?}", DataKey::new(&KEY, "a")), "DataKey(..)");
}

#[test]
fn a_file_of_keys_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, format!("a {}", "5a".repeat(32))).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o644, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        match KeyRing::from_file(&path) {
            Err(Error::KeysUnreadable { what, .. }) => assert!(what.contains("chmod 600"), "{what}"),
            other => panic!("{mode:o}: {other:?}"),
        }
    }
    for mode in [0o600, 0o400] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(KeyRing::from_place(&format!("file:{}", path.display())).unwrap().newest(), "a");
    }
    assert!(matches!(KeyRing::from_file(dir.path().join("none")), Err(Error::KeysUnreadable { .. })));
    assert!(matches!(KeyRing::from_file(dir.path()), Err(Error::KeysUnreadable { .. })));
}

#[test]
fn a_place_that_is_none_is_not_repeated() {
    let key = "5a".repeat(32);
    let unpadded = "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo";
    for place in [
        key.as_str(),
        "",
        "file:",
        "env:",
        "/etc/keys",
        &format!("a:{key}"),
        &format!("env:{key}"),
        &format!("file:{key}"),
        &format!("env:{unpadded}"),
        &format!("file:{unpadded}="),
        // A line of a file of keys, in the place of the file's name.
        &format!("file:2026 {key}"),
        &format!("env:2026 {key}"),
        &format!("env:2026:{unpadded}"),
        &format!("env: {key}"),
        &format!("file:/srv/{key}"),
        &format!("file:2026\t{unpadded}=\n"),
    ] {
        let error = KeyRing::from_place(place).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("5a5a") && !shown.contains("WlpaWlpa"), "{shown}");
    }
    let error = KeyRing::from_place("env:SESSILE_TEST_NOT_SET").unwrap_err().to_string();
    assert!(error.contains("SESSILE_TEST_NOT_SET"), "{error}");
    assert!(matches!(KeyRing::from_place("env:SESSILE_TEST_NOT_SET"), Err(Error::KeysUnreadable { .. })));
}

/// Every meeting of a store and of somebody with keys: there is no way back to plain.
#[test]
fn a_sealed_store_has_no_plain_segment_and_a_plain_one_no_keys() {
    let ring = |name: &str, key| Arc::new(ring(name, key));
    let (a, b, wrong) = (ring("a", KEY), ring("b", KEY), ring("a", OTHER));
    let sealing = Sealing::of_new(Some(&a));
    let (secret, store_id) = ([3; 32], [1; 16]);
    let plain = StoreEnvelope::default();
    let sealed = sealing.wrap_secret(store_id, &secret, Stage::Sealed).unwrap();
    let between = sealing.wrap_secret(store_id, &secret, Stage::Sealing).unwrap();
    let agreed = |envelope: &StoreEnvelope, ring, aim| Sealing::agreed(envelope, store_id, ring, aim);

    assert!(matches!(agreed(&plain, None, Aim::Use), Ok((sealing, None)) if !sealing.seals()));
    assert!(matches!(agreed(&plain, Some(&a), Aim::Use), Err(Error::KeysForPlain)));
    assert!(matches!(agreed(&plain, Some(&a), Aim::Encrypt), Ok((sealing, None)) if sealing.is_unfinished()));
    let opened = agreed(&sealed, Some(&a), Aim::Use).unwrap();
    assert!(opened.1 == Some(secret) && opened.0.seals() && !opened.0.is_unfinished());
    assert!(matches!(agreed(&sealed, Some(&a), Aim::Encrypt), Err(Error::EncryptedAlready)));
    for aim in [Aim::Use, Aim::Look, Aim::Encrypt] {
        assert!(matches!(agreed(&sealed, None, aim), Err(Error::KeyMissing { .. })));
        assert!(matches!(agreed(&sealed, Some(&b), aim), Err(Error::KeyMissing { .. })));
        assert!(matches!(agreed(&sealed, Some(&wrong), aim), Err(Error::KeyWrong { .. })));
    }
    assert!(matches!(agreed(&between, Some(&a), Aim::Use), Err(Error::KeysUnfinished)));
    for aim in [Aim::Look, Aim::Encrypt] {
        let opened = agreed(&between, Some(&a), aim);
        assert!(matches!(opened, Ok((sealing, Some(_))) if sealing.is_unfinished()));
    }
    assert!(matches!(agreed(&plain, Some(&a), Aim::Look), Err(Error::KeysForPlain)));

    let (envelope, key) = sealing.begin(store_id, 7).unwrap();
    assert!(key.is_some());
    let open =
        |sealing: &Sealing, envelope: &SegmentEnvelope| sealing.open(envelope, segment(7), "x.seg").map(drop);
    let of_plain = Sealing::default();
    let of_between = agreed(&between, Some(&a), Aim::Encrypt).unwrap().0;
    let beginning = agreed(&plain, Some(&a), Aim::Encrypt).unwrap().0;
    let none = SegmentEnvelope::default();
    assert!(open(&sealing, &envelope).is_ok() && open(&of_between, &envelope).is_ok());
    assert!(open(&of_plain, &none).is_ok() && open(&of_between, &none).is_ok());
    assert!(matches!(open(&sealing, &none), Err(Error::Corrupt(_))), "somebody's plain segment");
    assert!(open(&beginning, &none).is_ok() && open(&beginning.clone().begun(), &envelope).is_ok());
    assert!(matches!(open(&beginning, &envelope), Err(Error::Corrupt(_))), "somebody's plain header");
    assert!(matches!(open(&of_plain, &envelope), Err(Error::KeyMissing { .. })));
    let strange = SegmentEnvelope::new(vec![9; 20]).unwrap();
    assert!(matches!(open(&sealing, &strange), Err(Error::NewerFormat { .. })), "a later release's");
}
