//! The side-by-side: the same sessions and the same requests for every peer, the repetitions interleaved.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::data::Dataset;
use crate::measure::{Crew, Sample};
use crate::meter::Device;
use crate::outcome::{Figure, Outcome, Row, Taking};
use crate::peer::Peer;
use crate::peers;
use crate::plan::Scale;
use crate::workload::Workload;

/// Measures these workloads on the peers of these names, or all, and puts what came of it into `outcome`.
pub fn run(scale: &Scale, workloads: &[Workload], names: &[String], directory: &Path, outcome: &mut Outcome) {
    let data = Dataset::new(scale.sessions);
    let device = Device::under(directory);
    let peers: Vec<_> = peers::chosen(names).filter_map(|name| peers::open(name, directory)).collect();
    let bar = progress(scale, workloads, peers.len());
    for peer in &peers {
        bar.set_message(format!("{}: loading", peer.name()));
        let mut sessions = data.stored.iter().enumerate().map(|(at, id)| (id.as_str(), data.payload(at)));
        peer.load(&mut sessions);
        peer.settle();
        let (name, settings, forgets) = (peer.name(), peer.settings(), peer.forgets());
        outcome.peers.push(Taking { name, settings, forgets });
    }
    for &workload in workloads {
        let figures = compare(scale, &peers, workload, &data, &device, &bar);
        outcome.rows.push(Row::new(workload, figures));
    }
    bar.finish_and_clear();
}

/// Counts milliseconds of measuring: what it says is left is about what is left.
fn progress(scale: &Scale, workloads: &[Workload], peers: usize) -> ProgressBar {
    let total: Duration = workloads.iter().map(|workload| scale.turn(workload.kind) * peers as u32).sum();
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %, {eta} left: {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total.as_millis() as u64).with_style(style)
}

fn compare(
    scale: &Scale,
    peers: &[Box<dyn Peer>],
    workload: Workload,
    data: &Dataset,
    device: &Device,
    bar: &ProgressBar,
) -> Vec<Figure> {
    let window = scale.window(workload.kind);
    let say = |peer: &dyn Peer| bar.set_message(format!("{}: {}", workload.label(), peer.name()));
    let mut crews: Vec<Crew<'_>> = Vec::with_capacity(peers.len());
    for peer in peers {
        say(peer.as_ref());
        crews.push(Crew::new(peer.as_ref(), workload, data, device, scale.warm_up));
        bar.inc(scale.warm_up.as_millis() as u64);
    }
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); peers.len()];
    for _ in 0..scale.repetitions {
        for ((peer, crew), samples) in peers.iter().zip(&mut crews).zip(&mut samples) {
            say(peer.as_ref());
            samples.push(crew.repetition(window));
            bar.inc((window.throughput + window.latency).as_millis() as u64);
        }
    }
    peers
        .iter()
        .zip(&samples)
        .map(|(peer, samples)| Figure::of(peer.name(), peer.counts_allocations(), samples))
        .collect()
}
