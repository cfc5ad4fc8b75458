//! The generator: a process that asks one server for pages, as a crowd of visitors over connections that are kept alive.
//!
//! It is a closed loop: each connection asks again as soon as it is answered. A pass is told on a line of input, and what it
//! came to is told on a line of output. The generator is one thread, and cheap: what it takes of the processors, the server
//! has not.

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::Failure;
use crate::connection::Connection;
use crate::data::Random;
use crate::page::Page;
use crate::server::processor_ns;
use crate::visitor::Visitor;

/// How large the crowd is.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// How many are logged in.
    pub visitors: usize,
    /// Over how many connections.
    pub connections: usize,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Pass {
    /// The page that is asked for.
    pub page: Page,
    /// For how long, before anything counts.
    pub warm_up_ms: u64,
    /// For how long after that.
    pub window_ms: u64,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Requests that were answered rightly; there are no others.
    pub requests: u64,
    /// Requests a second.
    pub per_second: f64,
    /// Half of the answers took no longer, in nanoseconds.
    pub p50_ns: f64,
    /// 99 of 100 answers took no longer, in nanoseconds.
    pub p99_ns: f64,
    /// 999 of 1,000 answers took no longer, in nanoseconds.
    pub p999_ns: f64,
    /// The slowest answer, in nanoseconds.
    pub max_ns: f64,
    /// Processor time of the server a request, Redis included, in nanoseconds.
    pub server_ns: f64,
    /// Processor time of the generator a request, in nanoseconds.
    pub generator_ns: f64,
}

/// Logs the crowd in, and makes passes until the input ends.
///
/// # Errors
/// Whatever the server does wrong.
pub fn main(address: &str, crowd: Crowd) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut clients = runtime.block_on(login(address, crowd))?;
    say(&clients.len())?;
    for line in std::io::stdin().lock().lines() {
        let pass: Pass = serde_json::from_str(&line?)?;
        let sample;
        (clients, sample) = runtime.block_on(measure(address, clients, pass))?;
        say(&sample)?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    Ok(out.flush()?)
}

/// The visitors who share a connection. Nobody is on two of them, so a session is used by one request at a time.
struct Client {
    visitors: Vec<Visitor>,
    random: Random,
}

async fn login(address: &str, crowd: Crowd) -> Result<Vec<Client>, Failure> {
    let mut tasks = JoinSet::new();
    for first in 0..crowd.connections {
        let address = address.to_owned();
        tasks.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut visitors = Vec::new();
            for number in (first..crowd.visitors).step_by(crowd.connections) {
                visitors.push(Visitor::login(&mut connection, number as u64).await?);
            }
            Ok::<_, Failure>(Client { visitors, random: Random::new(first as u64) })
        });
    }
    let mut clients = Vec::new();
    while let Some(client) = tasks.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

async fn measure(address: &str, clients: Vec<Client>, pass: Pass) -> Result<(Vec<Client>, Sample), Failure> {
    let mut open = Vec::new();
    for client in clients {
        open.push((client, Connection::open(address).await?));
    }
    let warm_up = Duration::from_millis(pass.warm_up_ms);
    let (open, _) = together(open, pass.page, warm_up).await?;
    let (server, ours) = (server_ns(address).await?, processor_ns());
    let began = Instant::now();
    let (open, latencies) = together(open, pass.page, Duration::from_millis(pass.window_ms)).await?;
    let took = began.elapsed();
    let (ours, server) = (processor_ns() - ours, server_ns(address).await?.saturating_sub(server));
    let clients = open.into_iter().map(|(client, _)| client).collect();
    Ok((clients, Sample::new(&latencies, took, server, ours)?))
}

type Open = Vec<(Client, Connection)>;

/// All connections at work for as long as `window`, and what each request took.
async fn together(open: Open, page: Page, window: Duration) -> Result<(Open, Vec<u64>), Failure> {
    let end = Instant::now() + window;
    let mut tasks = JoinSet::new();
    for (mut client, mut connection) in open {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let mut before = Instant::now();
            while before < end {
                let chosen = client.random.below(client.visitors.len());
                let visitor = client.visitors.get_mut(chosen).ok_or("a connection without visitors")?;
                visitor.visit(&mut connection, page).await?;
                let now = Instant::now();
                latencies.push((now - before).as_nanos() as u64);
                before = now;
            }
            Ok::<_, Failure>((client, connection, latencies))
        });
    }
    let (mut open, mut all) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (client, connection, latencies) = done??;
        open.push((client, connection));
        all.extend(latencies);
    }
    Ok((open, all))
}

/// Processor time that the server has used so far.
async fn server_ns(address: &str) -> Result<u64, Failure> {
    let mut connection = Connection::open(address).await?;
    Ok(connection.ask("GET /processor", None).await?.body.parse()?)
}

impl Sample {
    fn new(latencies: &[u64], took: Duration, server_ns: u64, generator_ns: u64) -> Result<Self, Failure> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
        latencies.iter().for_each(|latency| histogram.saturating_record(*latency));
        let requests = latencies.len() as u64;
        let each = |total: u64| total as f64 / requests.max(1) as f64;
        let quantile = |quantile: f64| histogram.value_at_quantile(quantile) as f64;
        Ok(Self {
            requests,
            per_second: requests as f64 / took.as_secs_f64(),
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: histogram.max() as f64,
            server_ns: each(server_ns),
            generator_ns: each(generator_ns),
        })
    }
}
