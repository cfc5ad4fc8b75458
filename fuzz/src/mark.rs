//! The mark that opens each group of the log.
//!
//! What must hold: what was understood and written again is understood as the same; a count that lies allocates
//! nothing.

use sessile::fuzzing;

use crate::allocation::bounded;

pub fn check(data: &[u8]) {
    let read = bounded(data.len() * 8 + 1024, || fuzzing::mark(data));
    let Some(again) = read else { return };
    assert!(again.len() <= data.len(), "more was understood than there are bytes");
    assert_eq!(again[..32], data[..32], "the fixed fields are what they were");
    assert_eq!(fuzzing::mark(&again), Some(again), "what was understood is not what is read back");
}
