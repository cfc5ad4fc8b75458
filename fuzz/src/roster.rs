//! The list of segments: its entries, and the frames that change it, against a plain map.
//!
//! The first byte of each piece says what it is and how long: an `Enter` or a `Leave`. What must hold: the roster is the
//! map, in no order that means anything; no number stands twice.

use std::collections::BTreeMap;

use sessile::fuzzing;

use crate::allocation::bounded;

pub fn check(data: &[u8]) {
    let mut rest = data;
    let mut changes: Vec<(bool, &[u8])> = Vec::new();
    while let Some((how, behind)) = rest.split_first() {
        let length = if how & 1 == 0 { 48 - usize::from(how >> 7) } else { usize::from(how >> 2) };
        let (piece, left) = behind.split_at(length.min(behind.len()));
        changes.push((how & 1 == 0, piece));
        rest = left;
    }
    let mut plain = BTreeMap::new();
    for (enters, body) in &changes {
        let again = if *enters { fuzzing::listed(body) } else { fuzzing::leave(body) };
        let Some(again) = again else { continue };
        if *enters {
            assert_eq!(again[..40], body[..40], "an entry is not what was read");
            plain.insert(word(body, 0) as u32, word(body, 16));
        } else {
            assert_eq!(again, *body, "a list of numbers is not what was read");
            body.chunks(4).for_each(|number| {
                plain.remove(&u32::from_le_bytes(number.try_into().unwrap()));
            });
        }
    }
    let mut roster = bounded(data.len() * 16 + 4096, || fuzzing::roster(&changes));
    roster.sort_unstable();
    assert_eq!(roster, plain.into_iter().collect::<Vec<_>>());
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
