//! How a session becomes one of a home of sessile's: what is not known of it, and what the home's answer means.

use std::time::Duration;

use sessile::{Carried, Clock, Deadline, Error, Secret, SystemClock};

use super::Put;
use crate::session::{Kind, Moving, Name, Owner, Why};

/// As the engine carries it, or why it cannot.
pub(super) fn carried(secret: Secret, moving: &Moving) -> std::result::Result<Carried, Why> {
    let (handle, id) = match &moving.name {
        Name::Id(id) => {
            let handle =
                secret.handle_of(id).map_err(|_| Why::with(Kind::Id, "an id is 1 to 4,096 bytes"))?;
            (handle, Some(id.clone()))
        }
        Name::Handle(handle) => (*handle, None),
    };
    let subject = match &moving.owner {
        Owner::Nobody => None,
        Owner::Named(name) => Some(secret.subject_digest(name).map_err(|_| Why::from(Kind::Subject))?),
        Owner::Digest(digest) => Some(*digest),
    };
    let now_ms = SystemClock.wall_ms();
    let deadline = moving.deadline.min(moving.absolute);
    // Whoever was used last in the future was used just now.
    let left = Duration::from_millis(deadline.as_ms().saturating_sub(now_ms));
    let idle = match moving.deadline {
        Deadline::NEVER => Duration::MAX,
        _ => moving.idle.unwrap_or(left).max(left),
    };
    let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    let last_used_ms = deadline.as_ms().saturating_sub(idle_ms).min(now_ms);
    Ok(Carried {
        handle,
        data: moving.data.clone(),
        created_ms: moving.created_ms.unwrap_or(last_used_ms).min(now_ms),
        last_used_ms,
        idle,
        deadline,
        absolute: moving.absolute,
        subject,
        id,
    })
}

/// What an answer means for this session, or for the whole move.
pub(super) fn adopted(answer: Result<(), Error>) -> Result<Put, Error> {
    match answer {
        Ok(()) => Ok(Put::Written),
        Err(Error::Duplicate) => Ok(Put::AlreadyThere),
        Err(Error::Unknown(_)) => Ok(Put::Expired),
        Err(Error::TooLarge { bytes, bytes_max }) => {
            Ok(Put::Refused(Why::with(Kind::TooLarge, format!("{bytes} bytes, of at most {bytes_max}"))))
        }
        Err(error @ (Error::Invalid(_) | Error::ClockUnconfirmed)) => {
            Ok(Put::Refused(Why::with(Kind::Refused, error)))
        }
        Err(error) => Err(error),
    }
}
