//! A store on a file system that is mounted read-only, or in a directory that belongs to somebody else: opening it says what
//! is wrong and what to do, looking at it works, and nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod process;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use process::notes::not_checked;
use process::small::{MOUNTED, given, in_a_namespace};
use sessile::{Error, Options, Result, Store, Write};

/// A store that was closed, and one whose process died, so that its log has an end to be found.
fn stores(top: &Path) {
    for name in ["closed", "died"] {
        let path = top.join(name);
        let store = Options::new().manual_maintenance(true).open(&path).unwrap();
        store.create("id", Write::new("data").subject("alice")).unwrap();
        store.create("ended", "data").unwrap();
        store.destroy("ended").unwrap();
        if name == "died" {
            // What a copy of the directory at this moment has: the process is gone for it.
            let copy = top.join("copy");
            std::fs::create_dir(&copy).unwrap();
            for entry in std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap()) {
                std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
            }
            store.close().unwrap();
            drop(store);
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::rename(copy, path).unwrap();
        }
    }
    std::fs::create_dir(top.join("empty")).unwrap();
}

fn refused(opened: Result<Store>, kind: ErrorKind, remedy: &str) {
    let error = opened.expect_err("it cannot be written");
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), kind);
    assert!(error.to_string().contains(remedy), "{error}");
}

fn looked_at(top: &Path, kind: ErrorKind, remedy: &str) {
    for name in ["closed", "died"] {
        let path = top.join(name);
        let before: Vec<_> = files(&path);
        refused(Options::new().open(&path), kind, remedy);
        let look = Options::new().read_only(true).open(&path).unwrap();
        assert_eq!(look.get("id").unwrap().unwrap().data(), b"data");
        assert!(look.get("ended").unwrap().is_none());
        assert_eq!((look.iter().unwrap().count(), look.sessions_of("alice").unwrap().count()), (1, 1));
        assert!(look.verify().unwrap().damage.is_empty());
        assert!(matches!(look.create("new", "x"), Err(Error::ReadOnly)));
        look.close().unwrap();
        assert_eq!(files(&path), before, "nothing has changed");
    }
    refused(Options::new().open(top.join("empty")), kind, remedy);
    refused(Options::new().open(top.join("not there")), kind, remedy);
}

fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_on_a_read_only_mount_says_so_and_can_be_looked_at() {
    let top = tempfile::tempdir().unwrap();
    let place = top.path().join("place");
    std::fs::create_dir(&place).unwrap();
    stores(&place);
    let script = "{ mount --bind \"$PLACE\" \"$PLACE\" && mount -o remount,bind,ro \"$PLACE\"; } || exit 77; exec \"$0\" \"$@\"";
    match in_a_namespace(script, &[("PLACE", &place), (MOUNTED, &place)], "on_a_read_only_mount") {
        Some(0) => {}
        None | Some(77) => not_checked("a read-only mount: this process may not make one"),
        Some(code) => panic!("on_a_read_only_mount ended with {code}"),
    }
}

/// Not a test: what runs where the mount is read-only.
#[test]
#[ignore = "run by the test of the read-only mount, in a mount namespace"]
fn on_a_read_only_mount() {
    let Some(top) = given() else { return };
    looked_at(&top, ErrorKind::ReadOnlyFilesystem, "Options::read_only");
}

#[test]
fn a_store_that_belongs_to_somebody_else_says_so_and_can_be_looked_at() {
    if rustix::process::geteuid().is_root() {
        return not_checked("a directory without permission to write: root may write everywhere");
    }
    let top = tempfile::tempdir().unwrap();
    let place = top.path().join("place");
    std::fs::create_dir(&place).unwrap();
    stores(&place);
    let permit = |file_mode: u32, directory_mode: u32| {
        for name in ["closed", "died", "empty"] {
            for entry in std::fs::read_dir(place.join(name)).unwrap().map(|entry| entry.unwrap()) {
                std::fs::set_permissions(entry.path(), Permissions::from_mode(file_mode)).unwrap();
            }
            std::fs::set_permissions(place.join(name), Permissions::from_mode(directory_mode)).unwrap();
        }
    };
    permit(0o400, 0o500);
    std::fs::set_permissions(&place, Permissions::from_mode(0o500)).unwrap();
    looked_at(&place, ErrorKind::PermissionDenied, "run as the user");
    std::fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
    permit(0o600, 0o700);
}
