//! Finding a session: its entry in the index, and the record that says whose it is.
//!
//! Owns: what the other rooms know of a session that they are about to read, replace or end. Tags can be the same, so a
//! session is the one whose record holds the digest; only where no record does, it is one whose record cannot be read.

use std::sync::Arc;

use super::core::Core;
use crate::clock::Now;
use crate::error::{Error, Result};
use crate::events::SessionEvent;
use crate::id::{Digest, Handle, SubjectDigest};
use crate::index::{Entry, Place};
use crate::log::content::Content;
use crate::log::record::Version as StoredVersion;
use crate::log::segment::{Segment, Stored};
use crate::session::{Deadline, Facts, Version};

/// A session that the index knows, with the record that says the rest.
pub(crate) struct Found<'b> {
    pub entry: Entry,
    pub segment: &'b Arc<Segment>,
    pub lsn: u64,
    pub span: usize,
    pub version: StoredVersion<'b>,
}

/// How far a session's life has come, by the believed clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    /// Past its deadline by a clock that is not confirmed yet.
    Hidden,
    /// Past its deadline.
    Over,
}

impl Life {
    pub fn of(entry: Entry, now: Now) -> Self {
        match entry.deadline() {
            deadline if deadline.has_passed(now.settled_ms) => Self::Over,
            deadline if deadline.has_passed(now.now_ms) => Self::Hidden,
            _ => Self::Alive,
        }
    }
}

/// What there is of a session.
#[derive(Debug)]
pub(crate) enum Sought<T> {
    Found(T),
    /// Memory knows it, and its record cannot be read: not now, perhaps in a moment.
    Unreadable {
        entry: Entry,
        segment: Arc<Segment>,
        error: Error,
    },
    Absent,
}

impl Old {
    /// What is told when it has run out; `None` when nobody knows which one it was.
    pub fn expiry(&self, digest: Digest) -> Option<SessionEvent> {
        let (handle, subject) = (Handle(digest), self.subject.map(SubjectDigest));
        (!digest.is_of_tag()).then_some(SessionEvent::Expired { handle, subject })
    }
}

/// What is being replaced or ended, without its record.
pub(crate) struct Old {
    pub entry: Entry,
    pub segment: Arc<Segment>,
    pub span: usize,
    pub subject: Option<Digest>,
}

impl Found<'_> {
    /// What stays of it when the record is let go.
    pub fn old(&self) -> Old {
        Old {
            entry: self.entry,
            segment: Arc::clone(self.segment),
            span: self.span,
            subject: self.version.subject,
        }
    }

    /// Its data, and its id where that is kept, copied and readable.
    pub fn content(&self) -> Result<Content> {
        self.segment.content(self.entry.place().byte(), self.lsn, &self.version)
    }

    /// At least the largest deadline that the session has ever had, with the slack that a touch may add to it in memory
    /// while its record is being replaced.
    pub fn ceiling(&self, slack_ms: u64) -> Deadline {
        let now = self.entry.deadline().bits().saturating_add(slack_ms);
        if planted!(StubGoesByItsDeadline) {
            return Deadline::at_ms(now);
        }
        Deadline::at_ms(now).max(self.version.ceiling).max(self.version.deadline)
    }

    /// Whether its absolute deadline has passed, whatever memory was told by records that nobody sealed. Who has had its
    /// [`content`](Self::content) knows that this one is what was sealed.
    pub fn has_ended(&self, now: Now) -> bool {
        self.version.absolute.has_passed(now.now_ms)
    }

    /// What a caller may know of it.
    pub fn facts(&self, now: Now) -> Facts {
        let deadline = self.entry.deadline();
        let used = deadline.bits().saturating_sub(self.version.idle_ms).min(now.now_ms);
        let last_used_ms = if deadline == Deadline::NEVER { self.version.created_ms } else { used };
        Facts {
            digest: self.version.digest,
            version: Version(self.lsn),
            created_ms: self.version.created_ms,
            last_used_ms: last_used_ms.max(self.version.created_ms),
            idle_ms: self.version.idle_ms,
            deadline,
            absolute: self.version.absolute,
            subject: self.version.subject,
        }
    }
}

impl Core {
    /// Finds the session of this digest and gives it to `f` with its record, which stands in a segment's map or in a
    /// buffer that lives as long as `f`. It may be over: see [`Life`].
    pub fn find<T>(&self, digest: Digest, f: impl FnOnce(&Found<'_>) -> Result<T>) -> Result<Option<T>> {
        match self.seek(digest, f)? {
            Sought::Found(found) => Ok(Some(found)),
            Sought::Unreadable { error, .. } => Err(error),
            Sought::Absent => Ok(None),
        }
    }

    /// The same, with the entry of a session whose record cannot be read, for who can do without it.
    pub fn seek<T>(&self, digest: Digest, f: impl FnOnce(&Found<'_>) -> Result<T>) -> Result<Sought<T>> {
        let mut buffer = Vec::new();
        let mut unreadable = Sought::Absent;
        for nth in 0.. {
            let Some(looked) = self.index.lookup(digest.tag(), nth) else { break };
            let (entry, segment) = looked.parts();
            let segment = segment.ok_or_else(|| self.lost_segment(entry.place()))?;
            let Stored { lsn, version, span } = match segment.version(entry.place().byte(), &mut buffer) {
                Ok(stored) => stored,
                Err(error) => {
                    // It may be another's, whose tag is the same; if the one that is asked for is not found, it was this.
                    self.tell_of(&error);
                    unreadable = Sought::Unreadable { entry, segment: Arc::clone(segment), error };
                    continue;
                }
            };
            if version.digest == digest {
                return Ok(Sought::Found(f(&Found { entry, segment, lsn, span, version })?));
            }
        }
        Ok(unreadable)
    }

    /// Where a session is now of which only the tag is known, because its record could not be read. Moving a record leaves its
    /// arming as it is.
    pub fn seek_unread(&self, entry: Entry) -> Result<Sought<(Entry, usize, Arc<Segment>)>> {
        let mut entries = (0..).map_while(|nth| self.index.lookup(entry.tag(), nth));
        let Some(looked) = entries.find(|looked| looked.entry().arming() == entry.arming()) else {
            return Ok(Sought::Absent);
        };
        let (entry, segment) = looked.parts();
        let segment = segment.ok_or_else(|| self.lost_segment(entry.place()))?;
        let segment = Arc::clone(segment);
        let span = segment.version(entry.place().byte(), &mut Vec::new()).map(|stored| stored.span);
        Ok(match span {
            Ok(span) => Sought::Found((entry, span, segment)),
            Err(error) => Sought::Unreadable { entry, segment, error },
        })
    }

    fn lost_segment(&self, place: Place) -> Error {
        Error::corrupt(
            crate::log::segment::file_name(place.segment),
            place.byte(),
            "the index names a segment that is not part of the store",
        )
    }
}
