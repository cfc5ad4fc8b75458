//! The way: what an address means.
//!
//! Owns: the addresses of a server, of Sentinels and of a Cluster. Invariant: what stands before a host's name, and behind a
//! question mark, is shown to nobody.

use std::time::Duration;

use ::redis::cluster::ClusterClient;
use ::redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use ::redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates, TlsMode};

use super::link::Way;
use crate::address::decoded;
use crate::error::{Error, Result};
use crate::roots;

/// How often a Cluster's client looks for another node by itself.
const CLUSTER_RETRIES: u32 = 8;

/// The way to an address.
pub(super) fn to(address: &str, timeout: Duration) -> Result<Way> {
    let (address, roots) = roots::taken(address)?;
    let (scheme, rest) = address.split_once("://").ok_or_else(misunderstood)?;
    let is_safe = scheme.starts_with("rediss") || scheme == "valkeys";
    if is_safe {
        roots::choose_cryptography();
    }
    let certificates = match roots {
        None => None,
        Some(_) if !is_safe => {
            return Err(Error::Address(
                "sslrootcert is for an address that asks for TLS, as rediss:// does".into(),
            ));
        }
        Some(path) => Some(TlsCertificates { client_tls: None, root_cert: Some(roots::read(&path)?) }),
    };
    match scheme {
        "redis+cluster" | "rediss+cluster" => {
            cluster(scheme == "rediss+cluster", rest, timeout, certificates)
        }
        "redis+sentinel" | "rediss+sentinel" => sentinel(scheme == "rediss+sentinel", rest, certificates),
        _ => {
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(address.as_str(), certificates),
                None => Client::open(address.as_str()),
            };
            Ok(Way::Single(client.map_err(|_| misunderstood())?))
        }
    }
}

/// The address as it may be shown.
pub(super) fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("redis", address));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{rest}")
}

/// Hosts and who asks there, what stands behind the slash, and the settings.
struct Parts<'a> {
    user: &'a str,
    password: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
}

fn parts(rest: &str) -> Parts<'_> {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (who, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    Parts { user, password, hosts: hosts.split(',').filter(|host| !host.is_empty()).collect(), path }
}

fn cluster(safe: bool, rest: &str, timeout: Duration, certificates: Option<TlsCertificates>) -> Result<Way> {
    let Parts { user, password, hosts, .. } = parts(rest);
    let who =
        if user.is_empty() && password.is_empty() { String::new() } else { format!("{user}:{password}@") };
    let scheme = if safe { "rediss" } else { "redis" };
    let nodes: Vec<_> = hosts.iter().map(|host| format!("{scheme}://{who}{host}")).collect();
    // A node that does not answer is given up in time for another to be asked.
    let one = timeout / 3;
    let mut asking = ClusterClient::builder(nodes)
        .connection_timeout(one)
        .response_timeout(one)
        .retries(CLUSTER_RETRIES)
        .max_retry_wait(200);
    if let Some(certificates) = certificates {
        asking = asking.certs(certificates);
    }
    asking.build().map(Way::Cluster).map_err(|_| misunderstood())
}

fn sentinel(safe: bool, rest: &str, certificates: Option<TlsCertificates>) -> Result<Way> {
    let Parts { user, password, hosts, path } = parts(rest);
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() || hosts.is_empty() {
        return Err(misunderstood());
    }
    let mut sentinels: Vec<ConnectionAddr> = Vec::new();
    for host in hosts {
        let port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            ""
        } else {
            ":26379"
        };
        let info = format!("redis://{host}{port}").into_connection_info().map_err(|_| misunderstood())?;
        sentinels.push(info.addr().clone());
    }
    let asking = SentinelClientBuilder::new(sentinels, decoded(name)?, SentinelServerType::Master);
    let mut asking = asking.map_err(|_| misunderstood())?;
    if !user.is_empty() {
        asking = asking.set_client_to_redis_username(decoded(user)?);
    }
    if !password.is_empty() {
        asking = asking.set_client_to_redis_password(decoded(password)?);
    }
    if !database.is_empty() {
        asking = asking.set_client_to_redis_db(database.parse().map_err(|_| misunderstood())?);
    }
    if safe {
        asking = asking.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        asking = asking.set_client_to_redis_certificates(certificates);
    }
    let client = asking.build().map_err(|_| misunderstood())?;
    Ok(Way::Sentinel(tokio::sync::Mutex::new(client)))
}

/// What the driver says of an address may repeat a part of it.
fn misunderstood() -> Error {
    Error::Address(
        "that is no address of a Redis server; write redis://user:password@host:6379/0, \
         redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379"
            .into(),
    )
}
