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
//! `aside` work on a thread of its own, `settings` the options, `writes` what JavaScript says of a write, `walk` a stream of
//! sessions, `ended` who listens to endings, `figures` numbers for operators, `failure` errors with their codes.

mod answer;
mod aside;
mod ended;
mod failure;
mod figures;
mod mailbox;
mod settings;
mod task;
mod walk;
mod writes;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use sessile::nonblocking::AsyncStore;
use sessile::{Error, Handle, Store};

use answer::{Answer, Reply};
use ended::{Ended, Listener};
use failure::{Failure, Thrown};
use figures::Figures;
use mailbox::{Bell, Mailbox, Told};
use settings::Settings;
use walk::Walk;
use writes::{Found, Put, touch_for, version_of};

/// One opened directory for one event loop.
#[napi]
pub struct Native {
    mailbox: Arc<Mailbox>,
    open: Arc<Mutex<Opened>>,
    listener: Option<Listener>,
}

/// The store on its way from not yet open to closed.
#[derive(Default)]
struct Opened {
    store: Option<AsyncStore>,
    closed: bool,
}

#[napi]
impl Native {
    /// `bell` is called when the mailbox has something.
    #[napi(constructor)]
    pub fn new(bell: Bell) -> Self {
        Self { mailbox: Arc::new(Mailbox::new(bell)), open: Arc::default(), listener: None }
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
    pub fn open(&self, directory: String, settings: Settings) -> Result<f64, Thrown> {
        let (open, lock_wait) = (Arc::clone(&self.open), settings.lock_wait);
        let options = settings.options()?;
        let opening = move || {
            let opened = options.open(directory).and_then(AsyncStore::new);
            let store = opened.map_err(|error| Failure::of_opening(error, lock_wait))?;
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.closed {
                return Err(Error::Closed.into());
            }
            open.store = Some(store);
            Ok(Answer::Nothing)
        };
        Ok(aside::run(&self.mailbox, "sessile-open", opening)?)
    }

    /// Lets the store go. The last one in this process who does closes it; the others see to it that what was written is on
    /// the disk.
    #[napi]
    pub fn close(&mut self) -> Result<f64, Thrown> {
        self.listener = None;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
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

    /// A live session; `None` too for an id that no session can have.
    #[napi]
    pub fn get(&self, id: String) -> Result<Option<Found>, Thrown> {
        match self.store()?.store().get(id) {
            Ok(Some(session)) => Ok(Some(Found::of(session)?)),
            Ok(None) | Err(Error::Invalid(_)) => Ok(None),
            Err(error) => Err(Failure::from(error).into()),
        }
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
