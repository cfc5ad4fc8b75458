//! How servers are reached: with a limit on waiting, and with TLS where the URL says so.
//!
//! Invariant: a server is named by host and port; neither user nor password is ever shown.

pub(crate) mod home;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::time::Duration;

/// How long a connection or an answer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Certificates are verified against those that the system trusts, or against those in the file SSL_CERT_FILE.
fn use_tls() {
    // Somebody else in this process may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
