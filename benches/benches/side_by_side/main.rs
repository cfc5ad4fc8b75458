//! The side-by-side: the same sessions and the same requests for every store, in one run on one machine.
//!
//! `cargo bench --bench side_by_side` runs everything; words after `--` choose workloads by name (`million` for memory
//! and opening at one million sessions). `SESSILE_BENCH_QUICK=1` makes it short and rough, `SESSILE_BENCH_DIR` says
//! where the stores are put, `SESSILE_BENCH_PEERS` names those that take part. Without `--bench`, as in
//! `cargo test --benches`, it only tries itself out.

mod million;
mod peers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sessile_bench::data::Dataset;
use sessile_bench::machine;
use sessile_bench::measure::{Crew, Sample, Window};
use sessile_bench::meter::{CountingAllocator, Device};
use sessile_bench::peer::{Peer, Wait};
use sessile_bench::report::{self, Figure, Row};
use sessile_bench::workload::{Kind, Workload};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The workloads and what is to be reached in them, in the order in which they run.
const WORKLOADS: &[Workload] = &[
    workload("get, Zipf 0.99", Kind::GetZipf, 1, Wait::Written, Some(6.0)),
    workload("get, Zipf 0.99", Kind::GetZipf, 2, Wait::Written, Some(6.0)),
    workload("get, uniform", Kind::GetUniform, 1, Wait::Written, None),
    workload("get, missing", Kind::GetMissing, 1, Wait::Written, None),
    workload("touch", Kind::Touch, 1, Wait::Written, Some(50.0)),
    workload("touch, always logged", Kind::TouchFurther, 1, Wait::Written, None),
    workload("set, Written", Kind::Set, 1, Wait::Written, Some(20.0)),
    workload("set, Written", Kind::Set, 8, Wait::Written, None),
    workload("set, Synced", Kind::Set, 1, Wait::Synced, Some(1.0)),
    workload("set, Synced", Kind::Set, 32, Wait::Synced, Some(8.0)),
    workload("web, Written", Kind::Web, 1, Wait::Written, None),
    workload("web, Written", Kind::Web, 8, Wait::Written, None),
];

const fn workload(name: &'static str, kind: Kind, threads: usize, wait: Wait, goal: Option<f64>) -> Workload {
    Workload { name, kind, threads, wait, goal }
}

/// How much is measured.
struct Scale {
    sessions: usize,
    million: u64,
    repetitions: usize,
    /// Whether enough is measured to say which goals were reached.
    judges: bool,
    warm_up: Duration,
    reads: Window,
    writes: Window,
}

impl Scale {
    const FULL: Self = Self {
        sessions: 100_000,
        million: 1_000_000,
        repetitions: 3,
        judges: true,
        warm_up: Duration::from_millis(300),
        reads: window(500, 250),
        // Longer than the interval at which sessile syncs by itself, so that the throughput includes that.
        writes: window(1100, 400),
    };
    const QUICK: Self = Self {
        warm_up: Duration::from_millis(100),
        reads: window(100, 50),
        writes: window(300, 100),
        million: 100_000,
        judges: false,
        ..Self::FULL
    };
    const TRIAL: Self = Self {
        sessions: 1000,
        million: 1000,
        repetitions: 1,
        judges: false,
        warm_up: Duration::from_millis(5),
        reads: window(5, 5),
        writes: window(5, 5),
    };
}

const fn window(throughput_ms: u64, latency_ms: u64) -> Window {
    Window { throughput: Duration::from_millis(throughput_ms), latency: Duration::from_millis(latency_ms) }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == million::ARGUMENT
    {
        return million::child(rest);
    }
    let scale = if !arguments.iter().any(|argument| argument == "--bench") {
        Scale::TRIAL
    } else if std::env::var_os("SESSILE_BENCH_QUICK").is_some() {
        Scale::QUICK
    } else {
        Scale::FULL
    };
    let words: Vec<String> = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
    let directory = Scratch::new();
    run(&scale, &words, &directory.0);
}

