//! Valkey, alone and as a Cluster: the same home as on Redis.

use std::sync::Arc;

use sessile_backends::{Redis, Settings};

use crate::servers::cluster::Cluster;
use crate::servers::redis::RedisServer;
use crate::servers::{say, valkey};
use crate::suite::keeps_the_contract;

#[tokio::test(flavor = "multi_thread")]
async fn valkey_keeps_the_contract() {
    let Some(program) = valkey() else { return };
    let server = RedisServer::start_of(&program, Vec::new()).await;
    let facts: String = server.ask(&["INFO", "server"]).await;
    let version =
        facts.lines().find_map(|line| line.strip_prefix("valkey_version:")).expect("it is a Valkey");
    say(&format!("the contract was kept on Valkey {version}, alone and as a Cluster"));
    let address = server.address().replace("redis://", "valkey://");
    let home = Redis::connect(&address, Settings::new()).await.unwrap();
    keeps_the_contract(Arc::new(home)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_valkey_keeps_the_contract() {
    let Some(program) = valkey() else { return };
    let cluster = Cluster::start_of(&program, 15_000).await;
    keeps_the_contract(Arc::new(cluster.connect(Settings::new()).await)).await;
}
