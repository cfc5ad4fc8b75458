//! How a store is opened: every setting, its default, its limits.
//!
//! Owns: [`Options`] and its validation. Invariant: a value that passed [`Options::validate`] can be used unchecked.

mod checks;
mod choices;
#[cfg(feature = "encryption")]
mod encryption;
mod seams;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::id::Secret;
use crate::log::format::Format;
use crate::observer::Observer;
use crate::sealing::KeyRing;
use crate::session::Durability;
use crate::store::Store;
use crate::vfs::{RealVfs, Vfs};

pub use choices::{AtLimit, ReadMode, Recovery};

/// Settings of a store, with defaults that suit a web server.
///
/// ```
/// use sessile::{Durability, Options};
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir()?;
/// let store = Options::new()
///     .idle(Duration::from_secs(30 * 60))
///     .durability(Durability::Written)
///     .open(dir.path())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) touch_durability: Durability,
    pub(crate) relax_endings: bool,
    pub(crate) idle: Duration,
    pub(crate) absolute: Option<Duration>,
    pub(crate) first_lifetime: Option<Duration>,
    pub(crate) touch_slack: Duration,
    pub(crate) sync_interval: Duration,
    pub(crate) segment_bytes: u64,
    pub(crate) session_bytes_max: u64,
    pub(crate) sessions_max: Option<u64>,
    pub(crate) disk_bytes_max: Option<u64>,
    pub(crate) at_limit: AtLimit,
    pub(crate) erase_within: Duration,
    pub(crate) keep_ids: bool,
    pub(crate) secret: Option<Secret>,
    pub(crate) format: Format,
    pub(crate) lock_wait: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_confirm: Duration,
    pub(crate) clock_jump_max: Duration,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) manual_maintenance: bool,
    pub(crate) recovery: Recovery,
    pub(crate) read_mode: ReadMode,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) allow_network_file_system: bool,
    pub(crate) close_budget: Duration,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) eager_compaction: bool,
    pub(crate) keys: Option<Arc<KeyRing>>,
    /// A plain store is to become an encrypted one: for `encrypt`, and for nobody else.
    pub(crate) encrypting: bool,
    /// Opens what a restore has not finished, to finish it.
    pub(crate) is_finishing: bool,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Synced,
            touch_durability: Durability::Written,
            relax_endings: false,
            idle: 14 * DAY,
            absolute: None,
            first_lifetime: None,
            touch_slack: Duration::from_secs(60),
            sync_interval: Duration::from_secs(1),
            segment_bytes: 64 << 20,
            session_bytes_max: 1 << 20,
            sessions_max: None,
            disk_bytes_max: None,
            at_limit: AtLimit::EvictAnonymous,
            erase_within: DAY,
            keep_ids: false,
            secret: None,
            format: Format::default(),
            lock_wait: Duration::ZERO,
            clock: Arc::new(SystemClock),
            clock_confirm: Duration::from_secs(600),
            clock_jump_max: 30 * DAY,
            observer: None,
            manual_maintenance: false,
            recovery: Recovery::Strict,
            read_mode: ReadMode::Map,
            read_only: false,
            create: true,
            allow_network_file_system: false,
            close_budget: Duration::from_secs(5),
            vfs: Arc::new(RealVfs),
            eager_compaction: false,
            keys: None,
            encrypting: false,
            is_finishing: false,
        }
    }
}

impl Options {
    /// The defaults: `Synced` writes, 14 days idle, finite limits taken from the machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What writes wait for unless they say otherwise. Default [`Durability::Synced`].
    ///
    /// With [`Durability::Written`] endings (destroy, rotate, revocation, clear) still wait for the disk.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// What a touch waits for when it is logged at all. Default [`Durability::Written`].
    #[must_use]
    pub fn touch_durability(mut self, durability: Durability) -> Self {
        self.touch_durability = durability;
        self
    }

    /// Lets endings follow [`durability`](Self::durability), so that a power cut within
    /// [`sync_interval`](Self::sync_interval) can bring back somebody who has just logged out. Default off.
    #[must_use]
    pub fn logouts_may_be_lost_on_power_failure(mut self, relax: bool) -> Self {
        self.relax_endings = relax;
        self
    }

    /// How long a session lives without being used, unless its write says otherwise; `Duration::MAX` for ever.
    /// Default 14 days.
    #[must_use]
    pub fn idle(mut self, lifetime: Duration) -> Self {
        self.idle = lifetime;
        self
    }

    /// How long a session lives at most, unless its write says otherwise. Default: no such limit.
    #[must_use]
    pub fn absolute(mut self, lifetime: Duration) -> Self {
        self.absolute = Some(lifetime);
        self
    }

    /// Ends a session after this long unless it is used a second time: what bots leave behind goes early.
    /// Default off.
    #[must_use]
    pub fn first_lifetime(mut self, lifetime: Duration) -> Self {
        self.first_lifetime = Some(lifetime);
        self
    }

