//! The file `EVENTS`: two copies of what listeners have been told.
//!
//! The input is one copy, or, where it is cut in the middle, two. What must hold: a sound copy written again is the same; of two
//! sound copies the one with the higher number counts; nothing sound is damage, and no store stays closed for it.

use std::path::Path;

use sessile::fuzzing::{self, LedgerRead};
use sessile::vfs::SimVfs;

use crate::allocation::bounded;
use crate::{how, is_sealed};

const STORE_ID: [u8; 16] = [9; 16];

pub fn check(data: &[u8]) {
    let (how, rest) = how(data);
    let half = if how & 0x80 == 0 { rest.len() } else { rest.len() / 2 };
    let (first, second) = rest.split_at(half);
    let mut copies = [first.to_vec(), second.to_vec()];
    for (number, copy) in copies.iter_mut().enumerate() {
        if is_sealed(how >> (number * 3)) {
            fuzzing::seal_ledger(copy);
        }
    }
    let read = copies.each_ref().map(|copy| {
        let read = fuzzing::ledger(copy, STORE_ID);
        if let Some((_, again)) = &read {
            assert!(copy.starts_with(again), "not what was read");
        }
        read
    });
    let mut file = copies[0].clone();
    file.resize(fuzzing::LEDGER_COPY_BYTES, 0);
    file.extend_from_slice(&copies[1]);
    let (machine, directory) = (SimVfs::new(), Path::new("/store"));
    machine.write_file(&directory.join("EVENTS"), &file).unwrap();
    let found =
        bounded(fuzzing::LEDGER_COPY_BYTES * 3, || fuzzing::ledger_file(&machine, directory, STORE_ID));
    match (read.into_iter().flatten().map(|(number, _)| number).max(), found) {
        (None, LedgerRead::Damaged) => {}
        (Some(number), LedgerRead::Sound(found)) => {
            assert_eq!(number, found, "the copy that says less was taken")
        }
        (read, found) => panic!("{read:?} gave {found:?}"),
    }
}
