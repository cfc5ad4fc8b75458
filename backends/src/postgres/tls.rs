//! TLS: how a connection to the database is made safe.
//!
//! Owns: `sslmode` of an address. A certificate is always checked, name and all, by the system's roots or those
//! of a file; so `require`, `verify-ca` and `verify-full` are the same here. `prefer`, which is the default, takes a server without
//! TLS for good, and `disable` asks for none. Whoever names roots and no mode wants what `require` gives.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};
use crate::roots;

/// An address without what the driver does not know, and the file with the roots.
pub(super) fn settings(address: &str) -> Result<(String, Option<PathBuf>)> {
    let (address, roots) = roots::taken(address)?;
    let (front, query) = address.split_once('?').unwrap_or((&address, ""));
    let mut settings: Vec<_> = query.split('&').filter(|setting| !setting.is_empty()).collect();
    for setting in &mut settings {
        if matches!(*setting, "sslmode=verify-ca" | "sslmode=verify-full") {
            *setting = "sslmode=require";
        }
    }
    if roots.is_some() && !settings.iter().any(|setting| setting.starts_with("sslmode=")) {
        settings.push("sslmode=require");
    }
    let query = settings.join("&");
    Ok((if query.is_empty() { front.to_owned() } else { format!("{front}?{query}") }, roots))
}

/// What makes connections safe.
pub(super) fn connector(roots: Option<PathBuf>) -> Result<MakeRustlsConnect> {
    let mut trusted = RootCertStore::empty();
    match roots {
        Some(path) => {
            for certificate in CertificateDer::pem_slice_iter(&roots::read(&path)?) {
                let certificate =
                    certificate.map_err(|error| roots::unreadable(&path, &error.to_string()))?;
                trusted.add(certificate).map_err(|error| roots::unreadable(&path, &error.to_string()))?;
            }
        }
        None => {
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Address(format!("TLS cannot be used: {error}").into()))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