fn run(scale: &Scale, words: &[String], directory: &Path) {
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let workloads: Vec<Workload> = WORKLOADS
        .iter()
        .filter(|workload| chosen(&workload.label()))
        .map(|workload| Workload { goal: workload.goal.filter(|_| scale.judges), ..*workload })
        .collect();
    let file_system = machine::file_system(directory);
    println!("\n{}", machine::description(directory));
    if machine::is_memory(&file_system) {
        println!("WARNING: {file_system} is memory: nothing about Synced can be learned here");
    }
    let mut reached = Vec::new();
    if !workloads.is_empty() {
        let rows = side_by_side(scale, &workloads, directory);
        println!("\n{}", report::speeds(&rows));
        println!("What a request cost beside time:\n\n{}", report::costs(&rows));
        reached.extend(rows.iter().filter_map(Row::reached));
    }
    if chosen("million") {
        let mut measures = million::measure(directory, scale.million);
        measures.iter_mut().for_each(|measure| measure.goal = measure.goal.filter(|_| scale.judges));
        println!("sessile with {} sessions:\n\n{}", scale.million, report::measures(&measures));
        reached.extend(measures.iter().filter_map(report::Measure::reached));
    }
    if scale.judges {
        println!("{} of {} goals reached", reached.iter().filter(|&&reached| reached).count(), reached.len());
    } else {
        println!("too short to say which goals were reached");
    }
}

fn side_by_side(scale: &Scale, workloads: &[Workload], directory: &Path) -> Vec<Row> {
    let data = Dataset::new(scale.sessions);
    let device = Device::under(directory);
    let peers = peers::open(directory);
    println!("{} sessions of 282 to 885 bytes under ids of 32 characters\n", scale.sessions);
    for peer in &peers {
        println!("{}: {}", peer.name(), peer.settings());
        peer.load(
            &mut data.stored.iter().enumerate().map(|(number, id)| (id.as_str(), data.payload(number))),
        );
        peer.settle();
    }
    let mut rows: Vec<Row> = Vec::new();
    for &workload in workloads {
        eprintln!("  {}", workload.label());
        let figures = compare(scale, &peers, workload, &data, &device);
        let baseline = baseline(&figures, workload, &rows);
        rows.push(Row { workload, figures, baseline });
    }
    rows
}

/// Measures a workload on every peer, the repetitions interleaved.
fn compare(
    scale: &Scale,
    peers: &[Box<dyn Peer>],
    workload: Workload,
    data: &Dataset,
    device: &Device,
) -> Vec<Figure> {
    let window = if workload.kind.writes() { scale.writes } else { scale.reads };
    let mut crews: Vec<Crew<'_>> =
        peers.iter().map(|peer| Crew::new(peer.as_ref(), workload, data, device, scale.warm_up)).collect();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); peers.len()];
    for _ in 0..scale.repetitions {
        for (crew, samples) in crews.iter_mut().zip(&mut samples) {
            samples.push(crew.repetition(window));
        }
    }
    peers
        .iter()
        .zip(&samples)
        .map(|(peer, samples)| Figure::of(peer.name(), peer.counts_allocations(), samples))
        .collect()
}

/// The other peer's speed in this workload, or with fewer threads where that is faster: a store that writes with one
/// connection is not to be judged by how its callers queue.
fn baseline(figures: &[Figure], workload: Workload, earlier: &[Row]) -> f64 {
    let with_fewer_threads =
        earlier.iter().filter(|row| row.workload.name == workload.name && workload.kind.writes());
    let others = figures.iter().chain(with_fewer_threads.flat_map(|row| &row.figures));
    let first = figures.first().map(|figure| figure.peer);
    others
        .filter(|figure| Some(figure.peer) != first)
        .map(|figure| figure.median.per_second)
        .fold(0.0, f64::max)
}

/// A directory on the disk that the build is on, which goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let parent = std::env::var_os("SESSILE_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        let path = parent.join(format!("sessile-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the directory can be made");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
