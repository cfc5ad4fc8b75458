//! The queue that an application would put before a store that syncs once for each commit: whoever finds no leader becomes it,
//! and commits for all who wait (group commit: DeWitt et al., SIGMOD 1984).

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::keeps::{Change, Keeps};

/// See the module.
#[derive(Default)]
pub struct Group {
    state: Mutex<State>,
    committed: Condvar,
}

#[derive(Default)]
struct State {
    tickets: u64,
    waiting: Vec<(u64, Change<'static>)>,
    done: HashMap<u64, bool>,
    has_leader: bool,
}

impl Group {
    /// Makes the change, in a commit that others may share; says whether its session was there.
    pub fn commit<K: Keeps>(&self, store: &K, access: &mut K::Access<'_>, change: Change<'static>) -> bool {
        let mut state = self.state();
        let ticket = state.tickets;
        state.tickets += 1;
        state.waiting.push((ticket, change));
        loop {
            if let Some(done) = state.done.remove(&ticket) {
                return done;
            }
            if state.has_leader {
                state = self.committed.wait(state).expect("no leader has failed");
                continue;
            }
            state.has_leader = true;
            let (tickets, changes): (Vec<u64>, Vec<_>) = state.waiting.drain(..).unzip();
            drop(state);
            let found = store.commit(access, &changes);
            state = self.state();
            state.has_leader = false;
            state.done.extend(tickets.into_iter().zip(found));
            self.committed.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no leader has failed")
    }
}
