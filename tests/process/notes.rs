//! What a run has to say beyond passing: its counts, and what it could not check on this machine.

use std::io::Write;

/// Says it on the test's output, and in the file that `SESSILE_TEST_NOTES` names, where there is one.
pub fn say(line: &str) {
    println!("{line}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// Loudly: what this machine does not allow has not been shown on it.
pub fn not_checked(what: &str) {
    eprintln!("NOT CHECKED HERE: {what}");
    say(&format!("not checked here: {what}"));
}
