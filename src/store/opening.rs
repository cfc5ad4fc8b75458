//! Opening: from a directory to a core.
//!
//! Owns: the order of opening, and that one process has one core for one directory. What is on the disk is decided by
//! `recovery`, which also says where a crash can fall; here its verdicts become memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Held;
use super::core::Core;
use super::filling::{core_of, fill, index_of};
use super::telling::Heard;
use super::upkeep::Upkeep;
use crate::clock::Watch;
use crate::error::{Error, Result};
use crate::id;
use crate::lock::{self, DirectoryLock};
use crate::log::appender::Appender;
use crate::log::header::StoreHeader;
use crate::log::latch::Latch;
use crate::log::root::{self, Root};
use crate::log::segment::{Segment, number_of};
use crate::options::{Options, Recovery};
use crate::recovery::begin::{Setup, begin, prepare};
use crate::recovery::chain::Purpose;
use crate::recovery::open::Directory;
use crate::recovery::{Survey, survey};
use crate::sync::{Instant, LazyLock, Mutex, pause};

/// The stores that are open in this process, by device and inode of their directories. Each has a lock of its own, held
/// while it is being opened: who comes second shares it, and nobody waits for another directory's recovery.
static OPEN: LazyLock<Mutex<BTreeMap<(u64, u64), Slot>>> = LazyLock::new(Mutex::default);

type Slot = Arc<Mutex<Weak<Held>>>;

/// How often a survey that a server's work has overtaken is tried again.
const INSPECT_TRIES: usize = 200;
/// So often in a row the same damage is no server at work.
const SAME_DAMAGE_TIMES: usize = 10;
const INSPECT_PAUSE: Duration = Duration::from_millis(2);

/// Opens the store in `directory`, or shares it where this process has it open already.
pub(crate) fn open(directory: &Path, options: Options) -> Result<Arc<Held>> {
    options.validate()?;
    prepare_directory(directory, &options)?;
    let vfs = Arc::clone(&options.vfs);
    if options.read_only {
        return inspect(directory, options);
    }
    let identity = vfs
        .identity(directory)
        .map_err(|error| Error::io(format!("opening {}", directory.display()), error))?;
    let slot = slot(identity);
    let mut slot = slot.lock();
    if let Some(open) = slot.upgrade().filter(|held| held.0.check_open().is_ok()) {
        return Ok(open);
    }
    let lock = DirectoryLock::take(vfs.as_ref(), directory, options.lock_wait, options.clock.as_ref())?;
    let held = Arc::new(Held(open_core(directory, options, lock)?));
    *slot = Arc::downgrade(&held);
    if !held.0.options.manual_maintenance {
        Upkeep::start(&held.0)?;
    }
    Ok(held)
}

/// The place of a directory among those that are open, or were and are forgotten here.
fn slot(identity: (u64, u64)) -> Slot {
    let mut open = LazyLock::force(&OPEN).lock();
    open.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.lock().strong_count() > 0);
    Arc::clone(open.entry(identity).or_default())
}

/// Sees to it that the directory is there, is local, and holds a store or nothing.
fn prepare_directory(directory: &Path, options: &Options) -> Result<()> {
    let vfs = options.vfs.as_ref();
    let failed = |error| Error::io(format!("opening {}", directory.display()), error);
    if options.create && !options.read_only {
        vfs.create_dir(directory).map_err(failed)?;
    }
    if !options.allow_network_file_system
        && let Some(kind) = vfs.network_file_system(directory).map_err(failed)?
    {
        return Err(Error::NetworkFileSystem { kind: kind.to_owned() });
    }
    let names = vfs.list(directory).map_err(failed)?;
    if names.iter().any(|name| name == root::FILE_NAME) {
        return Ok(());
    }
    if names.iter().any(|name| number_of(name).is_some()) {
        return Err(Error::corrupt(
            root::FILE_NAME,
            0,
            "the store's header is missing, but its segments are there",
        ));
    }
    let ours = |name: &String| name == lock::FILE_NAME || name.ends_with(".tmp");
    if names.iter().all(ours) && options.create && !options.read_only {
        return Ok(());
    }
    Err(Error::NotAStore(directory.to_owned()))
}

