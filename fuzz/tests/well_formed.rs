//! Seeds that are well formed, since a fuzzer does not guess a format: `cargo test --test well_formed -- --ignored`
//! writes them to `seeds/`. What a fuzzer has found beside them stays.

use std::fs;
use std::path::Path;

use sessile::fuzzing::{
    self, Body, Ending, Listed, Put, SegmentHeader, SnapshotEntry, SnapshotParts, StoreHeader,
};

const SALT: u64 = 0x5eed;
const NEVER_MS: u64 = (1 << 48) - 1;
const AT_MS: u64 = 1_800_000_000_000;

fn save(target: &str, name: &str, how: &[u8], bytes: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), [how, bytes].concat()).unwrap();
}

fn put(digest: u8) -> Put {
    Put {
        digest: [digest; 16],
        deadline_ms: AT_MS,
        created_ms: AT_MS - 1000,
        idle_ms: 1000,
        birth: 41,
        absolute_ms: AT_MS + 1,
        ceiling_ms: AT_MS + 5000,
        subject: Some([3; 16]),
        ends: Some(([4; 16], NEVER_MS)),
        id: Some(b"an id".to_vec()),
        payload: b"payload".to_vec(),
    }
}

fn listed(number: u32) -> Listed {
    Listed {
        number,
        compacted: number % 2 == 0,
        salt: SALT,
        end: 400,
        lsn_min: 1,
        lsn_max: 9,
        ceiling_ms: AT_MS,
    }
}

fn endings() -> Vec<Ending> {
    let one = Ending { lsn: 40, ceiling_ms: AT_MS, digest: Some([1; 16]), of_subject: false, keep: None };
    let subject = Ending { of_subject: true, ..one };
    vec![one, subject, Ending { keep: Some([2; 16]), ..subject }, Ending { digest: None, ..one }]
}

fn bodies() -> Vec<Body> {
    let plain = Put {
        birth: 43,
        absolute_ms: NEVER_MS,
        ceiling_ms: AT_MS,
        subject: None,
        ends: None,
        id: None,
        ..put(1)
    };
    vec![
        Body::Mark { durable_lsn: 40, since_lsn: 39, roster_lsn: 38, clock_ms: AT_MS, endings: endings() },
        Body::Put(put(1)),
        Body::Put(plain),
        Body::Stub { digest: [1; 16], birth: 41, ceiling_ms: AT_MS, ends: Some(([2; 16], AT_MS)) },
        Body::Touch { digest: [1; 16], base: 42, deadline_ms: AT_MS + 9 },
        Body::Revoke { subject: [3; 16], keep: None, ceiling_ms: AT_MS },
        Body::Revoke { subject: [3; 16], keep: Some([1; 16]), ceiling_ms: NEVER_MS },
        Body::Clear { ceiling_ms: NEVER_MS },
        Body::Enter(listed(4)),
        Body::Leave(vec![1, 2, 3]),
    ]
}

fn frames(start: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (lsn, body) in (41..).zip(bodies()) {
        out.extend(fuzzing::frame_bytes(SALT, start + out.len() as u64, lsn, &body));
    }
    out
}

#[test]
#[ignore = "writes the seeds"]
fn write_seeds() {
    let all = frames(96);
    save("frames", "all_kinds", &[0], &all);
    save("frames", "a_hole", &[0], &[&all[..160], &[0xaa; 48], &frames(96 + 208)[..400]].concat());
    save("frames", "unsealed", &[7], &all);
    save("frames", "in_any_order", &[8], &[frames(96), vec![0; 64]].concat());
    for (number, body) in bodies().iter().enumerate() {
        save("frames", &format!("kind_{number}"), &[0], &fuzzing::frame_bytes(SALT, 96, 41, body));
    }
    let body = |body: &Body| fuzzing::frame_bytes(SALT, 0, 41, body)[16..].to_vec();
    save("mark", "every_ending", &[], &body(&bodies()[0]));
    let empty =
        Body::Mark { durable_lsn: 1, since_lsn: 2, roster_lsn: 3, clock_ms: AT_MS, endings: Vec::new() };
    save("mark", "empty", &[], &body(&empty));
    save("mark", "count_that_lies", &[], &[&body(&empty)[..30], &[0xff, 0xff]].concat());
    let footer = fuzzing::footer_of(&all, 4096 - all.len() as u64, SALT);
    save("footer", "empty", &[0], &fuzzing::footer_of(&[], 4096, SALT));
    let shifted = frames(4096 - all.len() as u64);
    let footer =
        if footer.len() > 40 { footer } else { fuzzing::footer_of(&shifted, 4096 - all.len() as u64, SALT) };
    save("footer", "every_hint", &[0], &footer);
    save("footer", "counts_that_lie", &[0], &[&footer[..8], &[0xff; 12], &footer[20..]].concat());
    let entry = |listed: &Listed| body(&Body::Enter(*listed))[..48].to_vec();
    let enters =
        [&[0u8][..], &entry(&listed(1)), &[0], &entry(&listed(2)), &[0], &entry(&listed(1))].concat();
    save("roster", "enters", &[], &enters);
    save("roster", "leaves", &[], &[&enters[..], &[33, 1, 0, 0, 0, 9, 0, 0, 0]].concat());
    save("roster", "cut", &[], &enters[..70]);
    store_headers();
    ledgers();
    snapshots();
    segments();
    access_logs();
    let mut state = 1u64;
    for number in 0..12 {
        let mut bytes = Vec::new();
        for _ in 0..40 + number * 30 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((state >> 33) as u8);
        }
        bytes[0] = (number % 2) as u8;
        save("directory", &format!("seed_{number:02}"), &[], &bytes);
        save("operations", &format!("seed_{number:02}"), &[], &bytes[1..]);
    }
    save("directory", "nothing", &[], &[]);
}

