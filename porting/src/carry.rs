//! A move from one home to another: page after page, and then a second pass that looks everybody up.
//!
//! Owns: the order of steps. Invariants:
//! 1. Before the first session is written it is known that the two ends go together.
//! 2. A position is noted after everything before it is durable in the new home.
//! 3. Where a move is cut off, running it again, from the position or from the beginning, comes to the same: who is there is
//!    left as he is.

use std::path::PathBuf;

use sessile::{Clock, Deadline, Secret, SystemClock};

use crate::address::Address;
use crate::bookmark::Bookmark;
use crate::error::{Error, Result};
use crate::report::{Report, Verified};
use crate::session::{Kind, Moving, Name, Owner, Why};
use crate::sources::{self, Entry};
use crate::subject::Pointer;
use crate::targets::{self, Aim, Digests, Look, Put, Target};

/// A move that is to be made.
#[derive(Debug, Clone)]
pub struct Move {
    /// Where sessions come from.
    pub from: Address,
    /// Where they go to.
    pub to: Address,
    /// Where in its data a session's user stands.
    pub subject: Option<Pointer>,
    /// Reads everything and writes nothing.
    pub dry_run: bool,
    /// Looks everybody up when all is done.
    pub verify: bool,
    /// Goes to a home in which there may be sessions.
    pub again: bool,
    /// Keeps ids in a store that is created.
    pub keep_ids: bool,
    /// Where to note how far it has come; where there is a note, it goes on from there.
    pub resume: Option<PathBuf>,
}

/// Whoever watches a move.
pub trait Watch {
    /// A pass begins, over about so many entries.
    fn begins(&self, what: &'static str, total: Option<u64>);
    /// So many more entries are done.
    fn done(&self, entries: u64);
}

/// Nobody.
impl Watch for () {
    fn begins(&self, _: &'static str, _: Option<u64>) {}
    fn done(&self, _: u64) {}
}

impl Move {
    /// A move with all that is usual.
    #[must_use]
    pub fn new(from: Address, to: Address) -> Self {
        let (subject, resume) = (None, None);
        Self { from, to, subject, dry_run: false, verify: true, again: false, keep_ids: false, resume }
    }

    /// Makes it. This blocks, and must not be called on a thread of an asynchronous runtime.
    ///
    /// ```
    /// use sessile_porting::Move;
    /// # let dir = tempfile::tempdir()?;
    /// # let (file, store) = (dir.path().join("old.jsonl"), dir.path().join("sessions"));
    /// std::fs::write(&file, r#"{"id":"a cookie's value","data":"{}","deadline_ms":null}"#)?;
    /// let from = format!("jsonl:{}", file.display()).parse()?;
    /// let to = format!("sessile:{}", store.display()).parse()?;
    /// let report = Move::new(from, to).run(&())?;
    /// assert_eq!((report.written, report.is_sound()), (1, true));
    /// assert!(sessile::Store::open(&store)?.get("a cookie's value")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from beginning or going on. What is wrong with single sessions is in the report.
    pub fn run(&self, watch: &dyn Watch) -> Result<Report> {
        let bookmark = self.resume.as_ref().map(|path| Bookmark::new(path, &self.from, &self.to));
        let noted = bookmark.as_ref().map(Bookmark::read).transpose()?.flatten();
        let mut source = sources::open(&self.from, noted.as_ref().map(|(position, _)| position))?;
        let (total, mut page) = (source.total()?, source.page()?);
        let again = self.again || noted.is_some();
        let aim = Aim { dry_run: self.dry_run, again, keep_ids: self.keep_ids, secret: source.secret() };
        let mut carrier =
            Carrier::new(self, source.secret(), source.is_nested(), noted.map(|(_, report)| report));
        carrier.check_names(&page.entries)?;
        let mut target = targets::open(&self.to, aim)?;
        carrier.digests = target.digests();
        carrier.check(&page.entries)?;
        watch.begins(if self.dry_run { "counting" } else { "moving" }, total);
        loop {
            watch.done(u64::try_from(page.entries.len()).unwrap_or(u64::MAX));
            carrier.carry(page.entries, &mut *target)?;
            if let (Some(bookmark), Some(position), false) = (&bookmark, &page.position, self.dry_run) {
                target.settle()?;
                bookmark.write(position, &carrier.report)?;
            }
            if page.last {
                break;
            }
            page = source.page()?;
        }
        drop(source);
        target.settle()?;
        if self.verify && !self.dry_run && !self.from.is_standard() {
            carrier.report.verified = carrier.verify(&mut *target, watch)?;
        }
        if let Some(compared) = target.finish()? {
            carrier.report.verified = Some(Verified { compared, ..Verified::default() });
        }
        if let (Some(bookmark), false) = (bookmark, self.dry_run) {
            bookmark.done()?;
        }
        Ok(carrier.report)
    }
}

/// What takes sessions from one end to the other.
struct Carrier<'a> {
    plan: &'a Move,
    /// What the digests of the source are digests under, and which of them the target can use.
    secret: Option<Secret>,
    digests: Digests,
    nested: bool,
    report: Report,
}

/// A session that is to go along, and whether what should be its user is no name.
type Ready = (Moving, bool);

impl<'a> Carrier<'a> {
    fn new(plan: &'a Move, secret: Option<Secret>, nested: bool, noted: Option<Report>) -> Self {
        let resumed = noted.is_some();
        let mut report = noted.unwrap_or_default();
        (report.from, report.to) = (plan.from.to_string(), plan.to.to_string());
        (report.dry_run, report.resumed) = (plan.dry_run, resumed);
        Self { plan, secret, digests: Digests::Any, nested, report }
    }

