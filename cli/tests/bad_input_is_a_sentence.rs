//! Wrong directories, ids, arguments and logs: each an exit code and a sentence that says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::io::Write;

use common::{Ran, filled, id, sessile, sessile_with, shows_an_id};
use flate2::{Compression, write::GzEncoder};

#[test]
fn help_has_examples_and_the_exit_codes() {
    let help = sessile(["--help"]);
    assert_eq!(help.code, 0);
    for words in ["Examples:", "Exit codes:", "destroy-subject", "standard input"] {
        assert!(help.text().contains(words), "{words}");
    }
    for command in [
        "stats",
        "top",
        "ls",
        "get",
        "destroy",
        "destroy-subject",
        "verify",
        "compact",
        "clock",
        "backup",
        "restore",
        "salvage",
        "replay",
        "import",
        "export",
        "migrate",
        "bench",
    ] {
        let help = sessile([command, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.text().contains("Example") && help.text().contains("--json"), "{command}");
    }
    assert_eq!(sessile(["--version"]).code, 0);
}

#[test]
fn a_wrong_command_line_is_exit_code_two() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["stats"],
        &["stats", "d", "--nonsense"],
        &["ls", "d", "--limit", "-1"],
        &["ls", "d", "--limit", "99999999999999999999999"],
        &["replay", "log"],
        &["replay", "log", "--dir", "d", "--idle", "0s"],
        &["replay", "log", "--dir", "d", "--idle", "soon"],
        &["replay", "log", "--dir", "d", "--idle", "99999999999999999999y"],
        &["replay", "log", "--dir", "d", "--data-bytes", "99999999"],
        &["destroy", "d", "--wait", "x"],
    ] {
        let ran = sessile(arguments.iter());
        ran.fails(2, "");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_id_among_the_arguments_is_refused_and_not_repeated() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let secret = id(1);
    let dashed = format!("--{secret}");
    let equals = format!("--id={secret}");
    for command in ["get", "destroy", "destroy-subject"] {
        for argument in [&secret, &dashed, &equals] {
            let ran = sessile([command, dir, argument]);
            ran.fails(2, "standard input");
            assert!(!shows_an_id(ran.stderr.as_bytes()), "{ran:?}");
        }
    }
    for command in ["get", "destroy", "destroy-subject"] {
        let forgotten = sessile_with(b"x", [command, &secret]);
        forgotten.fails(6, "there is no directory of that name");
        assert!(!shows_an_id(forgotten.stderr.as_bytes()), "{forgotten:?}");
    }
    for command in ["get", "destroy"] {
        for arguments in [vec![command, dir, "--handle", &secret], vec![command, "--handle", &secret]] {
            let ran = sessile(arguments);
            ran.fails(2, "");
            assert!(!shows_an_id(ran.stderr.as_bytes()), "{ran:?}");
        }
        let typed = format!("--handle{secret}");
        let ran = sessile([command, dir, &typed]);
        ran.fails(2, "");
        assert!(!shows_an_id(ran.stderr.as_bytes()), "{ran:?}");
    }
}

#[test]
fn an_id_that_is_none_is_exit_code_eight() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    for command in ["get", "destroy", "destroy-subject"] {
        sessile_with(b"", [command, dir]).fails(8, "standard input");
        sessile_with(b"\n", [command, dir]).fails(8, "standard input");
        sessile_with(&[b'x'; 5000], [command, dir]).fails(8, "longer than");
    }
    sessile_with(&[b'x'; 4096], ["get", dir]).fails(3, "no live session");
    sessile_with(&[0xff; 30], ["destroy", dir]).fails(3, "no live session");
}

/// Runs every command but `replay` on a directory.
fn all(dir: &str, destination: &str) -> Vec<Ran> {
    vec![
        sessile(["stats", dir]),
        sessile(["ls", dir]),
        sessile_with(b"x", ["get", dir]),
        sessile(["verify", dir]),
        sessile_with(b"x", ["destroy", dir]),
        sessile_with(b"x", ["destroy-subject", dir]),
        sessile(["compact", dir]),
        sessile(["backup", dir, destination]),
        sessile(["export", "--dir", dir, "jsonl:-"]),
    ]
}

