//! The addon behind `connect-sessile`: a store as JavaScript can call it. The JavaScript beside it knows express; this knows
//! nothing of cookies.
//!
//! Owns: [`Native`], one opened directory for one event loop. How a call is answered:
//! 1. Reads are answered at once, on the thread that asks.
//! 2. A write is in the log and seen by everybody when its call returns. What still waits for the disk has a ticket, and the
//!    `mailbox` tells it when the store's own thread has synced, for all writers together: no thread is spent on a call.
//! 3. What takes long (opening, closing, copying, walking over everything) is done `aside`, and has a ticket too.
//!
//! Rooms: `answer` is what a call gives, `mailbox` the way from other threads to the event loop, `task` a future on its way,
//! `aside` work on a thread of its own, `settings` the options, `place` a URL, `writes` what JavaScript says of a write, `slate` a
//! number that goes with a text, `walk` a stream of sessions, `ended` who listens to endings, `figures` numbers for operators,
//! `failure` errors with their codes.

mod answer;
mod aside;
mod ended;
mod failure;
mod figures;
mod mailbox;
mod place;
mod settings;
mod slate;
mod task;
mod walk;
mod writes;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{BigInt, Buffer, ClassInstance};
use napi::{Env, JsString};
use napi_derive::napi;
use sessile::nonblocking::AsyncStore;
use sessile::{Error, Handle, Options, Restoring, Store};
use sessile_control::Control;

use answer::{Answer, Reply};
use ended::{Ended, Listener};
use failure::{Failure, Thrown};
use figures::Figures;
use mailbox::{Bell, Mailbox, Told};
use place::Said;
use settings::{Keys, Settings};
use slate::Slate;
use walk::Walk;
use writes::{Found, Put, ms_of, text, touch_for, version_of};

/// What a store's URL says, for JavaScript to go by.
#[napi]
pub fn place_of(url: String) -> Result<Said, Thrown> {
    Ok(place::said(&url)?)
}

/// Reads the keys of an encrypted store, from `file:PATH` or `env:NAME`.
#[napi]
pub fn keys_at(place: String) -> Result<Keys, Thrown> {
    Ok(Keys::at(&place)?)
}

/// Makes a store of a backup, and says how many sessions there were. Nobody waits for it but who asks.
#[napi]
pub fn restore(
    from: String,
    to: String,
    keep: bool,
    keys: Option<ClassInstance<Keys>>,
) -> Result<Option<f64>, Thrown> {
    let what = if keep { Restoring::Keep } else { Restoring::End };
    let mut options = Options::new();
    if let Some(keys) = keys {
        options = options.encryption(keys.ring());
    }
    let made = options.restore(from, to, what).map_err(Failure::from)?;
    Ok(made.sessions.map(answer::count))
}

/// One opened directory for one event loop.
#[napi]
pub struct Native {
    mailbox: Arc<Mailbox>,
    open: Arc<Mutex<Opened>>,
    listener: Option<Listener>,
    slate: Slate,
}

/// The store on its way from not yet open to closed.
#[derive(Default)]
struct Opened {
    store: Option<AsyncStore>,
    /// Operators act on the store while this lives.
    control: Option<Control>,
    /// Why they cannot, where they should.
    unserved: Option<String>,
    closed: bool,
}

#[napi]
impl Native {
    /// `bell` is called when the mailbox has something; `slate` has room for a number.
    #[napi(constructor)]
    pub fn new(bell: Bell, slate: Buffer) -> Self {
        let mailbox = Arc::new(Mailbox::new(bell));
        Self { mailbox, open: Arc::default(), listener: None, slate: Slate::new(slate) }
    }

    /// Whether the event loop waits for the mailbox. Only while somebody waits for an answer.
    #[napi]
    pub fn hold(&self, env: Env, waits: bool) -> Result<(), Thrown> {
        self.mailbox.hold(&env, waits).map_err(|error| Failure::of_node(&error).into())
    }

    /// What has come.
    #[napi]
    pub fn drain(&self) -> Vec<Told> {
        self.mailbox.drain()
    }

