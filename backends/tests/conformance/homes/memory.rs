//! Memory: no server, and a warning.

use std::process::Command;
use std::sync::Arc;

use sessile_backends::{Backend, Memory, Settings};

use crate::suite::keeps_the_contract;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    keeps_the_contract(Arc::new(Memory::new(Settings::new()).unwrap())).await;
}

/// What the test below runs in a process of its own.
#[tokio::test]
#[ignore = "the other half of the test below"]
async fn two_homes_in_memory() {
    for _ in 0..2 {
        Memory::new(Settings::new()).unwrap().beside("another").await.unwrap();
    }
}

#[test]
fn memory_warns_once_that_sessions_will_be_lost() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "homes::memory::two_homes_in_memory", "--ignored", "--nocapture"]);
    let said = child.output().unwrap();
    assert!(said.status.success());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.matches("WARNING: sessions are kept in memory only").count(), 1, "{said}");
    assert!(said.contains("SESSION_STORE=sessile:"), "it says what to do: {said}");
}
