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
#[cfg(feature = "encryption")]
use super::reencrypting;
use super::telling::Heard;
use super::upkeep::Upkeep;
use crate::backup::mark::refuse_marked;
use crate::clock::Watch;
use crate::error::{Error, Full, Result};
use crate::id::{self, Secret};
use crate::lock::{self, DirectoryLock};
use crate::log::appender::Appender;
use crate::log::format::Format;
use crate::log::header::StoreHeader;
use crate::log::latch::Latch;
use crate::log::root::{self, Root};
use crate::log::segment::{Segment, number_of};
use crate::options::{Options, Recovery};
use crate::recovery::begin::{Setup, begin, prepare};
use crate::recovery::chain::Purpose;
use crate::recovery::open::Directory;
use crate::recovery::{Survey, survey};
use crate::sealing::wrapped::Stage;
use crate::sealing::{Aim, Sealing};
use crate::sync::{Instant, LazyLock, Mutex, pause};
use crate::vfs::{Keeps, Volume};

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
    let volume = prepare_directory(directory, &options)?;
    let vfs = Arc::clone(&options.vfs);
    if options.read_only {
        return inspect(directory, options, volume);
    }
    let identity = vfs
        .identity(directory)
        .map_err(|error| Error::io(format!("opening {}", directory.display()), error))?;
    let slot = slot(identity);
    let mut slot = slot.lock();
    if let Some(open) = slot.upgrade().filter(|held| held.core.check_open().is_ok()) {
        check_secret(&options, open.core.secret, directory)?;
        open.core.sealing.check_second(options.keys.as_ref())?;
        // What is being encrypted here is nobody's else yet, as it would be in another process.
        match (open.core.options.encrypting, options.encrypting) {
            (true, _) => return Err(Error::KeysUnfinished),
            (false, true) => return Err(Error::EncryptedAlready),
            (false, false) => {}
        }
        return Ok(open);
    }
    let lock = DirectoryLock::take(vfs.as_ref(), directory, options.lock_wait, options.clock.as_ref())?;
    let opened = open_core(directory, options, lock, volume).map_err(|error| match error {
        // Who is told of it has no store yet that could say where it is.
        Error::Full(Full::FileSystem) => Error::FullAtOpening(directory.to_owned()),
        error => error,
    });
    let held = Arc::new(Held::keeping(opened?));
    *slot = Arc::downgrade(&held);
    if !held.core.options.manual_maintenance {
        Upkeep::start(&held.core)?;
    }
    Ok(held)
}

/// The place of a directory among those that are open, or were and are forgotten here.
fn slot(identity: (u64, u64)) -> Slot {
    let mut open = LazyLock::force(&OPEN).lock();
    open.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.lock().strong_count() > 0);
    Arc::clone(open.entry(identity).or_default())
}

/// A directory on another machine is used by who asks for it only.
pub(super) fn refuse_network(volume: &Volume, options: &Options) -> Result<()> {
    if volume.keeps == Keeps::Elsewhere && !options.allow_network_file_system {
        let kind = volume.file_system.unwrap_or("a network file system").to_owned();
        return Err(Error::NetworkFileSystem { kind });
    }
    Ok(())
}

/// Sees to it that the directory is there, is local, and holds a store or nothing. Says on what it lies.
fn prepare_directory(directory: &Path, options: &Options) -> Result<Volume> {
    let vfs = options.vfs.as_ref();
    let failed = |error| Error::io(format!("opening {}", directory.display()), error);
    if options.create && !options.read_only {
        vfs.create_dir(directory).map_err(failed)?;
    }
    let volume = vfs.volume(directory).map_err(failed)?;
    refuse_network(&volume, options)?;
    let names = vfs.list(directory).map_err(failed)?;
    if !options.is_finishing {
        refuse_marked(&names, directory, options.read_only)?;
    }
    if names.iter().any(|name| name == root::FILE_NAME) {
        return Ok(volume);
    }
    if names.iter().any(|name| number_of(name).is_some()) {
        return Err(Error::corrupt(
            root::FILE_NAME,
            0,
            "the store's header is missing, but its segments are there: without the key in it nobody's id can be recognised",
        ));
    }
    let ours = |name: &String| name == lock::FILE_NAME || name.ends_with(".tmp");
    if names.iter().all(ours) && options.create && !options.read_only {
        return Ok(volume);
    }
    Err(Error::NotAStore(directory.to_owned()))
}

