//! The file `STORE`: two copies of the store's header.
//!
//! The input is the two copies, the first of 92 bytes or as long as any can be, and whatever follows. What must hold: a sound
//! copy written again is the same; of two sound copies the one that says more counts; a newer format is told from damage; no
//! copy, no store.

use std::path::Path;

use sessile::Error;
use sessile::fuzzing::{self, StoreRead};
use sessile::vfs::SimVfs;

use crate::allocation::bounded;
use crate::{how, is_sealed};

const COPY_BYTES: usize = 92;
const SECOND_AT: usize = 4096;

pub fn check(data: &[u8]) {
    let (how, rest) = how(data);
    let first_bytes = if how & 64 == 0 { COPY_BYTES } else { fuzzing::STORE_COPY_BYTES_MAX };
    let (first, second) = rest.split_at(first_bytes.min(rest.len()));
    let mut copies = [first.to_vec(), second.to_vec()];
    for (number, copy) in copies.iter_mut().enumerate() {
        if is_sealed(how >> (number * 3)) {
            fuzzing::seal_store_header(copy);
        }
    }
    // What is read from the file at either place has zeros behind it, or the end of the file.
    copies[0].resize(first_bytes, 0);
    let read = copies.each_ref().map(|copy| {
        let read = fuzzing::store_header(copy);
        if let StoreRead::Sound(again) = &read {
            assert!(fuzzing::store_header(again) == StoreRead::Sound(again.clone()), "not what is read back");
            assert_eq!(again[16..80], copy[16..80], "ids and numbers are what they were");
        }
        read
    });
    let mut file = copies[0].clone();
    file.resize(SECOND_AT, 0);
    file.extend_from_slice(&copies[1]);
    let (machine, directory) = (SimVfs::new(), Path::new("/store"));
    machine.write_file(&directory.join("STORE"), &file).unwrap();
    let found = bounded(16 << 10, || fuzzing::store_file(&machine, directory));
    match (read, found) {
        ([StoreRead::Newer(format), _], Err(Error::NewerFormat { found, .. })) => assert_eq!(found, format),
        ([_, StoreRead::Newer(format)], Err(Error::NewerFormat { found, .. })) => assert_eq!(found, format),
        ([StoreRead::Damaged, StoreRead::Damaged], Err(Error::Corrupt(damage))) => {
            assert_eq!(damage.file, "STORE");
        }
        ([StoreRead::Sound(one), StoreRead::Damaged], Ok(Some(found)))
        | ([StoreRead::Damaged, StoreRead::Sound(one)], Ok(Some(found))) => assert_eq!(found, one),
        ([StoreRead::Sound(one), StoreRead::Sound(other)], Ok(Some(found))) => {
            let better = if says(&other) > says(&one) { other } else { one };
            assert_eq!(found, better, "the copy that says less was taken");
        }
        (read, found) => panic!("{read:?} gave {found:?}"),
    }
}

/// Format, opening and durable LSN.
fn says(copy: &[u8]) -> (u8, u64, u64) {
    let word = |at: usize| u64::from_le_bytes(copy[at..at + 8].try_into().unwrap());
    (copy[8], word(64), word(72))
}
