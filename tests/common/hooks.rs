//! A file system that lets a test act in the middle of the store's own work, so that a race has one outcome.

use std::sync::{Arc, Mutex};

use sessile::vfs::{CallKind, CallWatcher, SimVfs, WatchedVfs};

type Action = Box<dyn FnOnce() + Send>;

/// What is to be done before which call.
struct Armed {
    kind: CallKind,
    name: &'static str,
    left: u64,
    action: Action,
}

/// Runs an action once, before a call to the file system.
///
/// To *create*: compaction has judged all records and copied none. To *rename*: its output is complete, and nobody knows of
/// it. To *remove*: its inputs have durably left the roster. What acts before a *sync* must not wait for the disk itself.
#[derive(Clone, Default)]
pub struct Interrupting(Arc<Waiting>);

#[derive(Default)]
struct Waiting(Mutex<Option<Armed>>);

impl Interrupting {
    /// This machine's file system, with the interruption in it.
    pub fn over(&self, sim: &SimVfs) -> Arc<WatchedVfs> {
        Arc::new(WatchedVfs::new(sim.clone(), self.0.clone()))
    }

    /// Before the `nth` such call from now that does not concern the file `STORE`, `action` runs.
    pub fn before(&self, kind: CallKind, nth: u64, action: impl FnOnce() + Send + 'static) {
        self.before_on("", kind, nth, action);
    }

    /// The same, counting only files with this in their name.
    pub fn before_on(
        &self,
        name: &'static str,
        kind: CallKind,
        nth: u64,
        action: impl FnOnce() + Send + 'static,
    ) {
        *self.0.0.lock().unwrap() = Some(Armed { kind, name, left: nth, action: Box::new(action) });
    }

    /// Forgets the action; whether it has run.
    pub fn disarm(&self) -> bool {
        self.0.0.lock().unwrap().take().is_none()
    }

    /// Whether the action has run.
    pub fn has_acted(&self) -> bool {
        self.0.0.lock().unwrap().is_none()
    }
}

impl CallWatcher for Waiting {
    fn before(&self, kind: CallKind, name: &str) {
        let mut armed = self.0.lock().unwrap();
        let waits = |armed: &&mut Armed| armed.kind == kind && name.contains(armed.name) && name != "STORE";
        let Some(waiting) = armed.as_mut().filter(waits) else { return };
        waiting.left -= 1;
        if waiting.left == 0 {
            let action = armed.take().unwrap().action;
            drop(armed);
            action();
        }
    }
}
