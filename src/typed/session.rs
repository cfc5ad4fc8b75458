//! What goes into a typed store and what comes out of it: the typed counterparts of `Write`, `Session`, `Sessions`.
//!
//! Owns: [`TypedWrite`], [`Typed`], [`TypedSessions`]. A typed write is a [`Write`] whose data is not encoded yet;
//! each setting is handed on to it and means what it means there.

use std::fmt;
use std::time::Duration;

use super::value::SessionValue;
use super::{Codec, TypedStore};
use crate::error::Result;
use crate::id::{Handle, SubjectDigest};
use crate::session::{Deadline, Durability, Facts, Subject, Version, Write, facts};
use crate::store::Sessions;

/// One write of a value. What is not said comes from the store's [`Options`](crate::Options).
///
/// A plain reference to a value is a write without settings, so `store.create(id, &login)` will do.
///
/// ```
/// use sessile::typed::{SessionValue, TypedWrite};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Login { user: u64 }
/// impl SessionValue for Login {}
///
/// let login = Login { user: 7 };
/// let write = TypedWrite::new(&login).subject("7").idle(Duration::from_secs(30 * 60));
/// # let _ = write;
/// ```
pub struct TypedWrite<'a, T> {
    value: Value<'a, T>,
    settings: Write,
}

/// Lent by who still needs it, or made on the spot, as an [`update_with`](TypedStore::update_with) does.
enum Value<'a, T> {
    Lent(&'a T),
    Owned(T),
}

macro_rules! settings {
    ($($name:ident($($argument:ident: $kind:ty)?);)*) => {$(
        #[doc = concat!("See [`Write::", stringify!($name), "`].")]
        #[must_use]
        pub fn $name(mut self $(, $argument: $kind)?) -> Self {
            self.settings = self.settings.$name($($argument)?);
            self
        }
    )*};
}

impl<'a, T> TypedWrite<'a, T> {
    /// A write of this value.
    #[must_use]
    pub fn new(value: &'a T) -> Self {
        Self { value: Value::Lent(value), settings: Write::default() }
    }

    settings! {
        idle(lifetime: Duration);
        idle_until(deadline: Deadline);
        absolute(lifetime: Duration);
        absolute_until(deadline: Deadline);
        subject(subject: impl Into<Vec<u8>>);
        subject_change(subject: Subject);
        durability(durability: Durability);
        shorten();
    }

    /// The plain write, with the value encoded.
    pub(super) fn encode(self, codec: Codec) -> Result<Write>
    where
        T: SessionValue,
    {
        let value = match &self.value {
            Value::Lent(value) => value,
            Value::Owned(value) => value,
        };
        Ok(Write { data: super::Encoded::write(value, codec)?, ..self.settings })
    }
}

impl<'a, T> From<&'a T> for TypedWrite<'a, T> {
    fn from(value: &'a T) -> Self {
        Self::new(value)
    }
}

impl<T> From<T> for TypedWrite<'_, T> {
    fn from(value: T) -> Self {
        Self { value: Value::Owned(value), settings: Write::default() }
    }
}

impl<T> fmt::Debug for TypedWrite<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TypedWrite").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A live session whose data is a value, as it was at one version.
#[derive(Clone)]
pub struct Typed<T> {
    pub(super) facts: Facts,
    pub(super) id: Option<Vec<u8>>,
    pub(super) data_bytes: usize,
    pub(super) value: T,
}

impl<T> Typed<T> {
    facts!();

    /// The value.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The id itself, in a store that was created with [`Options::keep_ids`](crate::Options::keep_ids). Do not log it.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The value, to keep.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }
}

/// Shows what is no secret: everything but the value.
impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.debug(out, "Typed", self.data_bytes)
    }
}

/// A stream of typed sessions. One that cannot be decoded is an error in its place, and the stream goes on behind it.
pub struct TypedSessions<T> {
    pub(super) store: TypedStore<T>,
    pub(super) sessions: Sessions,
}

impl<T: SessionValue> Iterator for TypedSessions<T> {
    type Item = Result<Typed<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let session = self.sessions.next()?;
        Some(session.and_then(|session| self.store.read(&session)))
    }
}

impl<T> fmt::Debug for TypedSessions<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TypedSessions").finish_non_exhaustive()
    }
}
