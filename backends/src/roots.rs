//! Roots: whose certificates are believed when a server is reached by TLS.
//!
//! Owns: `sslrootcert` of an address, a file in PEM; without it the system's roots are believed. And who does the cryptography for a
//! driver that asks nobody: left to itself, it ends the process where a program has two libraries for that, or none.

use std::path::{Path, PathBuf};

use crate::address::decoded;
use crate::error::{Error, Result};

/// An address without `sslrootcert`, and the file that it named.
pub(crate) fn taken(address: &str) -> Result<(String, Option<PathBuf>)> {
    let Some((front, query)) = address.split_once('?') else { return Ok((address.to_owned(), None)) };
    let mut roots = None;
    let mut kept = Vec::new();
    for setting in query.split('&') {
        match setting.split_once('=') {
            Some(("sslrootcert", path)) => roots = Some(PathBuf::from(decoded(path)?)),
            _ => kept.push(setting),
        }
    }
    let query = kept.join("&");
    Ok((if query.is_empty() { front.to_owned() } else { format!("{front}?{query}") }, roots))
}

/// What the file holds: one certificate at least.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let pem = std::fs::read(path).map_err(|error| unreadable(path, &error.to_string()))?;
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(unreadable(path, "there is no certificate in it; it must be PEM"));
    }
    Ok(pem)
}

/// Some driver takes what the process has chosen; where nothing was chosen, this is.
#[cfg(feature = "redis")]
pub(crate) fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) fn unreadable(path: &Path, why: &str) -> Error {
    Error::Address(format!("sslrootcert names {}, which cannot be read: {why}", path.display()).into())
}
