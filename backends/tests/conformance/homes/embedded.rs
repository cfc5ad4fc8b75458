//! The engine: a directory.

use std::sync::Arc;

use sessile::Options;
use sessile_backends::{Backend, Embedded};

use crate::suite::keeps_the_contract;

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    keeps_the_contract(Arc::new(Embedded::open(Options::new(), dir.path()).await.unwrap())).await;
}

#[tokio::test]
async fn what_stands_beside_is_there_again_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    for opening in 0..2 {
        let home = Embedded::open(Options::new(), dir.path()).await.unwrap();
        let ledger = home.beside("ledger").await.unwrap();
        assert_eq!(ledger.get(b"an id").await.unwrap().is_some(), opening == 1);
        ledger.set(b"an id", "some data".into()).await.unwrap();
        ledger.close().await.unwrap();
        home.close().await.unwrap();
    }
}
