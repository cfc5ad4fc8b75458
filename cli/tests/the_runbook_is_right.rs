//! Each section of docs/operations.md, against a store in the state that it is about: every command is run, in the order in which
//! it stands there, and says what stands there.
//!
//! A section names its state in a comment, `<!-- state: NAME -->`: `runbook/NAME.sh` brings a store into it. A block of `sh` is run
//! by bash; `exit=N` behind it says that its last command ends so. A block of `text` behind it is what it prints, where `…` is
//! anything. `$DIR`, `$BACKUP` and the commands that stop and start the server are the only words that differ from the reader's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod runbook;

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use runbook::{Block, Scene, sections};

/// Not a test: the server of the scripts, in a process of its own.
#[test]
#[ignore = "run by the scripts, in a process of its own"]
fn a_server() {
    runbook::server::run();
}

#[test]
fn each_section_can_be_followed() {
    let sections = sections();
    let mut failed = Vec::new();
    // Each in directories of its own, and most of its time waiting.
    std::thread::scope(|scope| {
        let runs: Vec<_> = sections
            .iter()
            .filter(|section| section.state.is_some())
            .map(|section| (section, scope.spawn(|| follow(section))))
            .collect();
        for (section, run) in runs {
            if let Err(what) = run.join().unwrap() {
                failed.push(format!("{}: {what}", section.title));
            }
        }
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_section_with_commands_has_a_state_and_every_state_a_section() {
    let sections = sections();
    for section in &sections {
        let has_commands = section.blocks.iter().any(Block::is_run);
        assert!(section.state.is_some() || !has_commands, "{}: its commands are not run", section.title);
    }
    let named: BTreeSet<_> = sections.iter().filter_map(|section| section.state.clone()).collect();
    let scripts = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbook")).unwrap();
    let scripts = scripts.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".sh").filter(|name| *name != "common").map(str::to_owned)
    });
    assert_eq!(named, scripts.collect());
}

fn follow(section: &runbook::Section) -> Result<(), String> {
    let state = section.state.as_deref().unwrap();
    let scene = Scene::new();
    let prepared = scene.prepare(state);
    if let Some(why) = prepared.skipped() {
        runbook::not_checked(&format!("the runbook's section \u{201c}{}\u{201d}: {why}", section.title));
        return Ok(());
    }
    if prepared.code != 0 {
        return Err(format!("{state}.sh ended with {}:\n{}", prepared.code, prepared.said));
    }
    for (block, next) in section.blocks.iter().zip(section.blocks.iter().skip(1).map(Some).chain([None])) {
        let Block::Commands { text, code } = block else { continue };
        let ran = scene.run(text);
        if ran.code != *code {
            return Err(format!("ended with {}, not {code}:\n{text}\nit said:\n{}", ran.code, ran.said));
        }
        if let Some(Block::Output(expected)) = next {
            // Alone in its line it is any number of lines.
            let line = |line: &str| match line {
                "…" => "(?:.*\n)*".to_owned(),
                line => regex::escape(line.trim_end()).replace('…', ".*") + "\n",
            };
            let pattern = format!("^{}$", expected.lines().map(line).collect::<String>());
            let said: String = ran.said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            if !Regex::new(&pattern).unwrap().is_match(&said) {
                return Err(format!("{text}\nis to say:\n{expected}\nand said:\n{said}"));
            }
        }
    }
    Ok(())
}
