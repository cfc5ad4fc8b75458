//! A sealed segment: header, frames and footer, read as recovery reads it.
//!
//! The input is a file. Its first four bytes say where the frames end and how much of it is sealed; the roster lists what
//! the header says. What must hold: it is a segment or it is refused as damage of this file; a footer that counts says
//! what was written in it; damage that is told lies within the file.

use std::path::Path;
use std::sync::Arc;

use sessile::Error;
use sessile::fuzzing::{self, Listed};
use sessile::vfs::SimVfs;

use crate::allocation::bounded;
use crate::is_sealed;

const NUMBER: u32 = 7;

pub fn check(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<4>() else { return };
    let [how, compacted, low, high] = *head;
    let mut file = rest.to_vec();
    let end = usize::from(u16::from_le_bytes([low, high])) & !7;
    let (start, salt) = seal(&mut file, how, end);
    let listed = Listed {
        number: NUMBER,
        compacted: compacted & 1 == 1,
        salt,
        end: end as u64,
        lsn_min: 1,
        lsn_max: 1 << 50,
        ceiling_ms: 0,
    };
    let machine = SimVfs::new();
    let directory = Path::new("/store");
    machine.write_file(&directory.join("00000007.seg"), &file).unwrap();
    let store_id = file.get(16..32).and_then(|id| id.try_into().ok()).unwrap_or([0; 16]);
    let vfs = Arc::new(machine);
    let read = bounded(file.len() * 24 + (16 << 10), || fuzzing::sealed(vfs, directory, store_id, &listed));
    match read {
        Ok(read) => {
            assert!(start <= end as u64 || read.scanned, "a header longer than its frames");
            for (offset, _) in &read.damage {
                assert!((start..=file.len() as u64).contains(offset), "damage at {offset}");
            }
            let again = fuzzing::footer(&read.footer, salt, end as u64).expect("hints can be written");
            assert_eq!(again.hints, read.hints);
            assert!(read.scanned || read.damage.is_empty(), "a footer knows of no damage");
        }
        Err(Error::Corrupt(damage)) => assert_eq!(damage.file, "00000007.seg"),
        Err(error) => panic!("not damage: {error:?}"),
    }
}

/// Seals header, frames and footer; each only in most inputs. Returns where the frames begin, and the salt.
fn seal(file: &mut [u8], how: u8, end: usize) -> (u64, u64) {
    if is_sealed(how) {
        fuzzing::seal_segment_header(file);
    }
    let Some((start, salt, _)) = fuzzing::segment_header(file) else { return (0, 0) };
    let mut at = start as usize;
    while how & 16 == 0
        && at < end
        && let Some(span) = file.get_mut(at..).and_then(|rest| fuzzing::seal_frame(rest, salt, at as u64))
    {
        at += span;
    }
    if how & 32 == 0
        && let Some(footer) = file.get_mut(end..)
    {
        fuzzing::seal_footer(footer, salt, end as u64);
    }
    (start, salt)
}
