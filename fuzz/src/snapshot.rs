//! The index as a clean close left it.
//!
//! What must hold: a count that lies is refused and allocates nothing; what is read takes up all the bytes.

use sessile::fuzzing;

use crate::allocation::bounded;
use crate::{how, is_sealed};

pub fn check(data: &[u8]) {
    let (how, rest) = how(data);
    let mut bytes = rest.to_vec();
    if is_sealed(how) {
        fuzzing::seal_snapshot(&mut bytes);
    }
    let read = bounded(bytes.len() * 8 + 4096, || fuzzing::snapshot(&bytes));
    if let Some([entries, subjects, segments]) = read {
        // A number may stand twice among the segments.
        assert!(2132 + (entries + subjects) * 24 + segments * 16 <= bytes.len(), "more than there is");
    }
}