fn open_core(directory: &Path, options: Options, lock: DirectoryLock) -> Result<Arc<Core>> {
    let began = Instant::now();
    let vfs = Arc::clone(&options.vfs);
    let root = match Root::read(vfs.as_ref(), directory, true)? {
        Some(root) => root,
        None => Root::create(vfs.as_ref(), directory, new_store(&options)?)?,
    };
    let header = root.header();
    let mut survey = survey(place(directory, &options, &header), &root, Purpose::Recover, options.recovery)?;
    survey.report.created = header.root == 0;
    let mark_ms = survey.clock_ms;
    let watch =
        Watch::new(Arc::clone(&options.clock), mark_ms, options.clock_confirm, options.clock_jump_max);
    let in_use: u64 = survey.segments.iter().map(|segment| segment.capacity).sum();
    let setup = Setup {
        root,
        latch: Latch::new(options.observer.clone()),
        segment_bytes: options.segment_bytes,
        disk_bytes_max: disk_bytes_max(directory, &options, in_use)?,
    };
    let preparing = Instant::now();
    let prepared = prepare(&mut survey, setup, watch.now().settled_ms)?;
    let prepared_in = preparing.elapsed();
    let heard = Heard::read(vfs.as_ref(), directory, header.store_id, mark_ms);
    // Judged by the time that was durable, not by what the clock says now. What has run out and was not told to whoever
    // listens is over all the same: but the reaper is to meet it.
    survey.clock_ms = planted!(OpeningBelievesTheClock, watch.now().now_ms, mark_ms).min(heard.told_ms());
    let index = Arc::new(index_of(&survey, &options)?);
    let beginning = |survey: &Survey| {
        let began = Instant::now();
        begin(survey, prepared).map(|begun| (begun, began.elapsed()))
    };
    let (((beginning, removed), took), memory) = fill(&mut survey, &index, beginning)?;
    (survey.report.files_removed, survey.report.parts.begin) = (removed, prepared_in + took);
    let on_segment = Arc::clone(&index);
    let hears = Box::new(move |segment: &Arc<Segment>| {
        on_segment.add_segment(segment.number, segment.capacity, segment)
    });
    let appender = Appender::new(beginning, hears);
    let rest = (directory, options, header);
    let core = core_of(survey, memory, (watch, index), Some(appender), Some(lock), rest, began);
    core.hear(heard);
    Ok(core)
}

/// Opens for reading only: looks again when a server's work has overtaken the look.
fn inspect(directory: &Path, mut options: Options) -> Result<Arc<Held>> {
    options.manual_maintenance = true;
    let (mut last, mut times) = (None, 0);
    for _ in 0..INSPECT_TRIES {
        let began = Instant::now();
        let vfs = Arc::clone(&options.vfs);
        let holder = DirectoryLock::holder(vfs.as_ref(), directory)?;
        let Some(root) = Root::read(vfs.as_ref(), directory, false)? else {
            return Err(Error::NotAStore(directory.to_owned()));
        };
        let header = root.header();
        // What a server at work has just removed looks like damage, so with one there nothing is salvaged at once.
        let mode = if holder.is_some() { Recovery::Strict } else { options.recovery };
        match survey(place(directory, &options, &header), &root, Purpose::Examine, mode) {
            Ok(mut survey) => {
                let clock = Arc::clone(&options.clock);
                let watch = Watch::new(clock, survey.clock_ms, options.clock_confirm, options.clock_jump_max);
                let index = Arc::new(index_of(&survey, &options)?);
                let rest = (directory, options, header);
                let ((), memory) = fill(&mut survey, &index, |_| Ok(()))?;
                let mut core = core_of(survey, memory, (watch, index), None, None, rest, began);
                if let Some(core) = Arc::get_mut(&mut core) {
                    core.holder = holder;
                }
                return Ok(Arc::new(Held(core)));
            }
            Err(error @ Error::Corrupt(_)) if holder.is_some() => {
                let is_same = last.as_ref().is_some_and(|last: &Error| last.to_string() == error.to_string());
                times = if is_same { times + 1 } else { 1 };
                if times == SAME_DAMAGE_TIMES {
                    return Err(error);
                }
                last = Some(error);
                pause(INSPECT_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(Error::NotAStore(directory.to_owned())))
}

fn place(directory: &Path, options: &Options, header: &StoreHeader) -> Directory {
    Directory {
        vfs: Arc::clone(&options.vfs),
        path: directory.to_owned(),
        store_id: header.store_id,
        read_mode: options.read_mode,
    }
}

fn new_store(options: &Options) -> Result<StoreHeader> {
    let (mut store_id, mut secret) = ([0; 16], [0; 32]);
    id::random(&mut store_id)?;
    id::random(&mut secret)?;
    Ok(StoreHeader { store_id, secret, opening: 0, durable_lsn: 0, root: 0, keeps_ids: options.keep_ids })
}

fn disk_bytes_max(directory: &Path, options: &Options, in_use: u64) -> Result<u64> {
    if let Some(bytes) = options.disk_bytes_max {
        return Ok(bytes.min(1 << 40));
    }
    let free = options
        .vfs
        .free_bytes(directory)
        .map_err(|error| Error::io(format!("asking what is free in {}", directory.display()), error))?;
    Ok((in_use.saturating_add(free) / 2).max(options.segment_bytes.saturating_mul(4)).min(1 << 40))
}
