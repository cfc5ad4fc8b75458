//! What the tests of moves share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sessile_porting::{Address, Move, Report};

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub const HOUR_MS: u64 = 3_600_000;

pub fn address(format: &str, path: &Path) -> Address {
    format!("{format}:{}", path.display()).parse().unwrap()
}

pub fn carry(from: &Address, to: &Address) -> Report {
    Move::new(from.clone(), to.clone()).run(&()).unwrap()
}

/// The counts of a report: read, written, already there, expired, skipped.
pub fn counts(report: &Report) -> [u64; 5] {
    [report.read, report.written, report.already_there, report.expired, report.skipped_count()]
}

pub fn express(user: &str) -> String {
    format!(
        r#"{{"cookie":{{"originalMaxAge":3600000,"expires":"2026-11-30T00:00:00.000Z","httpOnly":true,"path":"/"}},"userId":"{user}"}}"#
    )
}
