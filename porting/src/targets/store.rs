//! A directory of sessile's, made where there is none.
//!
//! Sessions are written without waiting for the disk one by one; `settle` waits for all. At its limits the store refuses and
//! evicts nobody: who has just moved in must not push out who did before.

use std::path::{Path, PathBuf};

use sessile::{AtLimit, Durability, Handle, Options, Secret, Store};

use super::adopting::{adopted, carried};
use super::arrivals::Arrival;
use super::{Aim, Digests, Look, Put, Target, arrivals, compare};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::session::{Moving, Name};

pub(super) struct Embedded {
    /// Nothing where a dry run finds no store.
    store: Option<Store>,
    /// Nothing where a dry run finds none.
    arrivals: Option<Store>,
    /// Who has come, and is not durable yet.
    waiting: Vec<Arrival>,
    secret: Secret,
    dir: PathBuf,
}

impl Embedded {
    pub fn open(address: &Address, aim: Aim) -> Result<Self> {
        let place = address.store()?;
        let dir = place.directory().to_path_buf();
        let failed = |error| Error::store(&dir, error);
        let is_there = dir.join("STORE").exists();
        if is_there && !aim.again && !aim.dry_run {
            return Err(occupied(&dir));
        }
        let mut options = Options::new().durability(Durability::Written).at_limit(AtLimit::Reject);
        if !is_there {
            options = options.keep_ids(aim.keep_ids);
            if let Some(secret) = aim.secret {
                options = options.secret(secret);
            }
        }
        let store = match (aim.dry_run, is_there) {
            (true, false) => None,
            (true, true) => {
                Some(place.options(options.read_only(true).create(false)).open(&dir).map_err(failed)?)
            }
            (false, _) => Some(place.options(options).open(&dir).map_err(failed)?),
        };
        let secret = match &store {
            Some(store) => store.secret(),
            None => aim.secret.map_or_else(Secret::generate, Ok).map_err(failed)?,
        };
        let beside = dir.join(arrivals::NAME);
        let options = Options::new().durability(Durability::Written).at_limit(AtLimit::Reject);
        let arrivals = match (aim.dry_run, beside.join("STORE").exists()) {
            (true, false) => None,
            (true, true) => Some(options.read_only(true).create(false)),
            (false, true) => Some(options),
            (false, false) => Some(options.secret(secret)),
        };
        let arrivals = arrivals.map(|options| options.open(&beside)).transpose();
        let arrivals = arrivals.map_err(|error| Error::store(&beside, error))?;
        Ok(Self { store, arrivals, waiting: Vec::new(), secret, dir })
    }

    fn put_one(&mut self, moving: &Moving) -> Result<Put> {
        let Some(store) = &self.store else { return Ok(Put::Written) };
        let carried = match carried(self.secret, moving) {
            Ok(carried) => carried,
            Err(why) => return Ok(Put::Refused(why)),
        };
        let failed = |error| Error::store(&self.dir, error);
        if self.has_ended(store, &carried.handle).map_err(failed)? {
            return Ok(Put::Refused(arrivals::has_ended()));
        }
        let put = adopted(store.adopt(&carried).map(drop)).map_err(failed)?;
        if matches!(put, Put::Written | Put::AlreadyThere) {
            self.waiting.push((carried.handle, carried.deadline));
        }
        Ok(put)
    }

    /// Whether a session came here by an earlier move and is not here any more.
    fn has_ended(&self, store: &Store, handle: &Handle) -> sessile::Result<bool> {
        let Some(arrivals) = &self.arrivals else { return Ok(false) };
        Ok(arrivals.get_handle(handle)?.is_some() && store.get_handle(handle)?.is_none())
    }
}

fn occupied(dir: &Path) -> Error {
    Error::Unfit(format!(
        "{} holds a store already. Whoever has come there by an import and has logged out since stays logged out; others \
         that the old store still has would come, also if they have been there by another way. To go on, say --again",
        dir.display()
    ))
}

impl Target for Embedded {
    fn digests(&self) -> Digests {
        Digests::Under(self.secret)
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        if self.waiting.len() >= arrivals::WAITING_MAX {
            self.settle()?;
        }
        sessions.iter().map(|moving| self.put_one(moving)).collect()
    }

    fn settle(&mut self) -> Result<()> {
        let (Some(store), Some(arrivals)) = (&self.store, &self.arrivals) else { return Ok(()) };
        if self.waiting.is_empty() {
            return Ok(());
        }
        let failed = |error| Error::store(&self.dir, error);
        store.flush().map_err(failed)?;
        for arrival in self.waiting.drain(..) {
            match arrivals.adopt(&arrivals::entry(arrival)) {
                Ok(_) | Err(sessile::Error::Duplicate) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        arrivals.flush().map_err(failed)
    }

    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>> {
        let Some(store) = &self.store else { return Ok(Some(vec![Look::Missing; sessions.len()])) };
        let failed = |error| Error::store(&self.dir, error);
        let look = |moving: &&Moving| {
            let found = match &moving.name {
                Name::Id(id) => store.get(id),
                Name::Handle(handle) => store.get_handle(handle),
            };
            match found {
                Ok(Some(found)) => Ok(compare(moving, found.data(), found.deadline())),
                Ok(None) => {
                    let handle = match &moving.name {
                        Name::Id(id) => self.secret.handle_of(id).map_err(failed)?,
                        Name::Handle(handle) => *handle,
                    };
                    let has_ended = self.has_ended(store, &handle).map_err(failed)?;
                    Ok(if has_ended { Look::Ended } else { Look::Missing })
                }
                // No store has an id out of its limits.
                Err(sessile::Error::Invalid(_)) => Ok(Look::Missing),
                Err(error) => Err(failed(error)),
            }
        };
        sessions.iter().map(look).collect::<Result<_>>().map(Some)
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        for store in [self.store.take(), self.arrivals.take()].into_iter().flatten() {
            store.close().map_err(|error| Error::store(&self.dir, error))?;
        }
        Ok(None)
    }
}
