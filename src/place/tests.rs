//! What a URL can say, and that what is not understood is refused and never repeated.

use super::*;

fn refusal(url: &str) -> String {
    match Place::parse(url) {
        Err(Error::Invalid(what)) => what,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn a_url_says_what_options_say() {
    let url =
        "sessile:/srv/a%20b%3f?durability=written&idle=30m&disk_bytes_max=2GiB&keep_ids=true&at_limit=reject";
    let place = Place::parse(url).unwrap();
    assert_eq!(place.directory(), Path::new("/srv/a b?"));
    let options =
        place.options(Options::new().idle(Duration::from_secs(1)).lock_wait(Duration::from_secs(7)));
    assert_eq!(options.durability, Durability::Written);
    assert_eq!(options.idle, Duration::from_secs(30 * 60), "the URL is the operator's word");
    assert_eq!(options.lock_wait, Duration::from_secs(7), "what it does not say is the program's");
    assert_eq!((options.disk_bytes_max, options.keep_ids), (Some(2 << 30), true));
    assert_eq!(options.at_limit, AtLimit::Reject);
    assert_eq!((place.time("idle"), place.setting("idle")), (Some(Duration::from_secs(1800)), Some("30m")));
}

#[test]
fn a_directory_may_be_written_in_several_ways() {
    for (url, directory) in [
        ("sessile:sessions", "sessions"),
        ("sessile:./sessions?", "./sessions"),
        ("sessile:/srv/sessions", "/srv/sessions"),
        ("sessile:///srv/sessions", "/srv/sessions"),
    ] {
        assert_eq!(Place::parse(url).unwrap().directory(), Path::new(directory));
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for url in [
        "sessile:",
        "sessile:?idle=1s",
        "sessile://host/sessions",
        "sessile:d%0",
        "sessile:d%zz",
        "sessile:d%00",
        "sessile:d?idle",
        "sessile:d?idle=",
        "sessile:d?idle=1",
        "sessile:d?idle=1w",
        "sessile:d?idle=-1s",
        "sessile:d?idle=99999999999999999d",
        "sessile:d?idle=0s",
        "sessile:d?durability=none",
        "sessile:d?keep_ids=yes",
        "sessile:d?vfs=real",
        "sessile:d?sessions_max=+1",
        "sessile:d?idle=١s",
    ] {
        refusal(url);
    }
}

#[test]
fn a_password_is_never_repeated() {
    for url in [
        "postgres://ada:hunter2@db/app",
        "ada:hunter2@db",
        "hunter2",
        "sessile:d?hunter2=1",
        "sessile://hunter2@h",
    ] {
        assert!(!refusal(url).contains("hunter2"), "{url}");
    }
    assert!(refusal("redis://:hunter2@db").contains("redis:"), "the scheme says what went wrong");
}

#[test]
fn every_setting_has_a_value_that_is_refused() {
    for setting in &SETTINGS {
        assert!((setting.say)(Options::new(), "hunter2").is_none(), "{setting:?}");
        assert!(refusal(&format!("sessile:d?{}=hunter2", setting.name)).contains(setting.name));
    }
}

/// A URL that asks for keys never comes to a store without: its file is read once, and what is wrong with it is told.
#[cfg(feature = "encryption")]
#[test]
fn a_url_names_where_the_keys_are() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, format!("a {}", "5a".repeat(32))).unwrap();
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    let place = Place::parse(&format!("sessile:d?keys=file:{}", keys.display())).unwrap();
    std::fs::remove_file(&keys).unwrap();
    let ring = place.options(Options::new()).keys.expect("they were read");
    assert_eq!(ring.names().collect::<Vec<_>>(), ["a"]);
    assert!(!format!("{place:?}").contains("5a5a"));
    let gone = Place::parse(&format!("sessile:d?keys=file:{}", keys.display()));
    assert!(matches!(gone, Err(Error::KeysUnreadable { .. })), "{gone:?}");
    assert!(refusal(&format!("sessile:d?keys={}", "5a".repeat(32))).contains("file:"));
}

#[cfg(not(feature = "encryption"))]
#[test]
fn keys_need_a_build_with_encryption() {
    assert!(refusal("sessile:d?keys=file:/etc/keys").contains("encryption"));
}