#[test]
fn a_directory_that_is_no_store_is_exit_code_six() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let copy = path("copy");
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path("other")).unwrap();
    fs::write(path("other/thesis.txt"), "important").unwrap();
    fs::write(path("file"), "important").unwrap();
    let (absent, no_store) = ("there is no directory of that name", "holds no session store");
    for (name, words) in [
        ("missing", absent),
        ("file/below", absent),
        ("empty", no_store),
        ("other", no_store),
        ("file", no_store),
    ] {
        for ran in all(&path(name), &copy) {
            ran.fails(6, words);
            assert!(ran.stdout.is_empty(), "{ran:?}");
        }
    }
    assert!(!fs::exists(path("missing")).unwrap() && !fs::exists(&copy).unwrap());
    assert_eq!(fs::read_dir(path("empty")).unwrap().count(), 0, "nothing was created");
    assert_eq!(fs::read_dir(path("other")).unwrap().count(), 1);
}

#[test]
fn damage_is_exit_code_five_or_is_listed_and_never_a_panic() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut codes = Vec::new();
    for file in &files {
        let sound = fs::read(file).unwrap();
        for (from, to) in [(0, 16), (16, 64), (64, 4096), (4096, 8192), (0, usize::MAX)] {
            let mut damaged = sound.clone();
            damaged.iter_mut().take(to).skip(from).for_each(|byte| *byte ^= 0xa5);
            fs::write(file, damaged).unwrap();
            let ran = sessile(["verify", dir, "--json"]);
            assert!(matches!(ran.code, 0 | 1 | 5 | 6), "{} {from}..{to}: {ran:?}", file.display());
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
            codes.push(ran.code);
            if ran.code == 5 {
                assert!(
                    ran.stderr.contains("is damaged") && ran.stderr.contains("restore a backup"),
                    "{ran:?}"
                );
            }
            if !ran.stdout.is_empty() {
                let places = ran.json_whatever_the_code()["damage"].as_array().unwrap().len();
                assert_eq!(places > 0, ran.code == 5, "{ran:?}");
            }
            let stats = sessile(["stats", dir]);
            assert!(matches!(stats.code, 0 | 1 | 5 | 6) && !stats.stderr.contains("panicked"), "{stats:?}");
        }
        fs::write(file, sound).unwrap();
    }
    assert!(codes.contains(&5), "no damage was found: {codes:?}");
    assert_eq!(sessile(["verify", dir]).code, 0);
}

#[test]
fn a_log_that_is_none_is_exit_code_eight_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name);
    let line = "a - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(line.repeat(5000).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path("binary"), [0x7f, b'E', b'L', b'F', 0, 1, 2, 0xff, b'\n', 0]).unwrap();
    fs::write(path("one bad line"), "hello\n").unwrap();
    fs::write(path("cut.gz"), &packed[..packed.len() - 20]).unwrap();
    fs::write(path("magic"), [0x1f, 0x8b]).unwrap();
    for (name, words) in [
        ("empty", "is empty"),
        ("binary", "(2 in all)"),
        ("one bad line", "Common or Combined Log Format"),
        ("cut.gz", "damaged or incomplete gzip"),
        ("magic", "damaged or incomplete gzip"),
        ("missing", "cannot be opened"),
    ] {
        let dir = path("dir");
        sessile(["replay".as_ref(), path(name).as_os_str(), "--dir".as_ref(), dir.as_os_str()])
            .fails(8, words);
        assert!(!fs::exists(dir).unwrap(), "{name}");
    }
    let dir = path("dir");
    sessile(["replay".as_ref(), temp.path().as_os_str(), "--dir".as_ref(), dir.as_os_str()])
        .fails(8, "reading the log");
}

#[test]
fn a_replay_refuses_a_directory_with_something_in_it() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("log");
    fs::write(&log, "a - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1\n").unwrap();
    sessile(["replay".as_ref(), log.as_os_str(), "--dir".as_ref(), temp.path().as_os_str()])
        .fails(8, "is not empty");
    sessile(["replay".as_ref(), log.as_os_str(), "--dir".as_ref(), log.as_os_str()]).fails(8, "is not empty");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}
