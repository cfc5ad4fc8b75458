//! Records come back as they were, take the bytes that were promised, and no rubbish passes for one.

use super::*;
use proptest::prelude::*;

fn version(payload: &[u8]) -> Version<'_> {
    Version {
        digest: Digest([9; 16]),
        deadline: Deadline::at_ms(0x0102_0304_0506),
        created_ms: 0x0a0b,
        idle_ms: 60_000,
        birth: 5,
        absolute: Deadline::NEVER,
        ceiling: Deadline::at_ms(0x0102_0304_0506),
        subject: None,
        ends: None,
        id: None,
        payload,
        sealed_to: None,
    }
}

fn round_trip(record: Record<'_>) {
    let mut out = Vec::new();
    record.encode(&mut out, 3, 8);
    let frame = frame::decode(&out, 3, 8).unwrap();
    assert_eq!(Record::decode(&frame), Some(record));
}

#[test]
fn exact_bytes_of_a_create() {
    let mut out = Vec::new();
    Record { lsn: 5, what: What::Put(version(b"data")) }.encode(&mut out, 0, 0);
    assert_eq!(out.len(), 56);
    assert_eq!(out[4..8], [52, 0, 0, 1]);
    assert_eq!(out[16..32], [9; 16]);
    assert_eq!(out[32..38], [6, 5, 4, 3, 2, 1]);
    assert_eq!(out[38..44], [0x0b, 0x0a, 0, 0, 0, 0]);
    assert_eq!(out[44..47], (60_000u32 << 5).to_le_bytes()[..3]);
    assert_eq!(out[47], 0);
    assert_eq!(&out[48..52], b"data");
}

#[test]
fn no_frame_without_a_subject_is_longer_than_64_bytes() {
    let mut worst = version(b"");
    worst.absolute = Deadline::at_ms(99);
    worst.ceiling = Deadline::at_ms(0x0202_0304_0506);
    let mut out = Vec::new();
    Record { lsn: 6, what: What::Put(worst) }.encode(&mut out, 0, 0);
    assert_eq!(out.len(), 64);
}

#[test]
fn every_kind_comes_back() {
    let ends = Some(Ends { digest: Digest([4; 16]), ceiling: Deadline::at_ms(77) });
    let mut full = version(b"payload");
    full.subject = Some(Digest([1; 16]));
    full.ends = ends;
    full.id = Some(b"the id");
    full.absolute = Deadline::at_ms(1 << 41);
    full.ceiling = Deadline::NEVER;
    let digest = Digest([2; 16]);
    let ceiling = Deadline::at_ms(12);
    for what in [
        What::Put(version(b"")),
        What::Put(full),
        What::Stub { digest, birth: 1, ceiling, ends: None },
        What::Stub { digest, birth: 1, ceiling: Deadline::NEVER, ends },
        What::Touch { digest, base: 8, deadline: ceiling },
        What::Revoke { subject: digest, keep: None, ceiling },
        What::Revoke { subject: digest, keep: Some(Digest([3; 16])), ceiling },
        What::Clear { ceiling },
    ] {
        round_trip(Record { lsn: 9, what });
    }
}

proptest! {
    #[test]
    fn a_ceiling_is_never_rounded_down(deadline in 0u64..1 << 45, above in 0u64..1 << 45) {
        let mut version = version(b"x");
        version.deadline = Deadline::at_ms(deadline);
        version.ceiling = Deadline::at_ms(deadline.saturating_add(above));
        let mut out = Vec::new();
        Record { lsn: 5, what: What::Put(version) }.encode(&mut out, 1, 0);
        let frame = frame::decode(&out, 1, 0).unwrap();
        let Some(Record { what: What::Put(back), .. }) = Record::decode(&frame) else { panic!("no put") };
        prop_assert!(back.ceiling >= version.ceiling);
    }

    #[test]
    fn no_body_panics(kind in 1u8..9, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let kind = [Kind::Put, Kind::Stub, Kind::Touch, Kind::Revoke, Kind::Clear, Kind::Mark, Kind::Enter,
            Kind::Leave][usize::from(kind - 1)];
        let _ = Record::decode(&Frame { kind, lsn: 1, body: &body });
    }
}

/// A ceiling that came back as never would keep every stub for ever.
#[test]
fn a_ceiling_is_rounded_up_by_little() {
    let mut above = version(b"x");
    above.ceiling = Deadline::at_ms(above.deadline.bits() + 1_000_000);
    let mut out = Vec::new();
    Record { lsn: 5, what: What::Put(above) }.encode(&mut out, 1, 0);
    let frame = frame::decode(&out, 1, 0).unwrap();
    let Some(Record { what: What::Put(back), .. }) = Record::decode(&frame) else { panic!("no put") };
    assert!(back.ceiling.bits() - above.ceiling.bits() < 1_000);
}

#[test]
fn a_rotate_is_an_ending_and_what_begins_its_own_id_anew_is_none() {
    let mut rotated = version(b"x");
    let ceiling = Deadline::at_ms(1);
    rotated.ends = Some(Ends { digest: Digest([4; 16]), ceiling });
    assert!(Record { lsn: 5, what: What::Put(rotated) }.is_ending());
    rotated.ends = Some(Ends { digest: rotated.digest, ceiling });
    assert!(!Record { lsn: 5, what: What::Put(rotated) }.is_ending());
    assert!(!Record { lsn: 5, what: What::Put(version(b"x")) }.is_ending());
}
