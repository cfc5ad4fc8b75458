//! The turns: each store answers each page in each repetition, and whom a goal compares do so right after each other.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::contender::Contender;
use crate::device::Device;
use crate::generator::Pass;
use crate::outcome::Outcome;
use crate::page::Page;
use crate::pair::Pair;
use crate::plan::Scale;
use crate::stores::Pools;

/// Measures `contenders` on `pages`, with their stores in `directory`.
///
/// # Errors
/// A store does not open, or answers wrongly.
pub fn run(
    contenders: &[Contender],
    pages: &[Page],
    scale: &Scale,
    pools: Pools,
    directory: &Path,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let (device, began) = (Device::under(directory), Instant::now());
    let tell = |what: &str| eprintln!("{:4.0} s: {what}", began.elapsed().as_secs_f64());
    let mut pairs = Vec::new();
    for &contender in contenders {
        tell(&format!("{} starts", contender.name()));
        let pair = Pair::start(contender, &directory.join(contender.argument()), pools, scale.crowd)
            .map_err(|error| format!("{}: {error}", contender.name()))?;
        outcome.settings.push((contender, pair.settings.clone()));
        pairs.push(pair);
    }
    device.settle();
    for repetition in 1..=scale.repetitions {
        for &page in pages {
            tell(&format!("{}, {repetition} of {}", page.name(), scale.repetitions));
            for pair in &mut pairs {
                device.rest(scale.rest_max);
                let pass = Pass { page, warm_up_ms: ms(scale.warm_up), window_ms: ms(scale.window) };
                let sample = pair
                    .pass(pass)
                    .map_err(|error| format!("{}, {}: {error}", pair.contender.name(), page.name()))?;
                outcome.add(page, pair.contender, sample);
            }
        }
        // Nobody is always the one who comes after a certain other.
        pairs.reverse();
    }
    Ok(())
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
