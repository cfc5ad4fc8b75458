//! A home of sessile's on a server. Many sessions are on their way there at a time.
//!
//! A dry run does not go there, since a home is made when it is first reached.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use sessile::{Handle, Secret};
use sessile_backends::Backend;

use super::adopting::{adopted, carried};
use super::arrivals::Arrival;
use super::{Aim, Digests, Look, Put, Target, arrivals, compare};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::servers::home::Home;
use crate::session::{Moving, Name};

/// So many at a time.
const AT_ONCE: usize = 64;

pub(super) struct Remote {
    home: Option<(Home, Arc<dyn Backend>)>,
    /// Who has come, and is not durable yet.
    waiting: Vec<Arrival>,
    secret: Secret,
}

impl Remote {
    pub fn open(address: Address, aim: Aim) -> Result<Self> {
        if aim.dry_run {
            let secret = aim.secret.map_or_else(Secret::generate, Ok);
            let secret = secret.map_err(|error| Error::Unfit(error.to_string()))?;
            return Ok(Self { home: None, waiting: Vec::new(), secret });
        }
        let home = Home::connect(&address, aim.secret, aim.keep_ids)?;
        let there = home.runtime.block_on(home.backend.len()).map_err(|error| home.failed(&error))?;
        if there > 0 && !aim.again {
            return Err(Error::Unfit(format!(
                "{} holds sessions already. Whoever has come there by a move and has logged out since stays logged out; others \
                 that the old home still has would come, also if they have been there by another way. To go on, say --again",
                home.backend.name()
            )));
        }
        let beside = home.runtime.block_on(home.backend.beside(arrivals::NAME));
        let arrivals = beside.map_err(|error| home.failed(&error))?;
        let secret = home.backend.secret();
        Ok(Self { home: Some((home, arrivals)), waiting: Vec::new(), secret })
    }
}

/// Whether a session came here by an earlier move and is not here any more.
async fn has_ended(home: &Home, arrivals: &dyn Backend, handle: Handle) -> sessile_backends::Result<bool> {
    Ok(arrivals.get_handle(handle).await?.is_some() && home.backend.get_handle(handle).await?.is_none())
}

impl Target for Remote {
    fn digests(&self) -> Digests {
        Digests::Under(self.secret)
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        if self.waiting.len() >= arrivals::WAITING_MAX {
            self.settle()?;
        }
        let Some((home, arrivals)) = &self.home else { return Ok(vec![Put::Written; sessions.len()]) };
        let put = |moving: &Moving| {
            let carried = carried(self.secret, moving);
            async move {
                let carried = match carried {
                    Ok(carried) => carried,
                    Err(why) => return Ok((Put::Refused(why), None)),
                };
                let arrival = (carried.handle, carried.deadline);
                if has_ended(home, arrivals.as_ref(), carried.handle).await? {
                    return Ok((Put::Refused(arrivals::has_ended()), None));
                }
                let put = match home.backend.adopt(&carried).await {
                    Ok(_) => Put::Written,
                    Err(sessile_backends::Error::Store(answer)) => adopted(Err(answer))?,
                    Err(error) => return Err(error),
                };
                let has_come = matches!(put, Put::Written | Put::AlreadyThere);
                Ok((put, has_come.then_some(arrival)))
            }
        };
        let all = stream::iter(sessions.iter().map(|moving| put(moving))).buffered(AT_ONCE).try_collect();
        let all: Vec<_> = home.runtime.block_on(all).map_err(|error| home.failed(&error))?;
        self.waiting.extend(all.iter().filter_map(|(_, arrival)| *arrival));
        Ok(all.into_iter().map(|(put, _)| put).collect())
    }

    fn settle(&mut self) -> Result<()> {
        let Some((home, arrivals)) = &self.home else { return Ok(()) };
        let enter = |arrival| async move {
            match arrivals.adopt(&arrivals::entry(arrival)).await {
                Ok(_) | Err(sessile_backends::Error::Store(sessile::Error::Duplicate)) => Ok(()),
                Err(error) => Err(error),
            }
        };
        let entered = async {
            home.backend.flush().await?;
            let all = stream::iter(&self.waiting).map(|arrival| enter(*arrival)).buffer_unordered(AT_ONCE);
            all.try_for_each(|()| async { Ok(()) }).await?;
            arrivals.flush().await
        };
        home.runtime.block_on(entered).map_err(|error| home.failed(&error))?;
        self.waiting.clear();
        Ok(())
    }

    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>> {
        let Some((home, arrivals)) = &self.home else { return Ok(Some(vec![Look::Missing; sessions.len()])) };
        let secret = self.secret;
        let look = |moving: &&Moving| {
            let moving = (*moving).clone();
            async move {
                let handle = match &moving.name {
                    Name::Id(id) => secret.handle_of(id).ok(),
                    Name::Handle(handle) => Some(*handle),
                };
                // No home has an id out of its limits.
                let Some(handle) = handle else { return Ok(Look::Missing) };
                let found = home.backend.get_handle(handle).await?;
                match found {
                    Some(found) => Ok(compare(&moving, found.data(), found.deadline())),
                    None if arrivals.get_handle(handle).await?.is_some() => Ok(Look::Ended),
                    None => Ok(Look::Missing),
                }
            }
        };
        let all = stream::iter(sessions.iter().map(look)).buffered(AT_ONCE).try_collect();
        home.runtime.block_on(all).map(Some).map_err(|error: sessile_backends::Error| home.failed(&error))
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        let Some((home, arrivals)) = self.home.take() else { return Ok(None) };
        home.runtime.block_on(arrivals.close()).map_err(|error| home.failed(&error))?;
        home.runtime.block_on(home.backend.close()).map_err(|error| home.failed(&error))?;
        Ok(None)
    }
}
