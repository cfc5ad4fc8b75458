//! Harm done to files that were written: bits, stretches, ends, whole files.

use arbitrary::{Result, Unstructured};

use super::grammar::Directory;

const BLOWS_MAX: u8 = 4;

/// Harms the files as the input says; with none left, nothing happens.
pub fn harm(directory: &mut Directory, bytes: &mut Unstructured<'_>) -> Result<()> {
    let blows = bytes.arbitrary::<u8>()? % (BLOWS_MAX + 1);
    for _ in 0..blows {
        if bytes.is_empty() || directory.files.is_empty() {
            break;
        }
        directory.is_harmed = true;
        blow(directory, bytes)?;
    }
    Ok(())
}

fn blow(directory: &mut Directory, bytes: &mut Unstructured<'_>) -> Result<()> {
    let names: Vec<String> = directory.files.keys().cloned().collect();
    let kind: u8 = bytes.arbitrary()?;
    let name = bytes.choose(&names)?.clone();
    let other = bytes.choose(&names)?.clone();
    let other = directory.files[&other].clone();
    let Some(file) = directory.files.get_mut(&name) else { return Ok(()) };
    // What is behind the last byte that is no zero is a tail that was never written.
    let used = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let at = usize::from(bytes.arbitrary::<u16>()?) % (used + 1);
    let length = usize::from(bytes.arbitrary::<u8>()?) + 1;
    let until = (at + length).min(file.len());
    match kind % 8 {
        0 | 1 => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << (length % 8);
            }
        }
        2 => file[at..until].fill(0),
        3 => file.truncate(at),
        4 => {
            directory.files.remove(&name);
        }
        5 => *file = other,
        6 => {
            let from = usize::from(bytes.arbitrary::<u16>()?) % (other.len() + 1);
            let stretch = &other[from..(from + until - at).min(other.len())];
            file[at..at + stretch.len()].copy_from_slice(stretch);
        }
        _ => {
            let garbage = bytes.bytes(length.min(bytes.len()))?;
            let length = garbage.len().min(file.len() - at.min(file.len()));
            file[at..at + length].copy_from_slice(&garbage[..length]);
        }
    }
    Ok(())
}
