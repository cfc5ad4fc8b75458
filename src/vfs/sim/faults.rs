//! Which call fails, how, and when the power goes: the plan of a test, and the counters it is written against.
//!
//! Owns: [`CallKind`], [`Fault`], [`Times`], the rules a test has set, the point at which the world stops.
//! Decides only; what a fault does to the file or directory it hits is done where the call is.
//!
//! Every number is counted from the moment the rule was set, and starts at 1: the next such call is the first.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;

/// What a call to the file system is, as it is counted and as a fault is aimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// `Vfs::create_dir`.
    CreateDir,
    /// `Vfs::list`.
    List,
    /// `Vfs::create`.
    Create,
    /// `Vfs::open`.
    Open,
    /// `Vfs::rename`.
    Rename,
    /// `Vfs::remove`.
    Remove,
    /// `Vfs::hard_link`.
    HardLink,
    /// `Vfs::sync_dir`.
    SyncDir,
    /// `VfsFile::read_at`.
    Read,
    /// `VfsFile::write_at`.
    Write,
    /// `VfsFile::allocate`.
    Allocate,
    /// `VfsFile::release_from`.
    Release,
    /// `VfsFile::sync`.
    Sync,
}

impl CallKind {
    /// Whether the call changes something or makes it durable. Only these can be the point of a crash: between two
    /// of them the disk is the same.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, CallKind::List | CallKind::Open | CallKind::Read)
    }

    /// Whether the call makes something durable: `sync` and `sync_dir`.
    #[must_use]
    pub fn syncs(self) -> bool {
        matches!(self, CallKind::Sync | CallKind::SyncDir)
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// The medium failed (`EIO`), and the call had no effect. A sync that fails so has thrown away everything that it
    /// was to save: reads go on to see it, a later sync succeeds without it, and the next power loss takes it.
    Eio,
    /// The disk is full (`ENOSPC`), and the call had no effect. At a sync, as with delayed allocation, it loses what
    /// was to be saved just as [`Fault::Eio`] does.
    Enospc,
    /// A signal came first (`EINTR`). The call had no effect and nothing is lost.
    Interrupted,
    /// A write takes only half of its bytes, at least one. Other calls are not affected.
    ShortWrite,
    /// A read returns only half of its bytes, at least one. Other calls are not affected.
    ShortRead,
    /// A read returns one flipped bit; the file is unharmed. Other calls are not affected.
    FlipBit,
    /// A read returns what was last made durable instead of what was last written. Other calls are not affected.
    StaleRead,
}

impl Fault {
    /// The error the caller gets, for the faults that are one.
    pub(super) fn error(self) -> Option<io::Error> {
        let errno = match self {
            Fault::Eio => Errno::IO,
            Fault::Enospc => Errno::NOSPC,
            Fault::Interrupted => Errno::INTR,
            Fault::ShortWrite | Fault::ShortRead | Fault::FlipBit | Fault::StaleRead => return None,
        };
        Some(errno.into())
    }
}

/// How often a fault strikes, from its first time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// One call, and then no more.
    Once,
    /// That many matching calls in a row.
    N(u32),
    /// Each matching call from then on.
    Forever,
}

/// One fault that waits for its call.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Any kind when `None`.
    kind: Option<CallKind>,
    /// Any file when `None`, else the files whose name contains it.
    name: Option<String>,
    nth: u64,
    fault: Fault,
    times: Times,
    /// How many calls have matched so far.
    seen: u64,
}

impl Rule {
    pub(super) fn new(kind: Option<CallKind>, nth: u64, fault: Fault, times: Times) -> Rule {
        Rule { kind, name: None, nth: nth.max(1), fault, times, seen: 0 }
    }

    pub(super) fn for_names_with(self, text: &str) -> Rule {
        Rule { name: Some(text.to_owned()), ..self }
    }

    /// Counts a matching call and says whether the fault strikes it.
    fn strikes(&mut self) -> bool {
        self.seen += 1;
        let since = self.seen.checked_sub(self.nth);
        since.is_some_and(|since| match self.times {
            Times::Once => since == 0,
            Times::N(count) => since < u64::from(count),
            Times::Forever => true,
        })
    }
}

/// The call at which the power goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CrashPoint {
    pub(super) syncs_only: bool,
    /// Whether that call still takes effect, though its caller never learns of it.
    pub(super) takes_effect: bool,
    /// Counts down; the power goes at 1.
    pub(super) left: u64,
}

/// What is to happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed(Option<Fault>),
    CrashBefore,
    CrashAfter,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    counts: BTreeMap<CallKind, u64>,
    /// How often each fault has struck a call of each kind.
    pub(super) struck: BTreeMap<(CallKind, Fault), u64>,
    pub(super) crash: Option<CrashPoint>,
    pub(super) rules: Vec<Rule>,
}

impl Faults {
    pub(super) fn count(&self, kind: CallKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    pub(super) fn count_where(&self, wanted: impl Fn(CallKind) -> bool) -> u64 {
        self.counts.iter().filter(|(kind, _)| wanted(**kind)).map(|(_, count)| count).sum()
    }

    /// Counts a call and decides on it. `named` says whether the call concerns a file whose name contains a text.
    pub(super) fn judge(&mut self, kind: CallKind, named: impl Fn(&str) -> bool) -> Verdict {
        *self.counts.entry(kind).or_default() += 1;
        if let Some(point) = &mut self.crash
            && kind.changes()
            && (kind.syncs() || !point.syncs_only)
        {
            point.left = point.left.saturating_sub(1);
            if point.left == 0 {
                return if point.takes_effect { Verdict::CrashAfter } else { Verdict::CrashBefore };
            }
        }
        let mut struck = None;
        for rule in &mut self.rules {
            let matches =
                rule.kind.is_none_or(|wanted| wanted == kind) && rule.name.as_deref().is_none_or(&named);
            // Each rule counts each call that concerns it, also one that another rule has struck.
            if matches && rule.strikes() && struck.is_none() {
                struck = Some(rule.fault);
            }
        }
        if let Some(fault) = struck {
            *self.struck.entry((kind, fault)).or_default() += 1;
        }
        Verdict::Proceed(struck)
    }
}
