//! A way into the middle of the store's own work: other actors act where the store calls the file system and holds no lock
//! that they need.
//!
//! Owns: [`Hook`], which watches the calls to the file system, and which of them is which [`Moment`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use sessile::vfs::{CallKind, CallWatcher};

use crate::script::{Act, Moment};

/// What somebody else does, when its moment comes.
pub type Actor = Box<dyn Fn(Act) + Send>;

/// Who waits for which moment.
#[derive(Default)]
pub struct Hook {
    waiting: Mutex<Vec<(Moment, Act)>>,
    actor: Mutex<Option<Actor>>,
    /// Segments that have been given their names, by their temporary ones.
    named: Mutex<Vec<String>>,
    /// The file that was created last, by the name that it was created under.
    created: Mutex<String>,
    /// Outputs of compaction that something was written to.
    written: Mutex<BTreeSet<String>>,
    busy: AtomicBool,
    /// An output of compaction was begun since the last step, or a segment removed.
    compacting: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hook {
    /// Who acts.
    pub fn set_actor(&self, actor: Option<Actor>) {
        *locked(&self.actor) = actor;
    }

    /// What is to be done within the next operation.
    pub fn arm(&self, acts: &[(Moment, Act)]) {
        *locked(&self.waiting) = acts.to_vec();
        self.compacting.store(false, Ordering::Relaxed);
    }

    /// Whether compaction has changed anything within this operation.
    pub fn compacts(&self) -> bool {
        self.compacting.load(Ordering::Relaxed)
    }

    /// A segment that is part of the log or of its history, and no file in the making.
    fn is_segment(&self, name: &str) -> bool {
        name.ends_with(".seg") || is_unnamed(name) && locked(&self.named).iter().any(|named| named == name)
    }

    /// Nothing was created since this file was.
    fn is_fresh(&self, name: &str) -> bool {
        *locked(&self.created) == name.replace(".seg", ".tmp")
    }

    fn is_first_write(&self, name: &str) -> bool {
        locked(&self.written).insert(name.to_owned())
    }

    fn meet(&self, moment: Moment) {
        if moment != Moment::BeforeSync {
            self.compacting.store(true, Ordering::Relaxed);
        }
        if self.busy.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = locked(&self.waiting);
        let Some(at) = waiting.iter().position(|(of, _)| *of == moment) else { return };
        let (_, act) = waiting.remove(at);
        drop(waiting);
        self.busy.store(true, Ordering::Relaxed);
        if let Some(actor) = locked(&self.actor).as_ref() {
            actor(act);
        }
        self.busy.store(false, Ordering::Relaxed);
    }
}

/// Whether this is the temporary name of a segment.
fn is_unnamed(name: &str) -> bool {
    name.ends_with(".tmp") && name.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

impl CallWatcher for Hook {
    fn before(&self, kind: CallKind, name: &str) {
        match kind {
            // A file that cannot be named is removed while the log waits for it: nobody may write then.
            CallKind::Remove if name.ends_with(".seg") && !self.is_fresh(name) => {
                self.meet(Moment::BeforeRemoval);
            }
            // A segment of the log is named before anything is written to it; an output of compaction is written first.
            CallKind::Write if is_unnamed(name) && !self.is_segment(name) && self.is_first_write(name) => {
                self.meet(Moment::BeforeOutput);
            }
            CallKind::Sync if self.is_segment(name) => self.meet(Moment::BeforeSync),
            CallKind::Sync if locked(&self.written).contains(name) => self.meet(Moment::BeforeNaming),
            _ => {}
        }
    }

    fn after(&self, kind: CallKind, name: &str) {
        match kind {
            CallKind::Create => {
                name.clone_into(&mut locked(&self.created));
                locked(&self.written).remove(name);
            }
            CallKind::Rename => locked(&self.named).push(name.to_owned()),
            _ => {}
        }
    }
}
