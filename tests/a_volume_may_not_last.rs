//! A store on what is empty again after a restart opens and works, and says so in its figures; one on another machine is not
//! opened unless that is allowed. On real mounts where this process may have them, and through the seam for what needs servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod process;

use std::path::Path;

use process::notes::not_checked;
use process::small::{MOUNTED, given, in_a_namespace};
use sessile::{Keeps, Options, Store};

/// What a store in this directory, and a look at it, say of its volume.
fn volume_of(directory: &Path) -> (Option<&'static str>, Keeps) {
    let store = Options::new().manual_maintenance(true).open(directory).unwrap();
    store.create("an id", "data").unwrap();
    let volume = store.stats().recovery.volume;
    store.close().unwrap();
    let look = Options::new().read_only(true).open(directory).unwrap();
    assert_eq!(look.stats().recovery.volume, volume, "a look says the same");
    (volume.file_system, volume.keeps)
}

/// In a container the temporary directory may itself be an overlay.
#[test]
fn a_disk_is_nothing_to_warn_of() {
    let top = tempfile::tempdir().unwrap();
    match volume_of(&top.path().join("store")) {
        (_, Keeps::Lastingly) => {}
        (name, keeps) => {
            not_checked(&format!("that a disk is not warned of: tests' files are on {name:?}, {keeps:?}"))
        }
    }
}

#[test]
fn a_store_on_tmpfs_says_that_it_is_lost_at_a_restart() {
    let Ok(top) = tempfile::tempdir_in("/dev/shm") else {
        return not_checked("a store on tmpfs: there is no /dev/shm");
    };
    let store = Store::open(top.path().join("store")).unwrap();
    let volume = store.stats().recovery.volume;
    assert_eq!((volume.file_system, volume.keeps), (Some("tmpfs"), Keeps::UntilReboot));
    assert!(volume.is_volatile() && volume.warning().unwrap().contains("when the machine starts anew"));
    drop(store);
    assert_eq!(volume_of(&top.path().join("store")), (Some("tmpfs"), Keeps::UntilReboot));
}

#[test]
fn a_store_in_a_containers_layer_says_that_it_is_lost_with_it() {
    let top = tempfile::tempdir().unwrap();
    let place = top.path().join("place");
    std::fs::create_dir(&place).unwrap();
    // The upper layer is on a tmpfs: an overlay may not lie on another one, as a container's own file system is.
    let script = r#"{ mount -t tmpfs none "$PLACE" && mkdir "$PLACE/lower" "$PLACE/upper" "$PLACE/work" "$PLACE/merged" &&
        mount -t overlay -o "lowerdir=$PLACE/lower,upperdir=$PLACE/upper,workdir=$PLACE/work" overlay "$PLACE/merged"; } ||
        exit 77; exec "$0" "$@""#;
    let merged = place.join("merged");
    match in_a_namespace(script, &[("PLACE", &place), (MOUNTED, &merged)], "on_an_overlay") {
        Some(0) => {}
        None | Some(77) => not_checked("a store on overlay: this process may not mount one"),
        Some(code) => panic!("on_an_overlay ended with {code}"),
    }
}

/// Not a test: what runs on the overlay.
#[test]
#[ignore = "run by the test of the container's layer, in a mount namespace"]
fn on_an_overlay() {
    let Some(merged) = given() else { return };
    assert_eq!(volume_of(&merged.join("store")), (Some("overlay"), Keeps::WithContainer));
}

/// Where the process that is told of NFS finds its directory.
const ON_NFS: &str = "SESSILE_ON_NFS";

/// No server is here, so it is a real directory whose `statfs` strace changes: to what the kernel's own client of NFS answers.
#[cfg(all(target_os = "linux", target_endian = "little"))]
#[test]
fn where_the_kernel_says_nfs_no_store_is_opened() {
    use std::process::{Command, Stdio};

    let nfs = "inject=statfs:poke_exit=@arg2=6969000000000000";
    let strace = || {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=statfs", "-e", nfs]);
        strace
    };
    if !strace().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return not_checked(
            "a store on NFS: strace is missing or too old, or this process may not trace others",
        );
    }
    let top = tempfile::tempdir().unwrap();
    let inner = ["--exact", "on_nfs", "--ignored", "--nocapture", "--test-threads=1"];
    let here = std::env::current_exe().unwrap();
    let ended = strace().arg(here).args(inner).env(ON_NFS, top.path().join("store")).status().unwrap();
    assert!(ended.success(), "{ended:?}");
}

/// Not a test: what runs where `statfs` says NFS.
#[test]
#[ignore = "run by the test of the kernel's answer, under strace"]
fn on_nfs() {
    let Some(directory) = std::env::var_os(ON_NFS) else { return };
    let Err(error) = Store::open(&directory) else { panic!("it must be refused") };
    assert!(matches!(&error, sessile::Error::NetworkFileSystem { kind } if kind == "NFS"), "{error:?}");
    assert!(!Path::new(&directory).join("STORE").exists(), "nothing was begun");
    let store = Options::new().allow_network_file_system(true).open(&directory).unwrap();
    let volume = store.stats().recovery.volume;
    assert_eq!((volume.file_system, volume.keeps), (Some("NFS"), Keeps::Elsewhere));
    store.create("an id", "data").unwrap();
}

/// As above, and what becomes of whoever only looks, through the seam.
#[cfg(feature = "simulation")]
#[test]
fn another_machines_disk_is_refused_unless_it_is_allowed() {
    use sessile::vfs::SimVfs;
    use sessile::{Error, Volume};

    let vfs = SimVfs::new();
    vfs.set_volume(Volume::new(Some("NFS"), Keeps::Elsewhere));
    let options = || Options::new().vfs(std::sync::Arc::new(vfs.clone())).manual_maintenance(true);
    let Err(error) = options().open("/store") else { panic!("it must be refused") };
    assert!(matches!(&error, Error::NetworkFileSystem { kind } if kind == "NFS"), "{error:?}");
    assert!(error.to_string().contains("use a local disk or set Options::allow_network_file_system"));
    assert!(vfs.read_file(Path::new("/store/STORE")).is_err(), "nothing was begun");
    let store = options().allow_network_file_system(true).open("/store").unwrap();
    let warning = store.stats().recovery.volume.warning().unwrap();
    assert!(warning.contains("locks and syncs cannot be relied on"), "{warning}");
    store.create("an id", "data").unwrap();
    // Whoever only looks is refused as well: a map may fault there.
    assert!(matches!(options().read_only(true).open("/store"), Err(Error::NetworkFileSystem { .. })));
}
