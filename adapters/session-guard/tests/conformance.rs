//! session-guard's own suite for stores, from its crate, over the engine: compare and rotate, the subject index, idle and
//! absolute expiry. Run on stores of their own, and all at once in one. Below it stands what the suite takes no look at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod guarded;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use guarded::Guarded;
use sessile::nonblocking::AsyncStore;
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{ManualClock, Options};
use session_guard::TokenHash;
use session_guard::store::{Rotation, SessionStore, SessionUpdate, Supersede};
use session_guard::testing::{random_hash, sample_session};
use tempfile::TempDir;

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

async fn on_disk(directory: &TempDir) -> Guarded {
    let directory = tempfile::tempdir_in(directory.path()).unwrap().keep();
    Guarded { sessions: AsyncStore::open(directory).await.unwrap(), idle: HALF_AN_HOUR }
}

static DIRECTORIES: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

mod alone {
    session_guard::store_conformance!(|| super::on_disk(&super::DIRECTORIES));
}

mod together {
    use super::{Arc, Guarded, HALF_AN_HOUR, LazyLock, Options, SimVfs};
    use sessile::nonblocking::AsyncStore;

    static STORE: LazyLock<Guarded> = LazyLock::new(|| {
        let store = Options::new().vfs(Arc::new(SimVfs::new())).open("/store").unwrap();
        Guarded { sessions: AsyncStore::new(store).unwrap(), idle: HALF_AN_HOUR }
    });

    session_guard::store_conformance!(|| async { STORE.clone() });
}

struct Bench {
    store: Guarded,
    clock: ManualClock,
    sim: SimVfs,
}

fn bench() -> Bench {
    let (sim, clock) = (SimVfs::new(), ManualClock::at_ms(1_800_000_000_000));
    Bench { store: open(&sim, &clock), clock, sim }
}

fn open(sim: &SimVfs, clock: &ManualClock) -> Guarded {
    let options = Options::new().vfs(Arc::new(sim.clone())).clock(Arc::new(clock.clone()));
    let store = options.manual_maintenance(true).open("/store").unwrap();
    Guarded { sessions: AsyncStore::new(store).unwrap(), idle: HALF_AN_HOUR }
}

fn now(clock: &ManualClock) -> DateTime<Utc> {
    use sessile::Clock as _;
    DateTime::from_timestamp_millis(i64::try_from(clock.wall_ms()).unwrap()).unwrap()
}

fn rotate(from: TokenHash, to: TokenHash, now: DateTime<Utc>) -> Option<Rotation> {
    Some(Rotation { new_token: to, supersede: Supersede::Exact(from), prune_superseded_before: now })
}

#[tokio::test]
async fn idle_sessions_end_by_themselves_and_use_keeps_them() {
    let Bench { store, clock, .. } = bench();
    let (session, token) = (sample_session(now(&clock)), random_hash());
    store.insert_session(&session, &token).await.unwrap();
    for _ in 0..5 {
        clock.advance(HALF_AN_HOUR - Duration::from_millis(1));
        store.apply(&SessionUpdate::touch(session.id, now(&clock))).await.unwrap();
    }
    clock.advance(HALF_AN_HOUR - Duration::from_millis(1));
    assert!(store.find_by_token(&token).await.unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.find_by_token(&token).await.unwrap().is_none());
    assert!(store.list_subject_sessions(&session.subject).await.unwrap().is_empty());
    assert!(!store.delete_session(session.id).await.unwrap());
}

#[tokio::test]
async fn no_use_moves_the_absolute_end() {
    let Bench { store, clock, .. } = bench();
    let (mut session, token) = (sample_session(now(&clock)), random_hash());
    session.expires_at = now(&clock) + TimeDelta::hours(1);
    store.insert_session(&session, &token).await.unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(20 * 60) - Duration::from_millis(1));
        store.apply(&SessionUpdate::touch(session.id, now(&clock))).await.unwrap();
    }
    assert!(store.find_by_token(&token).await.unwrap().is_some());
    clock.advance(Duration::from_millis(3));
    assert!(store.find_by_token(&token).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rotation_that_was_acknowledged_survives_power_loss() {
    let Bench { store, clock, sim } = bench();
    let now = now(&clock);
    let (session, first, second) = (sample_session(now), random_hash(), random_hash());
    store.insert_session(&session, &first).await.unwrap();
    let update =
        SessionUpdate { rotation: rotate(first, second, now), ..SessionUpdate::touch(session.id, now) };
    assert!(store.apply(&update).await.unwrap());
    let store = open(&sim.crash(CrashPolicy::DropAll), &clock);
    let old = store.find_by_token(&first).await.unwrap().unwrap();
    assert_eq!(old.token.superseded_at, Some(now));
    let new = store.find_by_token(&second).await.unwrap().unwrap();
    assert_eq!((new.token.superseded_at, new.session.id), (None, session.id));
}

/// The suite's own rotations take turns on one task; these do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rotations_on_many_threads_one_wins() {
    let store = on_disk(&DIRECTORIES).await;
    let at = Utc::now();
    for _ in 0..20 {
        let (session, first) = (sample_session(at), random_hash());
        store.insert_session(&session, &first).await.unwrap();
        let attempts: Vec<_> = (0..8)
            .map(|_| random_hash())
            .map(|token| {
                let (store, id) = (store.clone(), session.id);
                let update =
                    SessionUpdate { rotation: rotate(first, token, at), ..SessionUpdate::touch(id, at) };
                tokio::spawn(async move { store.apply(&update).await.unwrap().then_some(token) })
            })
            .collect();
        let mut winners = Vec::new();
        for attempt in attempts {
            winners.extend(attempt.await.unwrap());
        }
        assert_eq!(winners.len(), 1);
        let current = store.find_by_token(&winners[0]).await.unwrap().unwrap();
        assert_eq!((current.token.superseded_at, current.session.id), (None, session.id));
    }
}

/// A slow request holds a session that another has ended.
#[tokio::test]
async fn no_update_brings_a_session_back() {
    let Bench { store, clock, .. } = bench();
    let now = now(&clock);
    let (session, first, second) = (sample_session(now), random_hash(), random_hash());
    store.insert_session(&session, &first).await.unwrap();
    assert_eq!(store.delete_subject_sessions(&session.subject).await.unwrap(), [session.id]);
    let update =
        SessionUpdate { rotation: rotate(first, second, now), ..SessionUpdate::touch(session.id, now) };
    assert!(!store.apply(&update).await.unwrap());
    for token in [first, second] {
        assert!(store.find_by_token(&token).await.unwrap().is_none());
    }
}

/// Nothing is left of tokens that lost, were pruned, or went with their session.
#[tokio::test]
async fn tokens_go_with_what_they_lead_to() {
    let Bench { store, clock, .. } = bench();
    let now = now(&clock);
    let (session, first, second, third) = (sample_session(now), random_hash(), random_hash(), random_hash());
    store.insert_session(&session, &first).await.unwrap();
    let later = now + TimeDelta::minutes(1);
    for (from, to, at) in [(first, second, now), (first, third, now), (second, third, later)] {
        let mut rotation = rotate(from, to, at);
        rotation.as_mut().unwrap().prune_superseded_before = at;
        store.apply(&SessionUpdate { rotation, ..SessionUpdate::touch(session.id, at) }).await.unwrap();
    }
    assert_eq!(store.sessions.len(), 3, "the session, the second token and the third");
    assert!(store.delete_session(session.id).await.unwrap());
    assert_eq!(store.sessions.len(), 0);
}
