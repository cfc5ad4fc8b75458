//! `expected.json`: what a store means.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sessile::{RecoveryReport, Store};

use super::files::Files;

#[derive(Debug, Serialize, Deserialize)]
pub struct Expected {
    /// What the store has been through.
    pub about: String,
    /// When it is opened, by its clock.
    pub now_ms: u64,
    /// How long each file is; those beside this one lack the zeros at their ends.
    pub files: BTreeMap<String, u64>,
    pub strict: Outcome,
    pub salvage: Outcome,
    pub read_only: Outcome,
    /// Every session that some way of opening shows.
    pub sessions: Vec<Known>,
    /// Ids that no way of opening may show.
    pub dead: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Refuses(Refusal),
    Opens {
        alive: Vec<String>,
        /// Sessions whose records are damaged: reading them is an error.
        unreadable: Vec<String>,
        /// What `verify` finds.
        verify: Vec<Place>,
        report: Report,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    Damage(Place),
    NewerFormat(u32),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub from_snapshot: bool,
    pub segments: u64,
    pub segments_scanned: u64,
    pub sessions: u64,
    pub tail_records: u64,
    pub torn_bytes: u64,
    pub files_removed: u64,
    pub salvage_ended: u64,
    pub damage: Vec<Place>,
}

impl Report {
    pub fn of(report: &RecoveryReport) -> Self {
        let places = report.damage.iter();
        Self {
            from_snapshot: report.from_snapshot,
            segments: report.segments,
            segments_scanned: report.segments_scanned,
            sessions: report.sessions,
            tail_records: report.tail_records,
            torn_bytes: report.torn_bytes,
            files_removed: report.files_removed,
            salvage_ended: report.salvage_ended,
            damage: places.map(|at| Place { file: at.file.clone(), offset: at.offset }).collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub id: String,
    pub data: String,
    pub created_ms: u64,
    pub deadline_ms: u64,
    pub absolute_ms: u64,
    pub subject: Option<String>,
    pub version: u64,
}

impl Known {
    /// A session as the store that wrote it shows it.
    pub fn of(store: &Store, id: &str, subjects: &[&str]) -> Option<Self> {
        let session = store.get(id).unwrap()?;
        let is_of = |name: &&&str| Some(store.subject_digest(*name).unwrap()) == session.subject();
        Some(Self {
            id: id.to_owned(),
            data: String::from_utf8(session.data().to_vec()).unwrap(),
            created_ms: session.created_ms(),
            deadline_ms: session.deadline().as_ms(),
            absolute_ms: session.absolute_deadline().as_ms(),
            subject: subjects.iter().find(is_of).map(|name| (*name).to_owned()),
            version: session.version().as_u64(),
        })
    }
}

impl Expected {
    pub fn load(directory: &Path) -> (Self, Files) {
        let text = std::fs::read_to_string(directory.join("expected.json"))
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let expected: Self = serde_json::from_str(&text).unwrap();
        let files = Files::load(directory, &expected.files);
        (expected, files)
    }

    pub fn save(&self, directory: &Path, files: &Files) {
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory).unwrap();
        let text = serde_json::to_string_pretty(self).unwrap();
        std::fs::write(directory.join("expected.json"), text + "\n").unwrap();
        files.save(directory);
    }
}
