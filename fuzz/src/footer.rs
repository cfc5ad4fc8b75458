//! The hints behind a sealed segment.
//!
//! What must hold: what was understood and written again is understood as the same; a count that lies allocates
//! nothing.

use sessile::fuzzing;

use crate::allocation::bounded;
use crate::{how, is_sealed};

const SALT: u64 = 0x5eed;
const END: u64 = 4096;

pub fn check(data: &[u8]) {
    let (how, rest) = how(data);
    let mut bytes = rest.to_vec();
    if is_sealed(how) {
        fuzzing::seal_footer(&mut bytes, SALT, END);
    }
    let read = bounded(bytes.len() * 16 + 4096, || fuzzing::footer(&bytes, SALT, END));
    let Some(read) = read else { return };
    assert!(read.hints * 40 + read.sweeping * 16 <= bytes.len(), "more hints than there are bytes");
    let twice = fuzzing::footer(&read.again, SALT, END).map(|read| read.again);
    assert_eq!(twice, Some(read.again), "what was understood is not what is read back");
}