    /// Opens the directory, waiting aside for who has it.
    #[napi]
    pub fn open(
        &self,
        directory: String,
        settings: Settings,
        keys: Option<ClassInstance<Keys>>,
    ) -> Result<f64, Thrown> {
        let (open, lock_wait, serves) =
            (Arc::clone(&self.open), settings.lock_wait, settings.control.unwrap_or(true));
        let options = settings.options(keys.map(|keys| keys.ring()))?;
        let opening = move || {
            let opened = options.open(directory).and_then(AsyncStore::new);
            let store = opened.map_err(|error| Failure::of_opening(error, lock_wait))?;
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.closed {
                return Err(Error::Closed.into());
            }
            match serves.then(|| Control::serve(store.store())).transpose() {
                Ok(control) => open.control = control,
                // A server without is better than none.
                Err(error) => open.unserved = Some(error.to_string()),
            }
            open.store = Some(store);
            Ok(Answer::Nothing)
        };
        Ok(aside::run(&self.mailbox, "sessile-open", opening)?)
    }

    /// Why operators cannot act on the store while this process holds it; nothing where they can, or should not.
    #[napi]
    pub fn unserved(&self) -> Option<String> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).unserved.clone()
    }

    /// Lets the store go. The last one in this process who does closes it; the others see to it that what was written is on
    /// the disk.
    #[napi]
    pub fn close(&mut self) -> Result<f64, Thrown> {
        self.listener = None;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
        open.control = None;
        let Some(store) = open.store.take() else { return Ok(Reply::Now(0.0).into()) };
        drop(open);
        let closing = move || {
            let flushed = store.store().flush();
            drop(store);
            match flushed {
                // Somebody else has closed it: then it was synced.
                Ok(()) | Err(Error::Closed) => Ok(Answer::Nothing),
                Err(error) => Err(error.into()),
            }
        };
        Ok(aside::run(&self.mailbox, "sessile-close", closing)?)
    }

    fn store(&self) -> Result<AsyncStore, Failure> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.store.clone().ok_or_else(|| Error::Closed.into())
    }

    fn aside(
        &self,
        name: &str,
        work: impl FnOnce(&Store) -> sessile::Result<Answer> + Send + 'static,
    ) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(aside::run(&self.mailbox, name, move || work(store.store()).map_err(Failure::from))?)
    }

    /// The JSON of a live session, and on the slate when it ends; `None` too for an id that no session can have.
    #[napi]
    pub fn read<'env>(&mut self, env: &'env Env, id: String) -> Result<Option<JsString<'env>>, Thrown> {
        let found = match self.store()?.store().get_ref(id) {
            Ok(found) => found,
            Err(Error::Invalid(_)) => None,
            Err(error) => return Err(Failure::from(error).into()),
        };
        let Some(session) = found else { return Ok(None) };
        self.slate.write(ms_of(session.deadline()));
        Ok(Some(text(env, session.data())?))
    }

    /// The same with all that `replace` asks for.
    #[napi]
    pub fn get(&self, id: String) -> Result<Option<Found>, Thrown> {
        match self.store()?.store().get(id) {
            Ok(Some(session)) => Ok(Some(Found::of(session)?)),
            Ok(None) | Err(Error::Invalid(_)) => Ok(None),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Whether such a session lives.
    #[napi]
    pub fn has(&self, id: String) -> Result<bool, Thrown> {
        match self.store()?.store().get_ref(id) {
            Ok(session) => Ok(session.is_some()),
            Err(Error::Invalid(_)) => Ok(false),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// A live session by its handle.
    #[napi]
    pub fn get_handle(&self, handle: String) -> Result<Option<Found>, Thrown> {
        let handle = handle.parse::<Handle>().map_err(Failure::from)?;
        let found = self.store()?.store().get_handle(&handle).map_err(Failure::from)?;
        Ok(found.map(Found::of).transpose()?)
    }

    /// Creates a session where there is none.
    #[napi]
    pub fn create(&self, id: String, put: Put) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.create(id, put.write()).await.map(|_| 1.0) })?)
    }

    /// Creates a session or writes it anew.
    #[napi]
    pub fn set(&self, id: String, put: Put) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.set(id, put.write()).await.map(|_| 1.0) })?)
    }

    /// Writes a live session anew.
    #[napi]
    pub fn update(&self, id: String, put: Put) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.update(id, put.write()).await.map(|_| 1.0) })?)
    }

    /// Writes a live session anew if it is still at this version.
    #[napi]
    pub fn replace(&self, id: String, version: BigInt, put: Put) -> Result<f64, Thrown> {
        let (store, version) = (self.store()?, version_of(&version));
        let replaced = async move { store.replace_if(id, version, put.write()).await.map(|_| 1.0) };
        Ok(task::begin(&self.mailbox, replaced)?)
    }

    /// A live session was used, and now ends at this moment, if it does not end later anyway.
    #[napi]
    pub fn touch(&self, id: String, deadline: f64) -> Result<f64, Thrown> {
        let store = self.store()?;
        let touched = async move { store.touch(id, touch_for(deadline)).await.map(|_| 1.0) };
        Ok(task::begin(&self.mailbox, touched)?)
    }

    /// Gives a live session a new id and new data, in one record.
    #[napi]
    pub fn rotate(&self, from: String, to: String, put: Put) -> Result<f64, Thrown> {
        let store = self.store()?;
        let rotated = async move { store.rotate(from, to, Some(put.write())).await.map(|_| 1.0) };
        Ok(task::begin(&self.mailbox, rotated)?)
    }

    /// Ends a session.
    #[napi]
    pub fn destroy(&self, id: String) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.destroy(id).await.map(answer::yes_or_no) })?)
    }

    /// Ends a session by its handle.
    #[napi]
    pub fn destroy_handle(&self, handle: String) -> Result<f64, Thrown> {
        let (store, handle) = (self.store()?, handle.parse::<Handle>().map_err(Failure::from)?);
        let destroyed = async move { store.destroy_handle(&handle).await.map(answer::yes_or_no) };
        Ok(task::begin(&self.mailbox, destroyed)?)
    }

    /// Ends all sessions of a subject but the one with the id `keep`.
    #[napi]
    pub fn destroy_subject(&self, subject: String, keep: Option<String>) -> Result<f64, Thrown> {
        let store = self.store()?;
        let destroyed = async move {
            let keep = keep.as_ref().map(|id| id.as_bytes());
            store.destroy_subject(subject, keep).await.map(answer::count)
        };
        Ok(task::begin(&self.mailbox, destroyed)?)
    }

    /// Ends all sessions.
    #[napi]
    pub fn clear(&self) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.clear().await.map(answer::count) })?)
    }

    /// Waits until everything that was written is on the disk.
    #[napi]
    pub fn flush(&self) -> Result<f64, Thrown> {
        let store = self.store()?;
        Ok(task::begin(&self.mailbox, async move { store.flush().await.map(|()| 0.0) })?)
    }

    /// How many sessions live, exactly.
    #[napi]
    pub fn length(&self) -> Result<f64, Thrown> {
        self.aside("sessile-length", |store| {
            Ok(Answer::Number(answer::count(store.endings_ahead().sessions)))
        })
    }

    /// Does what the store's own thread does in its time, for at most so many milliseconds.
    #[napi]
    pub fn maintain(&self, budget_ms: f64) -> Result<f64, Thrown> {
        let budget = Duration::from_millis(settings::millis(budget_ms));
        self.aside("sessile-maintain", move |store| store.maintain(budget).map(figures::of_maintenance))
    }

    /// Copies the store to another directory.
    #[napi]
    pub fn backup(&self, directory: String) -> Result<f64, Thrown> {
        self.aside("sessile-backup", move |store| store.backup(directory).map(figures::of_backup))
    }

    /// The store's figures.
    #[napi]
    pub fn stats(&self) -> Result<Figures, Thrown> {
        Ok(Figures::of(self.store()?.stats()))
    }

    /// All live sessions, or those of a subject.
    #[napi]
    pub fn walk(&self, subject: Option<String>) -> Result<Walk, Thrown> {
        let store = self.store()?;
        let sessions = match subject {
            Some(subject) => store.store().sessions_of(subject),
            None => store.iter(),
        };
        Ok(Walk::new(sessions.map_err(Failure::from)?))
    }

    /// What names a session without being its id.
    #[napi]
    pub fn handle_of(&self, id: String) -> Result<String, Thrown> {
        Ok(self.store()?.handle_of(id).map_err(Failure::from)?.to_string())
    }

    /// From now on the bell rings for endings, too.
    #[napi]
    pub fn listen(&mut self) -> Result<(), Thrown> {
        if self.listener.is_none() {
            let events = self.store()?.events().map_err(Failure::from)?;
            self.listener = Some(Listener::new(events, &self.mailbox));
        }
        Ok(())
    }

    /// The endings that have come.
    #[napi]
    pub fn endings(&mut self) -> Vec<Ended> {
        self.listener.as_mut().map(Listener::take).unwrap_or_default()
    }
}
