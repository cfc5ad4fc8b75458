//! The program itself, on a few requests: RocksDB answers every kind of request rightly.

use std::process::Command;

#[test]
fn rocksdb_takes_part() {
    let run = Command::new(env!("CARGO_BIN_EXE_sessile-bench-rocksdb"))
        .args(["--trial", "--peers", "rocksdb", "get", "touch", "set", "web"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(String::from_utf8_lossy(&run.stdout).contains("| RocksDB"));
}
