//! The side-by-side: the same sessions and the same requests for every peer, the repetitions interleaved.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::Dataset;
use crate::device::Device;
use crate::limits;
use crate::measure::{self, Crew, Sample};
use crate::meter;
use crate::outcome::{Figure, Row, Taking, median};
use crate::peer::{Peer, Wait};
use crate::peers;
use crate::plan::{LOAD_SLICES, Scale};
use crate::run::Run;
use crate::workload::{Kind, Workload};

/// A peer that is open, by the name that it is chosen by.
struct Side {
    chosen_by: &'static str,
    peer: Box<dyn Peer>,
}

/// Measures these workloads over a million sessions or the usual number; `directory` then holds the stores, closed.
pub fn run(run: &mut Run, workloads: &[Workload], million: bool, directory: &Path) {
    let sessions = if million { run.scale.million as usize } else { run.scale.sessions };
    let wants_queues = workloads.iter().any(has_use_for_queues);
    let data = Dataset::new(sessions);
    std::fs::create_dir_all(directory).expect("the directory can be made");
    let device = Device::under(directory);
    let sides: Vec<Side> = peers::chosen(&run.peers)
        .map(|known| known.chosen_by)
        .filter_map(|chosen_by| Some(Side { chosen_by, peer: peers::open(chosen_by, directory)? }))
        .filter(|side| wants_queues || !side.peer.queues())
        .collect();
    for side in &sides {
        let (name, settings, forgets) =
            (side.peer.name().to_owned(), side.peer.settings(), side.peer.forgets());
        if !run.outcome.peers.iter().any(|known| known.name == name) {
            run.outcome.peers.push(Taking { name, settings, forgets });
        }
    }
    let loading = workloads.iter().find(|workload| workload.kind == Kind::Load);
    load(run, &sides, loading, &data, &device, directory);
    let mut is_published = false;
    for &workload in workloads.iter().filter(|workload| workload.kind != Kind::Load) {
        if workload.kind == Kind::Published && !std::mem::replace(&mut is_published, true) {
            publish(run, &sides, &data);
        }
        let takes_part = |side: &&Side| !side.peer.queues() || has_use_for_queues(&workload);
        let sides: Vec<&Side> = sides.iter().filter(takes_part).collect();
        run.begin(&workload.label());
        let (figures, sync_ns) = compare(run, &sides, workload, &data, &device);
        run.add_row(Row { sync_ns, ..Row::new(workload, figures) });
    }
    run.say("closing".to_owned());
}

/// A queue brings together writers that are many.
fn has_use_for_queues(workload: &Workload) -> bool {
    workload.kind.writes() && workload.threads > 1
}

/// About how long it takes.
#[must_use]
pub fn takes(scale: &Scale, workloads: &[Workload], peers: usize, queues: usize) -> Duration {
    let loading =
        |count: usize| count as u32 * scale.loading(workloads.iter().any(|workload| workload.million));
    let of = |workload: &Workload| {
        let sides = if has_use_for_queues(workload) { peers } else { peers - queues };
        scale.turn(workload.kind) * sides as u32
    };
    loading(peers) + workloads.iter().map(of).sum::<Duration>()
}

/// Stores the sessions: half of them one by one in turns where that is to be measured, the rest in whatever way is fastest.
fn load(
    run: &mut Run,
    sides: &[Side],
    measured: Option<&Workload>,
    data: &Dataset,
    device: &Device,
    directory: &Path,
) {
    let sessions = data.stored.len();
    let one_by_one = if measured.is_some() { sessions / 2 } else { 0 };
    if let Some(workload) = measured {
        run.begin(&workload.label());
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); sides.len()];
        let part = one_by_one / LOAD_SLICES;
        for slice in 0..LOAD_SLICES {
            for (side, samples) in sides.iter().zip(&mut samples) {
                run.say(format!("{}: {}", workload.label(), side.peer.name()));
                let end = if slice + 1 == LOAD_SLICES { one_by_one } else { (slice + 1) * part };
                samples.push(measure::load(side.peer.as_ref(), data, device, (slice * part, end)));
            }
        }
        let of = |(side, samples): (&Side, &Vec<Sample>)| {
            Figure::of(side.peer.name(), side.peer.counts_allocations(), samples)
        };
        run.add_row(Row::new(*workload, sides.iter().zip(&samples).map(of).collect()));
    }
    run.begin("loading");
    for side in sides {
        let peer = side.peer.as_ref();
        run.say(format!("loading: {}", peer.name()));
        let rest = data.stored.iter().enumerate().skip(one_by_one);
        let began = Instant::now();
        peer.load(&mut rest.map(|(at, id)| (id.as_str(), data.payload(at))));
        let took = began.elapsed();
        peer.settle();
        let disk_bytes = (!peer.forgets()).then(|| meter::disk_bytes(&directory.join(side.chosen_by)) as f64);
        let size = run.size(peer.name(), sessions as u64);
        size.loaded_per_second = Some((sessions - one_by_one) as f64 / took.as_secs_f64());
        size.disk_bytes = disk_bytes;
        run.advance(run.scale.loading(sessions as u64 == run.scale.million));
    }
    run.keep();
}

/// Gives all sessions the lengths that Redis publishes.
fn publish(run: &Run, sides: &[Side], data: &Dataset) {
    for side in sides {
        run.say(format!("storing sessions of 400 to 600 bytes: {}", side.peer.name()));
        let sessions = data.stored.iter().enumerate();
        side.peer.load(&mut sessions.map(|(at, id)| (id.as_str(), data.published_payload(at))));
        side.peer.settle();
    }
}

/// What each did, and what the bare disk took for a sync before each repetition, where the workload waits for it.
fn compare(
    run: &Run,
    sides: &[&Side],
    workload: Workload,
    data: &Dataset,
    device: &Device,
) -> (Vec<Figure>, Option<f64>) {
    let scale = &run.scale;
    let window = scale.window(workload.kind);
    let say = |side: &Side| run.say(format!("{}: {}", workload.label(), side.peer.name()));
    let mut crews: Vec<Crew<'_>> = Vec::with_capacity(sides.len());
    for side in sides {
        say(side);
        crews.push(Crew::new(side.peer.as_ref(), workload, data, device, scale.warm_up));
        run.advance(scale.warm_up);
    }
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); sides.len()];
    let mut syncs = Vec::new();
    for _ in 0..scale.repetitions {
        if workload.kind.writes() && workload.wait == Wait::Synced {
            // Where it cannot be measured, the one from the beginning counts.
            syncs.extend(limits::sync_now(&run.directory));
        }
        for ((side, crew), samples) in sides.iter().zip(&mut crews).zip(&mut samples) {
            say(side);
            samples.push(crew.repetition(window));
            run.advance(scale.repetition(workload.kind));
        }
    }
    let of = |(side, samples): (&&Side, &Vec<Sample>)| {
        Figure::of(side.peer.name(), side.peer.counts_allocations(), samples)
    };
    let figures = sides.iter().zip(&samples).map(of).collect();
    (figures, (!syncs.is_empty()).then(|| median(syncs)))
}
