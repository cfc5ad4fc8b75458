//! P1, P2 and P3 across deploys, with real processes: an old and a new one that overlap on one directory, one that is started
//! again and again, one that is stopped with a great many sessions, and the places that a service manager puts one into.
//!
//! Clients ask whichever process answers, check every answer, and note how long nobody answered ([`client`]). The figures are
//! printed by `./scripts/test`; `SESSILE_DEPLOY_SESSIONS` and the ignored test are for the largest ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::cast_possible_truncation,
    missing_docs
)]

#[path = "deploys/client.rs"]
mod client;
mod process;
#[path = "deploys/server.rs"]
mod server;
#[path = "deploys/supervisor.rs"]
mod supervisor;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use client::{Client, Service, ask_once};
use process::dice::Dice;
use process::notes::{not_checked, say};
use process::small::{Ballast, Kind, given, with_file_system};
use rustix::process::Signal;
use sessile::Options;
use supervisor::{GRACE, Opened, Server, Site, this_program};

const CLIENTS: usize = 4;

/// Not a test: a server's process.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_server() {
    server::run();
}

/// Runs clients beside `work`; what they know at the end.
fn under_load(
    site: &Site,
    service: &Service,
    seed: u64,
    work: impl FnOnce(),
) -> BTreeMap<String, Vec<Option<String>>> {
    std::thread::scope(|scope| {
        let start = |me| scope.spawn(move || Client::new(me, site, service, seed).run());
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        // A test that fails lets its clients go all the same.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        service.stop.store(true, Ordering::SeqCst);
        let known: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        // What a client has seen says more than that the others were waited for in vain.
        let known = known.into_iter().flat_map(|known| known.unwrap()).collect();
        worked.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        known
    })
}

/// The store itself, when all processes are gone: every session is what its client may expect, ended ones too, and there are
/// no others. Says how many live and how many were ended.
fn nobody_was_lost_or_came_back(site: &Site, known: &BTreeMap<String, Vec<Option<String>>>) -> (u64, u64) {
    let store = Options::new().manual_maintenance(true).open(site.store()).unwrap();
    let (mut live, mut ended) = (0, 0);
    for (id, may) in known {
        let found = store.get(id).unwrap().map(|session| String::from_utf8(session.into_data()).unwrap());
        assert!(may.contains(&found), "{id} may be one of {may:?} and is {found:?}");
        if found.is_some() { live += 1 } else { ended += 1 }
    }
    let strangers = store.iter().unwrap().count() as u64 - live;
    assert_eq!(strangers, 0, "sessions that no client has made");
    assert!(store.verify().unwrap().damage.is_empty());
    store.close().unwrap();
    (live, ended)
}

#[test]
fn an_old_and_a_new_process_overlap_and_nobody_is_lost() {
    let top = tempfile::tempdir().unwrap();
    let (site, service, seed) = (Site::new(top.path()), Service::default(), process::seed());
    let mut told = Vec::new();
    let mut old = site.start(0);
    old.opened();
    let known = under_load(&site, &service, seed, || {
        service.answer(400);
        for release in 1..=6 {
            let new = site.start(release);
            new.hears("opening");
            service.newest.store(release, Ordering::SeqCst);
            // They overlap: the old one goes on answering while the new one waits for it.
            service.answer(200);
            service.take_gap();
            let killed = release % 3 == 0;
            let closing = if killed {
                old.kill();
                None
            } else {
                let (closing, status) = old.stop();
                assert!(status.success(), "{status:?}");
                closing
            };
            let opened = new.opens();
            service.answer(400);
            let gap = service.take_gap();
            assert!(gap < GRACE, "nobody was answered for {gap:?}");
            told.push((killed, closing, opened, gap));
            old = new;
        }
    });
    assert!(old.stop().1.success());
    let (live, ended) = nobody_was_lost_or_came_back(&site, &known);
    for (killed, closing, opening, gap) in told {
        let how =
            closing.map_or("was killed".to_owned(), |took| format!("closed in {} ms", took.as_millis()));
        assert_eq!(killed, closing.is_none());
        let [all, alone, gap] = [opening.took, opening.alone, gap].map(|time| time.as_millis());
        say(&format!(
            "a deploy under load: the old process {how}, the new one waited and opened in {all} ms, of which opening took {alone} \
             ms; nobody was answered for {gap} ms"
        ));
    }
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::SeqCst);
    say(&format!(
        "six deploys under load: {} answers, {} requests whose process died, {} sent on by a store that was closing; {live} \
         sessions live, {ended} ended, none lost and none back",
        count(&service.answers),
        count(&service.broken),
        count(&service.turned_away),
    ));
    assert!(live > 0 && ended > 0);
}

