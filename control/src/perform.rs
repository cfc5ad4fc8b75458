//! What is done for a request: once, for the process that holds the store and for a command that opened it itself.
//!
//! Owns: from a store and a [`Request`] to its [`Answer`]s. A step that cannot tell its answer, because nobody hears it, stops.

use std::time::{Duration, Instant};

use sessile::{Format, Session, Store};

use crate::answer::{Answer, Clock, Compacted, Facts, Figures, Refused, Size, Upgraded, Verified};
use crate::request::{Bytes, Name, Request};

/// Does what is asked of a store, and tells `hear` each answer. An error of `hear` ends it, and is given back.
///
/// ```
/// use sessile_control::{Answer, Refused, Request, perform};
///
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// store.create("an id", "some data")?;
/// perform::<Refused>(&store, &Request::Ls { limit: None }, |answer| {
///     if let Answer::Session(facts) = answer {
///         println!("{} ends at {:?}", facts.handle, facts.deadline_ms);
///     }
///     Ok(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Refused`] for what the store cannot do, and what `hear` gives.
pub fn perform<E: From<Refused>>(
    store: &Store,
    request: &Request,
    mut hear: impl FnMut(Answer) -> Result<(), E>,
) -> Result<(), E> {
    if let Request::Ls { limit } = request {
        let listed = list(store, *limit, &mut hear)?;
        return hear(Answer::Listed(listed));
    }
    hear(answer(store, request).map_err(Refused::from)?)
}

fn answer(store: &Store, request: &Request) -> sessile::Result<Answer> {
    Ok(match request {
        Request::Stats => Answer::Stats(Box::new(Figures::of(store))),
        Request::Clock { confirm } => {
            if *confirm {
                store.confirm_clock()?;
            }
            Answer::Clock(Clock::new(&store.stats(), store.endings_ahead()))
        }
        Request::SetClockBack => {
            store.set_clock_back()?;
            Answer::Clock(Clock::new(&store.stats(), store.endings_ahead()))
        }
        // Told one by one, before.
        Request::Ls { .. } => Answer::Listed(0),
        Request::Get { name, data } => {
            let found = match name {
                Name::Id(id) => store.get(id.reveal())?,
                Name::Handle(handle) => store.get_handle(handle)?,
            };
            let of = |one: Session| (Facts::from(&one), data.then(|| Bytes(one.into_data())));
            Answer::Got(found.map(of))
        }
        Request::Destroy { name } => Answer::Destroyed(match name {
            Name::Id(id) => store.destroy(id.reveal())?,
            Name::Handle(handle) => store.destroy_handle(handle)?,
        }),
        Request::DestroySubject { subject } => {
            Answer::Revoked(store.destroy_subject(subject.reveal(), None)?)
        }
        Request::Verify => {
            let found = store.verify()?;
            Answer::Verified(Verified::new(found, store.stats().recovery.damage))
        }
        Request::Compact { confirm_clock } => Answer::Compacted(compact(store, *confirm_clock)?),
        Request::Upgrade { dry_run } => {
            let had = if *dry_run { store.stats().format } else { store.upgrade()? };
            Answer::Upgraded(Upgraded {
                from: had.number(),
                to: Format::NEWEST.number(),
                done: store.stats().format == Format::NEWEST,
            })
        }
        Request::Backup { destination } => Answer::BackedUp(store.backup(destination.to_path())?.into()),
    })
}

fn list<E: From<Refused>>(
    store: &Store,
    limit: Option<u64>,
    hear: &mut impl FnMut(Answer) -> Result<(), E>,
) -> Result<u64, E> {
    let refused = |error| E::from(Refused::from(error));
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut listed = 0;
    for session in store.iter().map_err(refused)?.take(limit) {
        hear(Answer::Session(Facts::from(&session.map_err(refused)?)))?;
        listed += 1;
    }
    Ok(listed)
}

fn compact(store: &Store, confirm_clock: bool) -> sessile::Result<Compacted> {
    if confirm_clock {
        store.confirm_clock()?;
    }
    let (began, before) = (Instant::now(), store.stats());
    let done = store.compact(Duration::MAX)?;
    let after = store.stats();
    Ok(Compacted {
        expired: done.expired,
        segments_removed: done.segments_removed,
        segments_compacted: done.segments_compacted,
        more: done.more,
        before: Size::from(&before),
        after: Size::from(&after),
        clock_unconfirmed: after.clock_unconfirmed,
        wall_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}