fn open_core(directory: &Path, options: Options, lock: DirectoryLock, volume: Volume) -> Result<Arc<Core>> {
    activity!(INFO, "open");
    let began = Instant::now();
    let vfs = Arc::clone(&options.vfs);
    let root = match Root::read(vfs.as_ref(), directory, true)? {
        Some(root) => root,
        None => Root::create(vfs.as_ref(), directory, new_store(&options)?)?,
    };
    let (header, sealing) = unsealed(&root, &options)?;
    check_secret(&options, Secret::from_bytes(header.secret), directory)?;
    let place = place(directory, &options, &header, sealing.clone());
    let mut survey = survey(place, &root, Purpose::Recover, options.recovery)?;
    #[cfg(feature = "encryption")]
    if sealing.is_unfinished() && header.envelope.bytes().is_empty() {
        reencrypting::can_be_ended(&survey, &options)?;
    }
    // Everything that is there can be read. What is written from here on is sealed.
    wrap_secret(&root, &header, &sealing)?;
    let sealing = sealing.begun();
    survey.directory.sealing = sealing.clone();
    (survey.report.created, survey.report.volume) = (header.root == 0, volume);
    survey.report.header_damage = root.damage();
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
    let rest = (directory, options, header, sealing);
    let core = core_of(survey, memory, (watch, index), Some(appender), Some(lock), rest, began);
    core.hear(heard);
    tell!(opened(directory, &core.report));
    Ok(core)
}

/// Opens for reading only: looks again when a server's work has overtaken the look.
fn inspect(directory: &Path, mut options: Options, volume: Volume) -> Result<Arc<Held>> {
    options.manual_maintenance = true;
    let (mut last, mut times) = (None, 0);
    for _ in 0..INSPECT_TRIES {
        let began = Instant::now();
        let vfs = Arc::clone(&options.vfs);
        let holder = DirectoryLock::holder(vfs.as_ref(), directory)?;
        let Some(root) = Root::read(vfs.as_ref(), directory, false)? else {
            return Err(Error::NotAStore(directory.to_owned()));
        };
        let (header, sealing) = unsealed(&root, &options)?;
        // What a server at work has just removed looks like damage, so with one there nothing is salvaged at once.
        let mode = if holder.is_some() { Recovery::Strict } else { options.recovery };
        let place = place(directory, &options, &header, sealing.clone());
        match survey(place, &root, Purpose::Examine, mode) {
            Ok(mut survey) => {
                survey.report.volume = volume;
                survey.report.header_damage = root.damage();
                let clock = Arc::clone(&options.clock);
                let watch = Watch::new(clock, survey.clock_ms, options.clock_confirm, options.clock_jump_max);
                let index = Arc::new(index_of(&survey, &options)?);
                let rest = (directory, options, header, sealing);
                let ((), memory) = fill(&mut survey, &index, |_| Ok(()))?;
                let mut core = core_of(survey, memory, (watch, index), None, None, rest, began);
                if let Some(core) = Arc::get_mut(&mut core) {
                    core.holder = holder;
                }
                return Ok(Arc::new(Held::keeping(core)));
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

/// The store's header with the secret in it, and what the store is sealed with.
pub(super) fn unsealed(root: &Root, options: &Options) -> Result<(StoreHeader, Sealing)> {
    let header = root.header();
    let (envelope, store_id) = (&header.envelope, header.store_id);
    let aim = match options {
        Options { encrypting: true, .. } => Aim::Encrypt,
        Options { read_only: true, .. } => Aim::Look,
        _ => Aim::Use,
    };
    let (sealing, secret) = Sealing::agreed(envelope, store_id, options.keys.as_ref(), aim)?;
    Ok((StoreHeader { secret: secret.unwrap_or(header.secret), ..header }, sealing))
}

/// Sees to it that the secret is wrapped with the newest key, in the store's header and nowhere else.
fn wrap_secret(root: &Root, header: &StoreHeader, sealing: &Sealing) -> Result<()> {
    if sealing.is_newest_secret(&header.envelope) {
        return Ok(());
    }
    let stage = if sealing.is_unfinished() { Stage::Sealing } else { Stage::Sealed };
    root.seal(sealing.wrap_secret(header.store_id, &header.secret, stage)?)
}

fn place(directory: &Path, options: &Options, header: &StoreHeader, sealing: Sealing) -> Directory {
    Directory {
        vfs: Arc::clone(&options.vfs),
        path: directory.to_owned(),
        store_id: header.store_id,
        read_mode: options.read_mode,
        sealing,
    }
}

/// A store whose digests are keyed otherwise than asked would find none of the sessions that are brought to it.
fn check_secret(options: &Options, secret: Secret, directory: &Path) -> Result<()> {
    if options.secret.is_none_or(|asked| asked == secret) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the store in {} has another secret than Options::secret says; a secret is decided when a store is created, so \
         choose an empty directory, or open this one without it",
        directory.display()
    )))
}

fn new_store(options: &Options) -> Result<StoreHeader> {
    let mut store_id = [0; 16];
    id::random(&mut store_id)?;
    let secret = options.secret.map_or_else(Secret::generate, Ok)?.to_bytes();
    let sealing = Sealing::of_new(options.keys.as_ref());
    let envelope = sealing.wrap_secret(store_id, &secret, Stage::Sealed)?;
    Ok(StoreHeader {
        format: if sealing.seals() { Format::NEWEST } else { options.format },
        store_id,
        secret: if sealing.seals() { [0; 32] } else { secret },
        opening: 0,
        durable_lsn: 0,
        root: 0,
        keeps_ids: options.keep_ids,
        envelope,
    })
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
