//! Any bytes as the frames of a segment: records, marks, and what changes the roster.
//!
//! What must hold: a scan covers all bytes, each once, by a frame or a hole; frames of the log ascend; what was
//! understood of a frame and written again is understood as the same.

use sessile::fuzzing;

use crate::allocation::bounded;
use crate::{how, is_sealed};

const SALT: u64 = 0x5eed;
const CLEAR: u8 = 5;

pub fn check(data: &[u8]) {
    let (how, rest) = how(data);
    let mut bytes = rest.to_vec();
    let start = u64::from(how >> 4) * 8 + 96;
    if is_sealed(how) {
        seal_all(&mut bytes, start);
    }
    let ordered = how & 8 == 0;
    let scanned = bounded(bytes.len() * 8 + 4096, || fuzzing::scanned(&bytes, start, SALT, ordered));
    let mut parts: Vec<(u64, u64)> = scanned.frames.iter().map(|frame| (frame.0, frame.1)).collect();
    parts.extend(&scanned.holes);
    parts.sort_unstable();
    let mut reached = start;
    for (begin, end) in parts {
        assert!(begin == reached && end > begin, "a gap or an overlap at {begin}, reached {reached}");
        reached = end;
    }
    let all = start + bytes.len() as u64;
    assert!((all..all + 8).contains(&reached), "the scan reached {reached} of {all}");
    if ordered {
        // Only a clear may share its LSN with the frame behind it.
        let kind = |begin: u64| bytes[(begin - start) as usize + 7];
        let shares = |two: &[(u64, u64, u64)]| {
            two[0].2 == two[1].2 && kind(two[0].0) == CLEAR && kind(two[1].0) != CLEAR
        };
        let ascends = |two: &[(u64, u64, u64)]| two[0].2 < two[1].2 || shares(two);
        assert!(scanned.frames.windows(2).all(ascends), "the log goes back");
    }
    for (begin, _, _) in scanned.frames {
        understood(&bytes[(begin - start) as usize..], begin);
    }
}

/// Puts right the checksums of all frames that follow one another from the front.
pub fn seal_all(bytes: &mut [u8], start: u64) {
    let mut at = 0;
    while let Some(span) =
        bytes.get_mut(at..).and_then(|rest| fuzzing::seal_frame(rest, SALT, start + at as u64))
    {
        at += span;
    }
}

fn understood(bytes: &[u8], offset: u64) {
    let read = bounded(bytes.len() * 8 + 4096, || fuzzing::frame(bytes, SALT, offset));
    let Some((span, again)) = read else { panic!("the scan saw a frame at {offset}, the decoder none") };
    assert!(span >= 16 && span.is_multiple_of(8));
    let Some(again) = again else { return };
    let twice = fuzzing::frame(&again, SALT, offset).and_then(|(_, again)| again);
    assert_eq!(twice.as_ref(), Some(&again), "what was understood is not what is read back");
}
