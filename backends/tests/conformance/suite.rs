//! Runs all cases against one home, several at a time, and says which one failed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use sessile_backends::Backend;

use crate::cases::CASES;

pub type Home = Arc<dyn Backend>;
pub type Case = (&'static str, fn(Home) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// How many cases run at a time: they wait for deadlines more than they work.
const AT_A_TIME: usize = 8;

/// Every case against a set of its own in this home.
pub async fn keeps_the_contract(home: Home) {
    let ran = stream::iter(CASES.iter().enumerate()).map(|(number, (name, case))| {
        let home = Arc::clone(&home);
        let own = async move { home.beside(&format!("case_{number}")).await };
        async move {
            let home = own.await.unwrap_or_else(|error| panic!("no set of sessions for {name}: {error}"));
            let outcome = tokio::spawn(case(home)).await;
            (*name, outcome.map_err(|error| error.to_string()))
        }
    });
    let ran: Vec<_> = ran.buffer_unordered(AT_A_TIME).collect().await;
    let failed: Vec<_> = ran.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    println!("{}: {} cases, {} failed", home.name(), ran.len(), failed.len());
    assert!(failed.is_empty(), "{}: {failed:#?}", home.name());
}
