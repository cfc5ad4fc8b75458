//! A connection to Redis or Valkey.

use redis::{Client, Connection};

use super::{PATIENCE, use_tls};
use crate::address::Address;
use crate::error::{Error, Result};

/// Refuses what a URL of Redis cannot hold: the client passes over what it does not know, and a prefix that is misspelt is none.
pub(super) fn check_words(address: &Address) -> Result<()> {
    let is_known = |word| ["db", "user", "pass", "protocol"].contains(&word);
    if address.words().all(is_known) { Ok(()) } else { address.taken() }
}

pub(crate) struct Redis {
    pub connection: Connection,
    /// Host and port, for messages.
    pub home: String,
}

impl Redis {
    pub fn connect(address: &Address) -> Result<Self> {
        check_words(address)?;
        use_tls();
        // What is wrong with the URL is not said, since that could show it.
        let client = Client::open(address.url()).map_err(|_| {
            Error::address(format!(
                "{address}: behind the colon stands a URL such as redis://127.0.0.1:6379/0"
            ))
        })?;
        let home = format!("Redis at {}", client.get_connection_info().addr());
        let connected = client.get_connection_with_timeout(PATIENCE).and_then(|connection| {
            connection.set_read_timeout(Some(PATIENCE))?;
            connection.set_write_timeout(Some(PATIENCE))?;
            Ok(connection)
        });
        match connected {
            Ok(connection) => Ok(Self { connection, home }),
            Err(error) => Err(Error::Server { home, why: error.to_string() }),
        }
    }

    pub fn failed(&self, error: &redis::RedisError) -> Error {
        Error::Server { home: self.home.clone(), why: error.to_string() }
    }
}