    /// Before the target is opened, or even made: whether the source says what its digests are digests under.
    fn check_names(&self, first: &[Entry]) -> Result<()> {
        let nameless =
            |entry: &Entry| entry.as_ref().is_ok_and(|moving| matches!(moving.name, Name::Handle(_)));
        if self.secret.is_none() && first.iter().any(nameless) {
            return Err(Error::Unfit(
                "the sessions are named by handles, and the first line does not say under which secret; \
                 write them with `sessile export`"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Whether the two ends go together, as far as the first sessions tell.
    fn check(&self, first: &[Entry]) -> Result<()> {
        let mut report = Report::default();
        let ready = first.iter().filter_map(|entry| self.prepare(entry.clone(), &mut report).ok().flatten());
        match ready.filter_map(|(moving, _)| self.obstacle(&moving)).next() {
            Some(obstacle) => Err(Error::Unfit(obstacle.sentence(self.plan))),
            None => Ok(()),
        }
    }

    fn obstacle(&self, moving: &Moving) -> Option<Obstacle> {
        let is_same = |secret| self.secret == Some(secret);
        match (&moving.name, &moving.owner, self.digests) {
            (Name::Handle(_), _, Digests::None) => Some(Obstacle::NoIds),
            (Name::Handle(_), _, Digests::Under(secret)) if !is_same(secret) => Some(Obstacle::OtherSecret),
            (_, Owner::Digest(_), Digests::Under(secret)) if !is_same(secret) => {
                Some(Obstacle::OtherSubjects)
            }
            _ => None,
        }
    }

    /// A session as it is to go along; nothing where it has run out.
    fn prepare(&self, entry: Entry, report: &mut Report) -> std::result::Result<Option<Ready>, ()> {
        let mut moving = entry.map_err(|(place, why)| report.skip(&place, &why))?;
        if moving.deadline.min(moving.absolute).has_passed(SystemClock.wall_ms()) {
            report.expired += 1;
            return Ok(None);
        }
        let mut odd = false;
        if let Some(pointer) = &self.plan.subject {
            let owner = pointer.read(&moving.data, self.nested);
            odd = owner.is_none();
            moving.owner = owner.unwrap_or_default();
        }
        Ok(Some((moving, odd)))
    }

    fn carry(&mut self, entries: Vec<Entry>, target: &mut dyn Target) -> Result<()> {
        let mut report = std::mem::take(&mut self.report);
        report.read += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let mut ready = Vec::with_capacity(entries.len());
        for entry in entries {
            let Ok(Some((moving, odd))) = self.prepare(entry, &mut report) else { continue };
            match self.obstacle(&moving) {
                Some(obstacle) => report.skip("a session", &obstacle.why()),
                None => ready.push((moving, odd)),
            }
        }
        let sessions: Vec<&Moving> = ready.iter().map(|(moving, _)| moving).collect();
        let outcomes = if self.plan.dry_run { would(target, &sessions) } else { target.put(&sessions) };
        self.report = report;
        for ((moving, odd), put) in ready.iter().zip(outcomes?) {
            self.count(moving, *odd, put);
        }
        Ok(())
    }

    fn count(&mut self, moving: &Moving, odd: bool, put: Put) {
        match put {
            Put::Written => {
                self.report.written += 1;
                self.report.with_subject += u64::from(moving.owner != Owner::Nobody);
                self.report.odd_subjects += u64::from(odd);
                moving.note.into_iter().for_each(|note| self.report.note(note));
            }
            Put::AlreadyThere => self.report.already_there += 1,
            Put::Expired => self.report.expired += 1,
            Put::Refused(why) => {
                self.report.refused += 1;
                self.report.skip("a session", &why);
            }
        }
    }

    /// Looks everybody up; nothing where the target cannot be looked into.
    fn verify(&self, target: &mut dyn Target, watch: &dyn Watch) -> Result<Option<Verified>> {
        let mut source = sources::open(&self.plan.from, None)?;
        let (mut found, mut unused) = (Verified::default(), Report::default());
        watch.begins("verifying", source.total()?);
        loop {
            let page = source.page()?;
            watch.done(u64::try_from(page.entries.len()).unwrap_or(u64::MAX));
            let ready =
                page.entries.into_iter().filter_map(|entry| self.prepare(entry, &mut unused).ok().flatten());
            let mut ready: Vec<Moving> =
                ready.map(|(moving, _)| moving).filter(|moving| self.obstacle(moving).is_none()).collect();
            for moving in &mut ready {
                let until_ms = moving.deadline.as_ms().saturating_add(source.tolerance_ms());
                moving.deadline = Deadline::at_ms(until_ms);
            }
            let sessions: Vec<&Moving> = ready.iter().collect();
            let Some(looks) = target.look(&sessions)? else { return Ok(None) };
            let now_ms = SystemClock.wall_ms();
            for (moving, look) in ready.iter().zip(looks) {
                // Whoever runs out while he is looked up counts neither way.
                let is_live = !moving.deadline.min(moving.absolute).has_passed(now_ms);
                found.compared += u64::from(is_live);
                match look {
                    Look::Missing => found.missing += u64::from(is_live),
                    Look::Different => found.different += 1,
                    Look::Longer => found.longer += 1,
                    Look::Same | Look::Ended => {}
                }
            }
            if page.last {
                return Ok(Some(found));
            }
        }
    }
}

/// What a put would come to.
fn would(target: &mut dyn Target, sessions: &[&Moving]) -> Result<Vec<Put>> {
    let looks = target.look(sessions)?.unwrap_or_else(|| vec![Look::Missing; sessions.len()]);
    Ok(looks
        .into_iter()
        .map(|look| match look {
            Look::Missing => Put::Written,
            Look::Ended => Put::Refused(Why::from(Kind::Ended)),
            _ => Put::AlreadyThere,
        })
        .collect())
}

/// Why a session of one home means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    NoIds,
    OtherSecret,
    OtherSubjects,
}

impl Obstacle {
    fn why(self) -> Why {
        match self {
            Self::NoIds | Self::OtherSecret => Why::with(Kind::Id, "it is known by a digest alone"),
            Self::OtherSubjects => Kind::Subject.into(),
        }
    }

    fn sentence(self, plan: &Move) -> String {
        match self {
            Self::NoIds => format!(
                "{} needs the sessions' ids, and {} holds digests of ids and no ids. Ids are kept only by a store that \
                 was created with keep_ids; all others can move to jsonl, or to another home of sessile's",
                plan.to, plan.from
            ),
            Self::OtherSecret => "the two stores have different secrets, so the digests by which one knows sessions mean \
                                  nothing to the other; move to a new store, which takes over the secret"
                .into(),
            Self::OtherSubjects => "the two stores have different secrets, so the digests by which one knows users mean \
                                    nothing to the other; say with --subject where in the data a session's user stands, \
                                    or move to a new store, which takes over the secret"
                .into(),
        }
    }
}
