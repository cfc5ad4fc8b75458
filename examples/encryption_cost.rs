//! What encryption costs a read and a write: the same calls on a plain store and on an encrypted one, by turns, in one run.
//!
//! ```text
//! cargo run --release --example encryption_cost --features encryption
//! ```
//! Nobody waits for the disk: writes are `Written`. What is printed is the median of the rounds, each the mean of its calls, in
//! the calling thread's time on the processor, the kernel's part of a write included: so a busy machine says nearly the same.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sessile::{Durability, KeyRing, Options, Result, Store, Write};

const SESSIONS: u64 = 50_000;
const CALLS: u64 = 10_000;
const ROUNDS: usize = 15;

/// A call to be measured: its name, and the call itself for the `n`th time with so many bytes of data.
type Call = (&'static str, fn(&Store, u64, &[u8]) -> Result<()>);

const OPERATIONS: [Call; 4] = [
    ("get", |store, n, _| store.get(id(n)).map(|session| drop(black_box(session)))),
    ("get_ref", |store, n, _| store.get_ref(id(n)).map(|session| drop(black_box(session)))),
    ("set", |store, n, data| store.set(id(n), Write::new(data)).map(drop)),
    ("touch", |store, n, _| store.touch(id(n), Duration::from_secs(15 * 86_400)).map(drop)),
];

fn id(number: u64) -> [u8; 16] {
    // Spread over the store, and the same in each run.
    let mixed = u128::from(number % SESSIONS).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    mixed.to_le_bytes()
}

fn store(directory: &Path, keys: Option<KeyRing>, data: &[u8]) -> Result<Store> {
    let options = Options::new().durability(Durability::Written).manual_maintenance(true);
    let options = match keys {
        Some(keys) => options.encryption(keys),
        None => options,
    };
    let store = options.disk_bytes_max(8 << 30).open(directory)?;
    for number in 0..SESSIONS {
        store.set(id(number), Write::new(data))?;
    }
    store.flush()?;
    Ok(store)
}

/// How long this thread has been on a processor.
fn processor_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds a call.
fn measured(store: &Store, call: Call, begin: u64, data: &[u8]) -> Result<f64> {
    let began_ns = processor_ns();
    for number in begin..begin + CALLS {
        (call.1)(store, number, data)?;
    }
    Ok((processor_ns() - began_ns) / CALLS as f64)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    println!("{:>6} {:<8} {:>10} {:>10} {:>7}", "bytes", "call", "plain ns", "sealed ns", "ratio");
    for bytes in [128, 490, 4096] {
        let data = vec![0x5a; bytes];
        let directory = tempfile::tempdir()?;
        let plain = store(&directory.path().join("plain"), None, &data)?;
        let sealed = store(&directory.path().join("sealed"), Some(KeyRing::new("key", [7; 32])?), &data)?;
        for call in OPERATIONS {
            let (mut of_plain, mut of_sealed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS {
                let begin = round as u64 * CALLS;
                let (one, other) = if round % 2 == 0 { (&plain, &sealed) } else { (&sealed, &plain) };
                let (first, second) =
                    (measured(one, call, begin, &data)?, measured(other, call, begin, &data)?);
                let (plain_ns, sealed_ns) = if round % 2 == 0 { (first, second) } else { (second, first) };
                of_plain.push(plain_ns);
                of_sealed.push(sealed_ns);
                ratios.push(sealed_ns / plain_ns);
            }
            println!(
                "{bytes:>6} {:<8} {:>10.0} {:>10.0} {:>7.2}",
                call.0,
                median(of_plain),
                median(of_sealed),
                median(ratios)
            );
        }
    }
    Ok(())
}
