//! A home of sessile's on a server, for callers who wait in place.

use std::sync::Arc;

use sessile::Secret;
use sessile_backends::{Backend, Settings, connect_with};
use tokio::runtime::{Builder, Runtime};

use super::use_tls;
use crate::address::Address;
use crate::error::{Error, Result};

pub(crate) struct Home {
    pub runtime: Runtime,
    pub backend: Arc<dyn Backend>,
}

impl Home {
    /// Takes this secret over where there is none yet. One that is there stays, and whether it will do is seen later.
    pub fn connect(address: &Address, secret: Option<Secret>, keep_ids: bool) -> Result<Self> {
        use_tls();
        let failed = |why: std::io::Error| Error::Server { home: address.to_string(), why: why.to_string() };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let url = address.url();
        // Where the address says it, too, ids are kept.
        let keeping = |settings: Settings| if keep_ids { settings.keep_ids(true) } else { settings };
        let connected = runtime.block_on(async {
            let taking =
                |settings| secret.iter().fold(keeping(settings), |settings, secret| settings.secret(*secret));
            match connect_with(&url, taking).await {
                Err(sessile_backends::Error::Store(sessile::Error::Invalid(_))) if secret.is_some() => {
                    connect_with(&url, keeping).await
                }
                reached => reached,
            }
        });
        match connected {
            Ok(backend) => Ok(Self { runtime, backend }),
            Err(error) => Err(of_home(&address.to_string(), &error)),
        }
    }

    pub fn failed(&self, error: &sessile_backends::Error) -> Error {
        of_home(self.backend.name(), error)
    }
}

/// What a home says names it already, and never holds a password.
fn of_home(home: &str, error: &sessile_backends::Error) -> Error {
    match error {
        sessile_backends::Error::Address(what) => Error::address(what.to_string()),
        error => Error::Server { home: home.to_owned(), why: error.to_string() },
    }
}
