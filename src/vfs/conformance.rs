//! What every [`Vfs`] must do alike, so that what holds above the simulated one holds above the real one.

use super::{RealVfs, Vfs, read_exact_at, read_up_to, write_all_at};
use std::io::ErrorKind;
use std::path::Path;

/// Runs a test above each file system, in an empty directory.
fn on_each(test: fn(&dyn Vfs, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    test(&RealVfs, dir.path());
    #[cfg(feature = "simulation")]
    {
        let machine = super::SimVfs::new();
        machine.create_dir(Path::new("/test")).unwrap();
        test(&machine, Path::new("/test"));
    }
}

fn contents(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    let file = vfs.open(path, false).unwrap();
    let mut bytes = vec![0xAA; usize::try_from(file.len().unwrap()).unwrap()];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) {
    write_all_at(&*vfs.create(path).unwrap(), bytes, 0).unwrap();
}

fn names(vfs: &dyn Vfs, directory: &Path) -> Vec<String> {
    let mut names = vfs.list(directory).unwrap();
    names.sort();
    names
}

fn kind_of<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn what_is_written_is_read_back_and_holes_are_zero() {
    on_each(|vfs, dir| {
        let file = vfs.create(&dir.join("log")).unwrap();
        write_all_at(&*file, b"tail", 9_000).unwrap();
        write_all_at(&*file, b"head", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(file.len().unwrap(), 9_004);
        let mut bytes = [0xAA; 4];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"head");
        read_exact_at(&*file, &mut bytes, 4_094).unwrap();
        assert_eq!(bytes, [0; 4]);
        let mut longer = [0xAA; 10];
        assert_eq!(read_up_to(&*file, &mut longer, 9_000).unwrap(), 4);
        assert_eq!(&longer[..4], b"tail");
        assert_eq!(file.read_at(&mut longer, 9_004).unwrap(), 0);
        assert_eq!(kind_of(read_exact_at(&*file, &mut longer, 9_000)), Some(ErrorKind::UnexpectedEof));
    });
}

#[test]
fn a_name_is_created_once_and_found_only_if_it_is_there() {
    on_each(|vfs, dir| {
        let path = dir.join("log");
        assert_eq!(kind_of(vfs.open(&path, true)), Some(ErrorKind::NotFound));
        put(vfs, &path, b"x");
        assert_eq!(kind_of(vfs.create(&path)), Some(ErrorKind::AlreadyExists));
        assert_eq!(contents(vfs, &path), b"x");
        assert_eq!(kind_of(vfs.create(&dir.join("missing/log"))), Some(ErrorKind::NotFound));
        assert_eq!(kind_of(vfs.list(&dir.join("missing"))), Some(ErrorKind::NotFound));
        assert_eq!(kind_of(vfs.sync_dir(&dir.join("missing"))), Some(ErrorKind::NotFound));
        assert_eq!(kind_of(vfs.remove(&dir.join("missing"))), Some(ErrorKind::NotFound));
        assert_eq!(kind_of(vfs.rename(&dir.join("missing"), &path)), Some(ErrorKind::NotFound));
        assert_eq!(contents(vfs, &path), b"x");
    });
}

#[test]
fn directories_are_created_with_their_parents_and_are_not_files() {
    on_each(|vfs, dir| {
        let deep = dir.join("a/b/c");
        vfs.create_dir(&deep).unwrap();
        vfs.create_dir(&deep).unwrap();
        put(vfs, &deep.join("log"), b"x");
        put(vfs, &dir.join("file"), b"x");
        assert_eq!(names(vfs, &deep), ["log"]);
        assert_eq!(names(vfs, dir), ["file"], "a directory is no file");
        assert!(vfs.create_dir(&dir.join("file")).is_err());
        assert!(vfs.create(&dir.join("a")).is_err());
        assert!(vfs.open(&dir.join("a"), false).is_err());
        vfs.sync_dir(&deep).unwrap();
    });
}

#[test]
fn a_rename_replaces_and_stays_within_its_directory() {
    on_each(|vfs, dir| {
        let (old, new) = (dir.join("header.tmp"), dir.join("header"));
        put(vfs, &new, b"before");
        let reader = vfs.open(&new, false).unwrap();
        put(vfs, &old, b"after!");
        vfs.rename(&old, &new).unwrap();
        assert_eq!(names(vfs, dir), ["header"]);
        assert_eq!(contents(vfs, &new), b"after!");
        let mut bytes = [0; 6];
        read_exact_at(&*reader, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"before", "who had the old one open keeps it");
        vfs.rename(&new, &new).unwrap();
        vfs.create_dir(&dir.join("other")).unwrap();
        let away = dir.join("other/header");
        assert_eq!(kind_of(vfs.rename(&new, &away)), Some(ErrorKind::InvalidInput));
        assert_eq!(names(vfs, dir), ["header"]);
    });
}

#[test]
fn a_removed_file_is_there_for_who_has_it_open() {
    on_each(|vfs, dir| {
        let path = dir.join("segment");
        put(vfs, &path, b"record");
        let reader = vfs.open(&path, false).unwrap();
        vfs.remove(&path).unwrap();
        vfs.sync_dir(dir).unwrap();
        assert!(names(vfs, dir).is_empty());
        put(vfs, &path, b"other");
        let mut bytes = [0; 6];
        read_exact_at(&*reader, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"record");
        assert_eq!(contents(vfs, &path), b"other");
    });
}

#[test]
fn a_hard_link_is_the_same_file_under_another_name() {
    on_each(|vfs, dir| {
        let (first, second) = (dir.join("first"), dir.join("second"));
        put(vfs, &first, b"one");
        vfs.hard_link(&first, &second).unwrap();
        write_all_at(&*vfs.open(&second, true).unwrap(), b"two", 0).unwrap();
        assert_eq!(contents(vfs, &first), b"two");
        assert_eq!(kind_of(vfs.hard_link(&first, &second)), Some(ErrorKind::AlreadyExists));
        vfs.remove(&first).unwrap();
        assert_eq!(contents(vfs, &second), b"two");
    });
}

#[test]
fn a_reservation_occupies_blocks_reads_as_zero_and_never_shortens() {
    on_each(|vfs, dir| {
        let file = vfs.create(&dir.join("segment")).unwrap();
        file.allocate(0).unwrap();
        write_all_at(&*file, b"head", 0).unwrap();
        file.allocate(256 * 1024).unwrap();
        assert_eq!(file.len().unwrap(), 256 * 1024);
        assert!(file.allocated_bytes().unwrap() >= 256 * 1024);
        file.allocate(4096).unwrap();
        assert_eq!(file.len().unwrap(), 256 * 1024);
        let mut bytes = [0xAA; 8];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"head\0\0\0\0");
        read_exact_at(&*file, &mut bytes, 256 * 1024 - 8).unwrap();
        assert_eq!(bytes, [0; 8]);
    });
}