/// A deploy that does not wait fails, says who is there, and harms nobody.
#[test]
fn a_new_process_that_does_not_wait_leaves_the_old_one_in_peace() {
    let top = tempfile::tempdir().unwrap();
    let (site, service) = (Site::new(top.path()), Service::default());
    let mut old = site.start(0);
    old.opened();
    let known = under_load(&site, &service, process::seed(), || {
        service.answer(100);
        for wait_ms in [0, 200] {
            let mut orders = site.orders(1);
            orders.lock_wait = Duration::from_millis(wait_ms);
            let began = Instant::now();
            let why = Server::start(&orders).refused();
            assert!(began.elapsed() >= orders.lock_wait);
            assert!(why.contains(&format!("is held by process {}", old.pid())), "{why}");
            assert!(why.contains("Options::lock_wait"), "{why}");
            service.answer(100);
        }
    });
    assert_eq!(service.broken.load(Ordering::SeqCst) + service.turned_away.load(Ordering::SeqCst), 0);
    assert!(old.stop().1.success());
    nobody_was_lost_or_came_back(&site, &known);
}

/// Started, used a little, ended by SIGTERM or SIGKILL, started again before it is gone.
#[test]
fn a_restart_loop_loses_nothing_and_does_not_fill_the_disk() {
    const ROUNDS: usize = 50;
    let top = tempfile::tempdir().unwrap();
    let (site, service, seed) = (Site::new(top.path()), Service::default(), process::seed());
    let (mut dice, mut client) = (Dice::new(seed), Client::new(0, &site, &service, seed));
    let (mut openings, mut disk) = (Vec::new(), Vec::new());
    let mut server = site.start(0);
    for release in 0..ROUNDS {
        openings.push(server.opened().alone);
        service.newest.store(release, Ordering::SeqCst);
        for _ in 0..=dice.below(20) {
            client.step();
        }
        let ends = dice.pick(&[Signal::TERM, Signal::KILL]);
        server.signal(ends);
        let next = site.start(release + 1);
        let (_, status) = server.wait_for_its_end();
        assert_eq!(status.success(), ends == Signal::TERM, "{status:?}");
        disk.push(disk_bytes(&site.store()));
        server = next;
    }
    server.opened();
    assert!(server.stop().1.success());
    nobody_was_lost_or_came_back(&site, &client.known);
    openings.sort_unstable();
    let disk_max = disk.iter().max().unwrap();
    say(&format!(
        "a restart loop of {ROUNDS}: opened in {} ms in the middle and {} ms at most; the store took {} KiB at most and {} KiB \
         at the end",
        openings[ROUNDS / 2].as_millis(),
        openings[ROUNDS - 1].as_millis(),
        disk_max >> 10,
        disk_bytes(&site.store()) >> 10,
    ));
    let store = Options::new().manual_maintenance(true).open(site.store()).unwrap();
    while store.maintain(Duration::from_secs(10)).unwrap().more {}
    assert!(store.stats().segments < 10, "what the openings began is put together: {:?}", store.stats());
    assert!(*disk_max < 64 << 20, "{disk_max} bytes");
}

/// Bytes on the disk, not lengths: segments are allocated.
fn disk_bytes(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let files = std::fs::read_dir(directory).unwrap().filter_map(|entry| entry.ok()?.metadata().ok());
    files.map(|file| file.blocks() * 512).sum()
}

#[test]
fn a_large_store_closes_within_the_ten_seconds_that_it_is_given() {
    stopped_with(200_000);
}

