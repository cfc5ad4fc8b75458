//! A directory of sessile's, opened for a look: a server may hold it meanwhile.

use sessile::{Options, Secret, Session, Sessions, Store};

use super::{PAGE, Page, Source};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::session::{Kind, Moving, Name, Owner, Why};

pub(super) struct Held {
    store: Store,
    sessions: Sessions,
    dir: std::path::PathBuf,
}

impl Held {
    pub fn open(address: &Address) -> Result<Self> {
        let place = address.store()?;
        let dir = place.directory().to_path_buf();
        let failed = |error| Error::store(&dir, error);
        let store = place.options(Options::new()).create(false).read_only(true).open(&dir).map_err(failed)?;
        let sessions = store.iter().map_err(failed)?;
        Ok(Self { store, sessions, dir })
    }
}

/// A session of a store, with its id where that keeps ids.
pub(crate) fn moving(session: Session) -> Moving {
    let carried = session.into_carried();
    let name = carried.id.map_or(Name::Handle(carried.handle), Name::Id);
    Moving {
        absolute: carried.absolute,
        idle: Some(carried.idle),
        created_ms: Some(carried.created_ms),
        owner: carried.subject.map_or(Owner::Nobody, Owner::Digest),
        ..Moving::new(name, carried.data, carried.deadline)
    }
}

impl Source for Held {
    fn total(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.store.len()))
    }

    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        for session in self.sessions.by_ref().take(PAGE) {
            page.entries.push(match session {
                Ok(session) => Ok(moving(session)),
                Err(sessile::Error::Corrupt(damage)) => {
                    let place = format!("{} at byte {}", damage.file, damage.offset);
                    Err((place, Why::with(Kind::Data, damage.what)))
                }
                Err(error) => return Err(Error::store(&self.dir, error)),
            });
        }
        page.last = page.entries.len() < PAGE;
        Ok(page)
    }

    fn secret(&self) -> Option<Secret> {
        Some(self.store.secret())
    }
}
