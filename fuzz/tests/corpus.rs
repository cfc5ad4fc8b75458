//! The inputs that are kept, through the functions that the fuzzer runs, on a stable compiler; and proof that these
//! functions can fail.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sessile_fuzz::{TARGETS, allocation};

/// Far more than any input takes, and far less than a hang.
const TIME_MAX: Duration = Duration::from_secs(20);

/// One test and not one for each target: memory is counted for the whole process.
#[test]
fn every_seed_passes_and_every_target_has_seeds() {
    for (name, check) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut paths: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(paths.len() > 2, "{name} has {} seeds", paths.len());
        for path in &paths {
            let began = Instant::now();
            check(&fs::read(path).unwrap());
            assert!(began.elapsed() < TIME_MAX, "{} took {:?}", path.display(), began.elapsed());
        }
        println!("{name}: {} seeds", paths.len());
    }
    let caught = std::panic::catch_unwind(|| allocation::bounded(4096, || vec![1u8; 8192].len()));
    assert!(caught.is_err(), "an allocation that the input does not justify is not caught");
    assert_eq!(allocation::bounded(16384, || vec![1u8; 8192].len()), 8192);
}

/// A target without a directory of seeds, or a directory without a target, is a slip.
#[test]
fn seeds_and_targets_are_the_same_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |directory: &str| {
        let mut names: Vec<String> = fs::read_dir(root.join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let mut targets: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    targets.sort();
    assert_eq!(names("seeds"), targets);
    assert_eq!(names("fuzz_targets"), targets);
}
