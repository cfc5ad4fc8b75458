//! Certificates as an office of one's own issues them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::not_checked;

/// A server's certificate with its key, and the root by which it is believed.
pub struct Certificate {
    _dir: TempDir,
    pub root: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.current_dir(directory).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "openssl {arguments:?}");
}

impl Certificate {
    /// For the name `localhost`, and for nothing else. Nothing where there is no openssl.
    pub fn for_localhost() -> Option<Self> {
        if !Command::new("openssl").arg("version").output().is_ok_and(|said| said.status.success()) {
            not_checked("there is no openssl, so no home was reached by TLS");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let [root, certificate, key] =
            ["root.pem", "server.pem", "server.key"].map(|name| dir.path().join(name));
        let key_of = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        let root_of =
            ["req", "-x509", "-subj", "/CN=root of a test", "-keyout", "root.key", "-out", "root.pem"];
        openssl(dir.path(), &[root_of.as_slice(), &key_of].concat());
        let server = ["req", "-x509", "-subj", "/CN=a server", "-keyout", "server.key", "-out", "server.pem"];
        let signed = [
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        openssl(dir.path(), &[server.as_slice(), &key_of, &signed].concat());
        Some(Self { _dir: dir, root, certificate, key })
    }
}