/// `cargo test -p sessile --test deploys -- --ignored --nocapture ten_million`; `SESSILE_DEPLOY_SESSIONS` for another number.
#[test]
#[ignore = "takes minutes and gigabytes; the figures in DESIGN.md are its"]
fn ten_million_sessions_close_within_the_ten_seconds_that_they_are_given() {
    let sessions = std::env::var("SESSILE_DEPLOY_SESSIONS").map_or(10_000_000, |text| text.parse().unwrap());
    stopped_with(sessions);
}

/// SIGTERM under load, ten seconds, SIGKILL: how long closing took, and the opening behind it; and the same behind a SIGKILL.
fn stopped_with(sessions: u64) {
    let top = tempfile::tempdir().unwrap();
    let (site, service, seed) = (Site::new(top.path()), Service::default(), process::seed());
    let mut orders = site.orders(0);
    orders.fill = sessions;
    let mut server = Server::start(&orders);
    server.opened();
    let memory: u64 = server.hears("filled").parse().unwrap();
    let (mut closing, mut opened) = (None, None);
    let known = under_load(&site, &service, seed, || {
        service.answer(400);
        let began = Instant::now();
        let (closed, status) = server.stop();
        assert!(status.success() && closed.is_some(), "it was still closing after {GRACE:?}: {status:?}");
        closing = Some((closed.unwrap(), began.elapsed()));
        server = site.start(1);
        opened = Some(server.opened());
        service.newest.store(1, Ordering::SeqCst);
        service.answer(400);
        server.kill();
        server = site.start(2);
        let killed = server.opened();
        service.newest.store(2, Ordering::SeqCst);
        assert!(!killed.from_snapshot && killed.sessions >= sessions);
        tell(sessions, memory, closing.unwrap(), opened.as_ref().unwrap(), &killed);
        service.answer(100);
    });
    assert!(opened.is_some_and(|opened| opened.sessions >= sessions));
    // Those that the server was filled with, and those of the clients.
    let found: u64 = ask_once(&site.socket(2), "len").strip_prefix("data ").unwrap().parse().unwrap();
    let may = |id: &String| known[id].iter().any(Option::is_some);
    let must = |id: &String| !known[id].contains(&None);
    let (least, most) =
        (known.keys().filter(|id| must(id)).count(), known.keys().filter(|id| may(id)).count());
    assert!((sessions + least as u64..=sessions + most as u64).contains(&found), "{found}");
    assert!(server.stop().1.success());
}

fn tell(sessions: u64, memory: u64, closing: (Duration, Duration), opened: &Opened, killed: &Opened) {
    let source = if opened.from_snapshot { "a snapshot" } else { "the log" };
    say(&format!(
        "SIGTERM at {sessions} sessions under load: closed in {} ms, gone in {} ms, opened again from {source} in {} ms; after a \
         SIGKILL from the log in {} ms; {} MiB of memory for index and wheel",
        closing.0.as_millis(),
        closing.1.as_millis(),
        opened.alone.as_millis(),
        killed.alone.as_millis(),
        memory >> 20,
    ));
}

