//! The server: a process with one store, which answers on a port of this machine until nobody needs it any more.
//!
//! Its first line of output says where it listens. It ends when its input does, which is also when whoever started it has
//! died.

use std::io::Write as _;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::Failure;
use crate::contender::Contender;
use crate::stores::{self, Opened, Pools};

/// What a server says when it is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Where it listens.
    pub address: String,
    /// Which settings its store runs with.
    pub settings: String,
}

/// Serves until the input ends.
///
/// # Errors
/// The store cannot be opened, or the port not be listened on.
pub fn main(contender: Contender, directory: &Path, pools: Pools) -> Result<(), Failure> {
    // As many workers as there are processors, which is what `#[tokio::main]` makes.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(contender, directory, pools))
}

async fn serve(contender: Contender, directory: &Path, pools: Pools) -> Result<(), Failure> {
    let Opened { pages, settings, server } = stores::open(contender, directory, pools).await?;
    let server = std::sync::Arc::new(server);
    let of_both = std::sync::Arc::clone(&server);
    let processor = get(move || async move {
        let elsewhere = of_both.as_ref().as_ref().map_or(0, stores::Server::processor_ns);
        (processor_ns() + elsewhere).to_string()
    });
    let app: Router = pages.route("/processor", processor);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ready = Ready { address: listener.local_addr()?.to_string(), settings };
    println!("{}", serde_json::to_string(&ready)?);
    std::io::stdout().flush()?;
    let listener = listener.tap_io(|connection| {
        // An answer must not wait for the acknowledgement of the one before it.
        let _ = connection.set_nodelay(true);
    });
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    serving.abort();
    Ok(())
}

/// Processor time that the threads of this process have used so far, in nanoseconds, those included that have ended.
#[must_use]
pub fn processor_ns() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(used.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(used.tv_nsec).unwrap_or(0)
}