fn store_headers() {
    let header = StoreHeader {
        store_id: [9; 16],
        secret: [7; 32],
        opening: 3,
        durable_lsn: 77,
        root: 5,
        keeps_ids: true,
        envelope: None,
    };
    let two = StoreHeader { durable_lsn: 78, ..header.clone() };
    let (one, two) = (header.bytes(), two.bytes());
    save("store_header", "two_copies", &[0], &[&one[..], &two].concat());
    save("store_header", "one_damaged", &[7], &[&one[..40], &[1], &one[41..], &two].concat());
    let newer = [&two[..8], &[2, 0, 0, 0, 2, 0, 0, 0], &two[16..]].concat();
    save("store_header", "newer", &[0], &[&one[..], &newer].concat());
    save("store_header", "cut", &[0], &one[..60]);
    let mut upgraded = StoreHeader { envelope: Some(vec![5; 200]), ..header }.bytes();
    upgraded.resize(fuzzing::STORE_COPY_BYTES_MAX, 0);
    save("store_header", "upgraded_between_the_copies", &[64], &[&upgraded[..], &one].concat());
    save("store_header", "upgraded", &[64], &[&upgraded[..], &upgraded].concat());
    upgraded[96] = 0xff;
    save("store_header", "envelope_that_lies", &[64], &[&upgraded[..], &one].concat());
}

fn ledgers() {
    let event = |kind: u8| [&[kind][..], &[1; 16], &[2; 16]].concat();
    let head = |count: u8, number: u8| {
        [
            b"SESTOLD1\x01\0\0\0".as_slice(),
            &[count, 0, 0, 0],
            &[9; 16],
            &[number, 0, 0, 0, 0, 0, 0, 0],
            &[5; 8],
            &[0; 4],
        ]
        .concat()
    };
    let whole = [head(2, 7), event(2), [&[1][..], &[3; 16], &[0; 16]].concat()].concat();
    save("ledger", "one_copy", &[0], &whole);
    save("ledger", "two_copies", &[0x80], &[&whole[..], &[head(2, 8), event(2), event(2)].concat()].concat());
    save("ledger", "count_that_lies", &[0], &[head(0xff, 7), event(2)].concat());
    save("ledger", "unknown_event", &[0], &[head(1, 7), event(9)].concat());
}

fn snapshots() {
    let entry = |digest: u8, subject| SnapshotEntry {
        digest: [digest; 16],
        segment: 5,
        offset: 96,
        deadline_ms: AT_MS,
        arming: 7,
        subject,
    };
    let parts = SnapshotParts {
        store_id: [9; 16],
        opening: 3,
        last_lsn: 77,
        segments: vec![(5, SALT, 120), (6, SALT, 0)],
        entries: vec![entry(1, Some([3; 16])), entry(2, None)],
    };
    let bytes = parts.bytes();
    save("snapshot", "two_sessions", &[0], &bytes);
    save(
        "snapshot",
        "empty",
        &[0],
        &SnapshotParts { segments: Vec::new(), entries: Vec::new(), ..parts }.bytes(),
    );
    save("snapshot", "counts_that_lie", &[0], &[&bytes[..48], &[0xff; 32], &bytes[80..]].concat());
}

fn segments() {
    for compacted in [false, true] {
        let roster = if compacted { Vec::new() } else { vec![listed(1), listed(2)] };
        let header = SegmentHeader {
            number: 7,
            compacted,
            store_id: [9; 16],
            salt: SALT,
            opening: 3,
            clock_ms: AT_MS,
            lsn_first: 41,
            copied_to: 0,
            capacity: 0,
            envelope: compacted.then(|| vec![5; 60]),
            roster,
        };
        let start = header.length();
        let frames = frames(start);
        let end = start + frames.len() as u64;
        let how = [0, u8::from(compacted), end as u8, (end >> 8) as u8];
        let footer = fuzzing::footer_of(&frames, start, SALT);
        let name = if compacted { "compacted" } else { "of_the_log" };
        save("segment", name, &how, &[&header.bytes()[..], &frames, &footer].concat());
        save("segment", &format!("{name}_without_footer"), &how, &[&header.bytes()[..], &frames].concat());
        let mut damaged = [&header.bytes()[..], &frames].concat();
        damaged[start as usize + 200..start as usize + 240].fill(0);
        save("segment", &format!("{name}_with_a_hole"), &[16, how[1], how[2], how[3]], &damaged);
    }
}

fn access_logs() {
    let combined = br#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 203023 "http://a/" "Mozilla/5.0 (X; Y)""#;
    let common = br#"2001:db8::7 - J. Doe [10/Oct/2000:13:55:36 -0700] "GET /\" HTTP/1.0" 200 -"#;
    save("access_log", "combined", &[], combined);
    save("access_log", "common", &[], common);
    save("access_log", "more_fields", &[], &[&combined[..], b" \"10.0.0.1\" 0.003 - 17\r\n"].concat());
    save("access_log", "several", &[], &[&combined[..], b"\nrubbish\n", common, b"\r\n\n"].concat());
}
