//! Reading sessions: one, copied or in place; those of a subject; all.
//!
//! Owns: [`SessionRef`] and [`Sessions`]. A reader holds a lock of the index for a lookup and no longer; the record
//! it found stays readable as long as somebody holds its segment, also when the file is gone.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::finding::{Found, Life};
use crate::clock::{Now, RECENT_MS};
use crate::error::Result;
use crate::id::{Digest, Handle, SubjectDigest};
use crate::index::Entry;
use crate::log::content::Content;
use crate::log::segment::Segment;
use crate::session::{Deadline, Facts, Session, Version, facts};

/// A live session, read in place: no copy of its data is made where segments are mapped.
///
/// It keeps its segment readable for as long as it lives, so do not keep it for long. In a store that is encrypted it is a copy.
pub struct SessionRef {
    facts: Facts,
    data: Data,
}

enum Data {
    Mapped { segment: Arc<Segment>, offset: u64, length: usize },
    Owned(Vec<u8>),
}

impl SessionRef {
    facts!();

    /// The bytes that were written.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        match &self.data {
            Data::Mapped { segment, offset, length } => {
                segment.mapped_bytes(*offset, *length).unwrap_or_default()
            }
            Data::Owned(data) => data,
        }
    }
}

impl fmt::Debug for SessionRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.debug(out, "SessionRef", self.data().len())
    }
}

impl Core {
    /// Finds a session and shows it to `see` if it lives. What `see` makes of it it leaves in the caller's variables: a
    /// session is moved once, and not through every result on the way.
    #[inline]
    fn read(&self, digest: Digest, mut see: impl FnMut(&Found<'_>, Now) -> Result<()>) -> Result<()> {
        let _call = self.calls.read.begin(digest);
        self.check_open()?;
        let recently = self.watch.recently();
        self.find(digest, |found| {
            let near = found.entry.deadline().has_passed(recently.now_ms.saturating_add(RECENT_MS));
            let now = if near { self.watch.now() } else { recently };
            if Life::of(found.entry, now) == Life::Alive || planted!(ExpiredIsShown) {
                see(found, now)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The session, copied.
    pub fn get(&self, digest: Digest) -> Result<Option<Session>> {
        operation!("get");
        let mut session = None;
        self.read(digest, |found, now| {
            let Content { id, payload } = found.content()?;
            session = (!found.has_ended(now)).then(|| Session { facts: found.facts(now), data: payload, id });
            Ok(())
        })?;
        Ok(session)
    }

    /// The session, in place.
    pub fn get_ref(&self, digest: Digest) -> Result<Option<SessionRef>> {
        operation!("get_ref");
        let mut session = None;
        self.read(digest, |found, now| {
            let (payload, segment) = (found.version.payload, found.segment);
            let is_plain = segment.key().is_none() && found.version.sealed_to.is_none();
            let mapped = segment.payload_offset(found.entry.place().byte(), payload);
            let data = match mapped.filter(|_| is_plain) {
                Some(offset) => Data::Mapped { segment: Arc::clone(segment), offset, length: payload.len() },
                None => Data::Owned(found.content()?.payload),
            };
            session = (!found.has_ended(now)).then(|| SessionRef { facts: found.facts(now), data });
            Ok(())
        })?;
        Ok(session)
    }
}

/// A stream of live sessions, each as it is when the stream comes to it.
///
/// A session that is created or ended while the stream runs may or may not be in it; one that lives throughout is in
/// it exactly once, unless it is rotated meanwhile.
pub struct Sessions {
    core: Arc<Core>,
    batch: Vec<Entry>,
    /// What the batch stands in, by ascending number.
    segments: Vec<(u32, Arc<Segment>)>,
    next_shard: usize,
    /// Only sessions of this subject.
    subject: Option<Digest>,
}

impl Sessions {
    /// All sessions.
    pub(crate) fn all(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core), batch: Vec::new(), segments: Vec::new(), next_shard: 0, subject: None }
    }

    /// The sessions of a subject.
    pub(crate) fn of(core: &Arc<Core>, subject: Digest) -> Self {
        let tags = core.subjects.tags(subject);
        let seen = tags.into_iter().flat_map(|tag| (0..).map_while(move |nth| core.index.lookup(tag, nth)));
        let seen = seen.map(|looked| (looked.entry(), looked.parts().1.map(Arc::clone)));
        let seen: Vec<_> = seen.collect();
        let mut batch: Vec<_> = seen.iter().map(|(entry, _)| *entry).collect();
        // Two sessions of one subject may share the bits of the tag that the index knows: each tag finds both.
        batch.sort_unstable_by_key(|entry| entry.place());
        batch.dedup_by_key(|entry| entry.place());
        let segments = seen.into_iter().filter_map(|(_, segment)| segment);
        let mut segments: Vec<_> = segments.map(|segment| (segment.number, segment)).collect();
        segments.sort_unstable_by_key(|(number, _)| *number);
        segments.dedup_by_key(|(number, _)| *number);
        let next_shard = core.index.shard_count();
        Self { core: Arc::clone(core), batch, segments, next_shard, subject: Some(subject) }
    }

    /// Reads what the entry speaks of. It may have moved or been written since, so only the digest is taken from there.
    fn read(&self, entry: Entry) -> Result<Option<Session>> {
        let place = entry.place();
        let at = self.segments.binary_search_by_key(&place.segment, |(number, _)| *number);
        let Some((_, segment)) = at.ok().and_then(|at| self.segments.get(at)) else { return Ok(None) };
        let mut buffer = Vec::new();
        let digest = segment.version(place.byte(), &mut buffer)?.version.digest;
        self.core.get(digest)
    }

    fn fill(&mut self) {
        while self.batch.is_empty() && self.next_shard < self.core.index.shard_count() {
            let (batch, segments) = self.core.index.shard_view(self.next_shard);
            self.batch = batch;
            self.segments = segments.iter().map(|(number, segment)| (number, Arc::clone(segment))).collect();
            self.next_shard += 1;
        }
    }
}

impl Iterator for Sessions {
    type Item = Result<Session>;

    fn next(&mut self) -> Option<Result<Session>> {
        loop {
            self.fill();
            let entry = self.batch.pop()?;
            match self.read(entry) {
                Ok(Some(session))
                    if self.subject.is_none_or(|subject| session.facts.subject == Some(subject)) =>
                {
                    return Some(Ok(session));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sessions").finish_non_exhaustive()
    }
}
