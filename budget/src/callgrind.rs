//! Counting: one operation in a process of its own, under valgrind's callgrind.
//!
//! Owns: how callgrind is called and what is read from its output, and the facts of the machine that a count can depend on.
//! Counted is what all threads of the process do while `counted_section` of [`operations`](crate::operations) runs.
//! System calls count as one instruction, whatever the kernel does for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::operations::{Operation, SECTION_BEGINS, SECTION_ENDS};

/// What a count depends on besides the script. On another processor of the same architecture it is the same: valgrind
/// shows every program the same one, which has what stands in `features`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub architecture: String,
    /// What the code asks for at run time (checksums, digests, copying), as seen under valgrind.
    pub features: String,
    pub compiler: String,
    pub valgrind: String,
    pub libc: String,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look() -> Result<Self, String> {
        let valgrind = said("valgrind", &["--version"])
            .ok_or("valgrind is missing, and instructions cannot be counted without it")?;
        let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        Ok(Self {
            architecture: std::env::consts::ARCH.to_owned(),
            features: features_under_valgrind()?,
            compiler: said(&compiler, &["--version"]).unwrap_or_default(),
            valgrind,
            libc: said("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_default(),
        })
    }

    /// A line for each fact in which the two differ.
    pub(crate) fn differences(&self, here: &Self) -> Vec<String> {
        let facts = [
            ("features", &self.features, &here.features),
            ("compiler", &self.compiler, &here.compiler),
            ("valgrind", &self.valgrind, &here.valgrind),
            ("libc", &self.libc, &here.libc),
        ];
        let different = facts.into_iter().filter(|(_, recorded, here)| recorded != here);
        different
            .map(|(fact, recorded, here)| format!("note: {fact}: recorded with {recorded:?}, here {here:?}"))
            .collect()
    }
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Counts the instructions that each operation takes, as many at a time as there are cores.
pub(crate) fn count(operations: &[Operation]) -> Result<Vec<(Operation, u64)>, String> {
    let scratch = Scratch::new()?;
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(operation) = operations.get(next.fetch_add(1, Ordering::Relaxed)) {
            let count = count_one(*operation, &scratch.0);
            counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*operation, count));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (1..threads).for_each(|_| _ = scope.spawn(work));
        work();
    });
    let counts = counts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count_of = |operation: &Operation| {
        let counted = counts.iter().find(|(counted, _)| counted == operation);
        let count =
            counted.map_or_else(|| Err("it was not counted".to_owned()), |(_, count)| count.clone())?;
        Ok((*operation, count))
    };
    operations.iter().map(count_of).collect()
}

fn count_one(operation: Operation, scratch: &Path) -> Result<u64, String> {
    let name = operation.name();
    let failed = |what: &str| format!("{name} could not be counted: {what}");
    let out = scratch.join(format!("{name}.out"));
    let program = std::env::current_exe().map_err(|error| failed(&error.to_string()))?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--error-exitcode=1"])
        .args([format!("--zero-before=*{SECTION_BEGINS}*"), format!("--dump-before=*{SECTION_ENDS}*")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["run", name, "store"])
        .current_dir(scratch_of(scratch, name).map_err(|error| failed(&error.to_string()))?)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(&error.to_string()))?;
    if !run.status.success() {
        return Err(failed(String::from_utf8_lossy(&run.stderr).trim()));
    }
    // The first dump is what was counted at the section's end; the one after it is the rest of the process.
    let dump = PathBuf::from(format!("{}.1", out.display()));
    let dump = std::fs::read_to_string(dump).map_err(|_| failed("the section was not met"))?;
    let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse::<u64>().ok());
    let total = total.filter(|total| *total > 0).ok_or_else(|| failed("callgrind gave no total"))?;
    Ok(total.div_ceil(operation.times()))
}

/// A directory for one run, in which its store has the same name in every run: paths are copied while a store is opened.
fn scratch_of(scratch: &Path, name: &str) -> std::io::Result<PathBuf> {
    let directory = scratch.join(name);
    std::fs::create_dir(&directory)?;
    Ok(directory)
}

fn features_under_valgrind() -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let run = Command::new("valgrind").args(["--tool=none", "--quiet"]).arg(program).arg("features").output();
    let run = run.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&run.stdout).trim().to_owned())
}

/// A directory beside the program that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let directory = program.with_file_name(format!("budget-{}", std::process::id()));
        std::fs::create_dir(&directory)
            .map_err(|error| format!("{} cannot be created: {error}", directory.display()))?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Somebody removes target/ some day.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