/// What stands before a program to have mounts of its own, where that is permitted.
fn with_own_mounts(script: &str) -> Option<Command> {
    let root = rustix::process::geteuid().is_root();
    let own: &[&str] = if root { &["--mount"] } else { &["--mount", "--user", "--map-root-user"] };
    let mut probe = Command::new("unshare");
    let permitted = probe.args(own).args(["sh", "-c", "mount --bind / /mnt"]).output();
    if !permitted.is_ok_and(|probed| probed.status.success()) {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(own).args(["sh", "-c", script]).arg(this_program());
    Some(command)
}

/// As containers are run: nothing can be written but one volume.
#[test]
fn a_read_only_root_with_a_writable_volume_is_enough() {
    let top = tempfile::tempdir().unwrap();
    let (root, volume) = (top.path().join("root"), top.path().join("volume"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&volume).unwrap();
    let script = r#"mount --rbind / "$ROOT" && mount -o remount,bind,ro "$ROOT" && mount --bind "$VOLUME" "$ROOT$VOLUME" &&
        ! touch "$ROOT/a-file" 2>/dev/null && touch "$ROOT$VOLUME/a-file" || exit 77
        exec chroot "$ROOT" "$0" "$@""#;
    let Some(mut command) = with_own_mounts(script) else {
        return not_checked("a read-only root: this process may not have mounts of its own");
    };
    command.env("ROOT", &root).env("VOLUME", &volume);
    let (site, service, seed) = (Site::new(&volume), Service::default(), process::seed());
    let mut server = Server::start_by(command, &site.orders(0));
    server.opened();
    let known = under_load(&site, &service, seed, || service.answer(400));
    assert!(server.stop().1.success());
    assert!(volume.join("a-file").exists(), "the server ran there");
    nobody_was_lost_or_came_back(&site, &known);
}

/// A volume that somebody forgot to give to the server's user: the error names it and says what to do; and then it starts.
#[test]
fn a_directory_that_cannot_be_written_is_named_and_then_mended() {
    const NOBODY: u32 = 65_534;
    let top = tempfile::tempdir().unwrap();
    let open_to = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let volume = top.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    open_to(top.path(), 0o755);
    let site = Site::new(&volume);
    let mut orders = site.orders(0);
    orders.socket = top.path().join("socket");
    let as_root = rustix::process::geteuid().is_root();
    let start = || {
        let mut command = Command::new(this_program());
        if as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Server::start_by(command, &orders)
    };
    if as_root && !others_may_run(&this_program()) {
        return not_checked("a directory of another user: the tests' program cannot be run by one");
    }
    open_to(&volume, 0o555);
    let why = start().refused();
    assert!(why.contains(&site.store().display().to_string()), "{why}");
    assert!(why.contains("run as the user who owns the directory"), "{why}");
    assert!(!site.store().exists(), "nothing was begun");
    open_to(&volume, 0o777);
    open_to(top.path(), 0o777);
    let mut server = start();
    server.opened();
    assert_eq!(ask_once(&orders.socket, "create a synced data"), "done");
    assert!(server.stop().1.success());
}

/// Whether each directory on the way lets everybody through.
fn others_may_run(program: &Path) -> bool {
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    program.ancestors().all(|path| mode(path) & 0o001 != 0)
}

#[test]
fn a_full_volume_refuses_and_goes_on_when_there_is_room() {
    with_file_system(Kind::Tmpfs, 12 << 20, 1, "on_a_volume_that_fills_up");
}

/// Not a test: what runs where the volume is small.
#[test]
#[ignore = "run by the test of the full volume, in a mount namespace"]
fn on_a_volume_that_fills_up() {
    let Some(volume) = given() else { return };
    let site = Site { top: volume.clone() };
    let (service, seed, ballast) = (Service::default(), process::seed(), Ballast::new(&volume));
    let mut server = site.start(0);
    server.opened();
    let (mut starts, mut refused) = (0, 0);
    let known = under_load(&site, &service, seed, || {
        service.answer(200);
        ballast.take_all();
        let began = Instant::now();
        while service.full.load(Ordering::SeqCst) == 0 {
            assert!(began.elapsed() < Duration::from_secs(120), "it was never full");
            service.answer(100);
        }
        // Started anew while there is no room, as a service manager would: again and again, until there is.
        server.kill();
        for release in 1.. {
            starts += 1;
            let began = site.start(release);
            began.hears("opening");
            let said = began.says();
            if said.starts_with("open ") {
                service.newest.store(release, Ordering::SeqCst);
                server = began;
                break;
            }
            refused += 1;
            let volume: PathBuf = site.store();
            assert!(said.contains("no room") && said.contains("free some space"), "{said}");
            assert!(said.contains(&volume.display().to_string()), "it does not say where: {said}");
            if release == 3 {
                ballast.give_back();
            }
        }
        service.answer(50);
        ballast.give_back();
        let refusals = service.full.load(Ordering::SeqCst);
        service.answer(2_000);
        let later = service.full.load(Ordering::SeqCst);
        service.answer(500);
        assert_eq!(service.full.load(Ordering::SeqCst), later, "with room it takes everything again");
        say(&format!(
            "a full volume: {later} requests refused ({} after there was room), {starts} starts of which {refused} were refused",
            later - refusals
        ));
    });
    assert!(server.stop().1.success());
    nobody_was_lost_or_came_back(&site, &known);
}