#[test]
fn released_blocks_read_as_zero_and_the_length_stays() {
    on_each(|vfs, dir| {
        let file = vfs.create(&dir.join("segment")).unwrap();
        write_all_at(&*file, &[7; 64 * 1024], 0).unwrap();
        file.sync().unwrap();
        let before = file.allocated_bytes().unwrap();
        file.release_from(10_000).unwrap();
        file.release_from(1 << 30).unwrap();
        assert_eq!(file.len().unwrap(), 64 * 1024);
        assert!(file.allocated_bytes().unwrap() < before);
        let mut bytes = [0; 4];
        read_exact_at(&*file, &mut bytes, 9_998).unwrap();
        assert_eq!(bytes, [7, 7, 0, 0]);
        read_exact_at(&*file, &mut bytes, 64 * 1024 - 4).unwrap();
        assert_eq!(bytes, [0; 4]);
    });
}

#[test]
fn a_lock_has_one_holder_until_the_handle_is_dropped() {
    on_each(|vfs, dir| {
        let path = dir.join("lock");
        let first = vfs.create(&path).unwrap();
        let second = vfs.open(&path, true).unwrap();
        assert!(first.try_lock().unwrap());
        assert!(first.try_lock().unwrap(), "who holds it may ask again");
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    });
}

#[test]
fn a_file_opened_for_reading_takes_no_writes() {
    on_each(|vfs, dir| {
        let path = dir.join("sealed");
        put(vfs, &path, b"sealed");
        let file = vfs.open(&path, false).unwrap();
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.allocate(1 << 16).is_err());
        file.sync().unwrap();
        assert_eq!(contents(vfs, &path), b"sealed");
    });
}

#[test]
fn an_offset_no_file_can_have_is_an_error() {
    on_each(|vfs, dir| {
        let file = vfs.create(&dir.join("log")).unwrap();
        assert!(file.write_at(b"x", u64::MAX).is_err());
        assert!(file.write_at(b"x", u64::MAX / 2).is_err());
        assert!(file.allocate(u64::MAX).is_err());
        assert_eq!(file.len().unwrap(), 0);
    });
}

#[test]
fn a_map_if_there_is_one_shows_the_file() {
    on_each(|vfs, dir| {
        let file = vfs.create(&dir.join("segment")).unwrap();
        write_all_at(&*file, b"record", 0).unwrap();
        if let Some(map) = file.map(6).unwrap() {
            assert_eq!(map.slice(0, 6), Some(&b"record"[..]));
            assert_eq!(map.slice(0, 7), None);
        }
    });
}

#[test]
fn a_directory_has_one_identity_of_its_own() {
    on_each(|vfs, dir| {
        vfs.create_dir(&dir.join("other")).unwrap();
        assert_eq!(vfs.identity(dir).unwrap(), vfs.identity(dir).unwrap());
        assert_ne!(vfs.identity(dir).unwrap(), vfs.identity(&dir.join("other")).unwrap());
        assert!(vfs.free_bytes(dir).unwrap() > 0);
        assert_ne!(vfs.volume(dir).unwrap().keeps, super::Keeps::Elsewhere);
    });
}
