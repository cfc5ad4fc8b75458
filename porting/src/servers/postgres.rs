//! A connection to PostgreSQL.

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PATIENCE, use_tls};
use crate::address::Address;
use crate::error::{Error, Result};

pub(crate) struct Postgres {
    pub client: Client,
    /// Host and port, for messages.
    pub home: String,
}

impl Postgres {
    /// Without `sslmode` in the URL there is no TLS, as with node-postgres.
    pub fn connect(address: &Address) -> Result<Self> {
        let url = address.url();
        // What is wrong with the URL is not said, since that could show it.
        let mut config: Config = url.parse().map_err(|_| {
            Error::address(format!(
                "{address}: behind the colon stands a URL such as postgres://user@127.0.0.1:5432/app"
            ))
        })?;
        if !address.words().any(|word| word == "sslmode") {
            config.ssl_mode(SslMode::Disable);
        }
        config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE).application_name("sessile");
        let home = home(&config);
        let connected = match config.get_ssl_mode() {
            SslMode::Disable => config.connect(NoTls),
            _ => config.connect(tls()),
        };
        match connected {
            Ok(client) => Ok(Self { client, home }),
            Err(error) => Err(Error::Server { home, why: said(&error) }),
        }
    }

    /// Times without a zone are of this one from now on, and not of the server's.
    pub fn use_zone(&mut self, zone: Option<String>) -> Result<()> {
        let Some(zone) = zone else { return Ok(()) };
        let set = self.client.execute("SELECT set_config('TimeZone', $1, false)", &[&zone]);
        set.map(drop).map_err(|error| self.failed(&error))
    }

    pub fn failed(&self, error: &postgres::Error) -> Error {
        Error::Server { home: self.home.clone(), why: said(error) }
    }
}

fn tls() -> MakeRustlsConnect {
    use_tls();
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be read vouches for nobody.
        let _ = roots.add(certificate);
    }
    MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn home(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        _ => "an unnamed host".to_owned(),
    };
    let port = config.get_ports().first().map_or_else(String::new, |port| format!(" port {port}"));
    format!("PostgreSQL at {host}{port}")
}

/// What the server or the connection said. Of the server its message alone: a detail can quote a row.
fn said(error: &postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
