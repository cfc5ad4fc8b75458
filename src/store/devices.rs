//! A user's sessions: the public calls for a "your devices" page and for "log out everywhere".
//!
//! Owns: the calls by subject and by handle. Each again a short story.

use super::{Sessions, Store};
use crate::error::Result;
use crate::id::{Handle, SubjectDigest};
use crate::session::Session;

impl Store {
    /// The live sessions of a subject: enough for a "your devices" page.
    ///
    /// ```
    /// # use sessile::Write;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", Write::new("phone").subject("alice"))?;
    /// let devices = store.sessions_of("alice")?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(devices[0].data(), b"phone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, `Closed`; the stream's items as [`get`](Self::get).
    pub fn sessions_of(&self, subject: impl AsRef<[u8]>) -> Result<Sessions> {
        let core = self.core();
        core.check_open()?;
        Ok(Sessions::of(core, core.secret.of_subject(subject.as_ref())?))
    }

    /// Reads a live session by its handle.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_handle(&self, handle: &Handle) -> Result<Option<Session>> {
        self.core().get(handle.0)
    }

    /// Ends a session by its handle; `false` when there was none. Whether the caller may is for you to check.
    ///
    /// ```
    /// # use sessile::Write;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", Write::new("phone").subject("alice"))?;
    /// let device = store.sessions_of("alice")?.next().expect("there is one")?;
    /// assert!(store.destroy_handle(&device.handle())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`destroy`](Self::destroy).
    pub fn destroy_handle(&self, handle: &Handle) -> Result<bool> {
        self.settled(self.core().destroy(handle.0))
    }

    /// Ends all sessions of a subject, in one record, but the one whose id is `keep`; says how many. What is
    /// attached to the subject later is not concerned.
    ///
    /// ```
    /// # use sessile::Write;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// for id in ["laptop", "phone", "library"] {
    ///     store.create(id, Write::new("").subject("alice"))?;
    /// }
    /// assert_eq!(store.destroy_subject("alice", Some(b"laptop"))?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`destroy`](Self::destroy).
    pub fn destroy_subject(&self, subject: impl AsRef<[u8]>, keep: Option<&[u8]>) -> Result<u64> {
        let core = self.core();
        let keep = keep.map(|id| core.secret.of_id(id)).transpose()?;
        self.settled(core.destroy_subject(core.secret.of_subject(subject.as_ref())?, keep))
    }

    /// What [`Session::subject`] is for the sessions of this subject.
    ///
    /// # Errors
    /// `Invalid` for a subject out of its limits.
    pub fn subject_digest(&self, subject: impl AsRef<[u8]>) -> Result<SubjectDigest> {
        self.core().secret.of_subject(subject.as_ref()).map(SubjectDigest)
    }

    /// The handle of the session with this id, whether it lives or not.
    ///
    /// # Errors
    /// `Invalid` for an id out of its limits.
    pub fn handle_of(&self, id: impl AsRef<[u8]>) -> Result<Handle> {
        self.core().secret.of_id(id.as_ref()).map(Handle)
    }
}