    /// How much of a touch a crash may take back, at most; a tenth of the idle lifetime where that is less.
    /// Default 60 s. Smaller means more touches in the log.
    #[must_use]
    pub fn touch_slack(mut self, slack: Duration) -> Self {
        self.touch_slack = slack;
        self
    }

    /// How soon what was `Written` is synced by itself. Default 1 s.
    #[must_use]
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// How large a segment of the log grows, in bytes; 64 KiB to 1 GiB. Default 64 MiB. A small store uses less.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// The most data that one session may hold, in bytes; up to 15 MiB. Default 1 MiB.
    #[must_use]
    pub fn session_bytes_max(mut self, bytes: u64) -> Self {
        self.session_bytes_max = bytes;
        self
    }

    /// The most sessions the store may hold. Default: an eighth of the machine's memory, at 64 bytes each.
    #[must_use]
    pub fn sessions_max(mut self, sessions: u64) -> Self {
        self.sessions_max = Some(sessions);
        self
    }

    /// The most bytes that the store's files may occupy; up to 1 TiB. Default: half of what is free and what it has.
    #[must_use]
    pub fn disk_bytes_max(mut self, bytes: u64) -> Self {
        self.disk_bytes_max = Some(bytes);
        self
    }

    /// What happens at a limit. Default [`AtLimit::EvictAnonymous`].
    #[must_use]
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.at_limit = at_limit;
        self
    }

    /// Within how much open time the data of an ended session is physically gone. Default 24 hours.
    #[must_use]
    pub fn erase_within(mut self, time: Duration) -> Self {
        self.erase_within = time;
        self
    }

    /// Keeps the ids themselves beside the sessions, for an export to a store that needs them. Default off: the
    /// directory then holds what logs people in, so guard it like a password file. Fixed when the store is created.
    #[must_use]
    pub fn keep_ids(mut self, keep: bool) -> Self {
        self.keep_ids = keep;
        self
    }

    /// The secret that keys the digests of ids, for a store that takes over the sessions of another home: so their ids go
    /// on working, though nobody knows them. Decided when the store is created; a store that has another refuses to open.
    /// Default: a new one.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The format of a store that is created; one that is there keeps its own until [`Store::upgrade`]. Default
    /// [`Format::V1`], so that the release before this one can be put back.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How long opening waits for another process to let go of the store. Default not at all.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// The clock that deadlines are judged by. Default [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long both clocks must agree before a jump forward is believed. Default 10 minutes.
    #[must_use]
    pub fn clock_confirm(mut self, time: Duration) -> Self {
        self.clock_confirm = time;
        self
    }

    /// The longest jump forward that is believed without an operator. Default 30 days.
    #[must_use]
    pub fn clock_jump_max(mut self, jump: Duration) -> Self {
        self.clock_jump_max = jump;
        self
    }

    /// Who hears of what needs attention: a latch, damage, a full disk, a clock jump, a backlog.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Starts no thread: the caller drives expiry, compaction and syncing of `Written` data with
    /// [`Store::maintain`]. Default off.
    #[must_use]
    pub fn manual_maintenance(mut self, manual: bool) -> Self {
        self.manual_maintenance = manual;
        self
    }

    /// What to do about damage. Default [`Recovery::Strict`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// How segments are read. Default [`ReadMode::Map`].
    #[must_use]
    pub fn read_mode(mut self, mode: ReadMode) -> Self {
        self.read_mode = mode;
        self
    }

    /// Opens for inspection only, also while a server holds the store: shows the store as it is at this moment,
    /// creates and changes no file. Default off.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether a store is created where there is none. Default on.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Opens on a network file system all the same, at the caller's risk. Default off.
    #[must_use]
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network_file_system = allow;
        self
    }

    /// How long closing may spend on the snapshot that makes the next opening quick. Default 5 s.
    #[must_use]
    pub fn close_budget(mut self, budget: Duration) -> Self {
        self.close_budget = budget;
        self
    }

    /// Opens the store in `directory`, and creates it where there is none.
    ///
    /// A second open of the same directory in this process shares the store, with the options of the first.
    ///
    /// # Errors
    /// `Invalid` for a setting out of its limits, `Locked` when another process holds the store, `NotAStore`, `NewerFormat`,
    /// `NetworkFileSystem`, `Corrupt` for damage under [`Recovery::Strict`], `KeyMissing` and its like, `FullAtOpening`, `Io`: see
    /// [`Error`](crate::Error).
    pub fn open(self, directory: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(directory.as_ref(), self)
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Options")
            .field("durability", &self.durability)
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("sessions_max", &self.sessions_max)
            .field("disk_bytes_max", &self.disk_bytes_max)
            .field("manual_maintenance", &self.manual_maintenance)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}
