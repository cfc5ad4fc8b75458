//! Encryption: with which keys a store is opened, and how a plain one becomes one that needs them.

use std::path::Path;
use std::sync::Arc;

use super::{Options, Recovery};
use crate::error::Result;
use crate::sealing::KeyRing;
use crate::stats::{KeysInUse, Reencrypted};
use crate::store::{keys, reencrypting};

impl Options {
    /// Encrypts the store with these keys: what is written is sealed with the newest, and the older ones open what they have
    /// sealed. A store is encrypted from its creation on, or by [`encrypt`](Self::encrypt). Default none.
    ///
    /// Sealed are the sessions' data, kept ids, and the secret that turns ids and subjects into digests. What stays to be seen
    /// is how many sessions there are, how long their data is, when they were used, and which of them belong to one user.
    ///
    /// Whoever gives keys for a store that is plain, or none for one that is encrypted, gets an error and changes nothing.
    #[must_use]
    pub fn encryption(mut self, keys: impl Into<Arc<KeyRing>>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// Encrypts a store that is plain, which no process may have open: rewrites whatever is not encrypted with the newest key of
    /// [`encryption`](Self::encryption), and tells `progress` of each step. Interrupted at any point, by a crash too, it goes on
    /// when it is called again; until it is done nothing else opens the store but to read it. What could not be encrypted to the end, for
    /// a record that is damaged or for want of room, is refused before anything is written; nothing is salvaged. On one that is encrypted already it changes
    /// nothing and gives `EncryptedAlready`: what brings it under a new key is [`Store::reencrypt`](crate::Store::reencrypt), which takes no plain store. The
    /// store's format becomes [`Format::V2`](crate::Format::V2).
    ///
    /// The blocks of the disk that plain files had are given back, and not overwritten: the disk, and backups from before, may
    /// still hold them, and so may the files that are named in the result.
    ///
    /// ```
    /// use sessile::{KeyRing, Options};
    /// use std::sync::Arc;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// Options::new().open(dir.path())?.create("an id", "some data")?;
    ///
    /// let options = Options::new().encryption(KeyRing::new("2026-11", [7; 32])?);
    /// options.clone().encrypt(dir.path(), |step| println!("{} of {} segments", step.done, step.segments))?;
    ///
    /// let store = options.open(dir.path())?;
    /// assert!(store.get("an id")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` without keys, `EncryptedAlready`, those of [`open`](Self::open), `Corrupt` where a segment is damaged and cannot be rewritten,
    /// `FullAtOpening` where there is no room for rewriting.
    pub fn encrypt(
        self,
        directory: impl AsRef<Path>,
        progress: impl FnMut(&Reencrypted),
    ) -> Result<Reencrypted> {
        reencrypting::encrypt(directory.as_ref(), self, progress)
    }

    /// Which keys the files of a store need, whoever holds it: asked of the headers, so no key is needed for it.
    ///
    /// ```
    /// # use sessile::{KeyRing, Options};
    /// # let dir = tempfile::tempdir()?;
    /// let store = Options::new().encryption(KeyRing::new("2026-11", [7; 32])?).open(dir.path())?;
    /// let keys = Options::new().keys_in_use(dir.path())?;
    /// assert_eq!(keys.uses[0].name.as_deref(), Some("2026-11"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotAStore`, `NewerFormat`, `Corrupt` for the store's header, `Io`.
    pub fn keys_in_use(&self, directory: impl AsRef<Path>) -> Result<KeysInUse> {
        keys::in_use(directory.as_ref(), self)
    }

    pub(crate) fn encrypting(mut self) -> Self {
        self.encrypting = true;
        self.create = false;
        // What a salvage would put aside as damaged may be all that is left of an encrypted store.
        self.recovery = Recovery::Strict;
        self.manual_maintenance = true;
        self
    }
}
