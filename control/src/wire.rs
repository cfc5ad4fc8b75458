//! What goes over the socket: lines of JSON, one asked, some answered.
//!
//! Owns: the version, the shape of a line, and the limits on what is read. A connection is one request:
//!
//! ```text
//! > {"sessile":1,"request":{"destroy":{"name":{"handle":"1f0e..."}}}}
//! < {"sessile":1,"release":"0.1.0"}
//! < {"answer":{"destroyed":true}}
//! ```
//!
//! The last line of an answer says that it is the last, or `{"refused":{"kind":"...","says":"..."}}`: an answer without one was
//! cut. Invariants:
//! 1. `{"sessile":N}` in the first line of each side, and the shape of a refusal, stay what they are in every version: so
//!    releases that speak differently can say so.
//! 2. What cannot be read is not repeated: it may hold an id.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Kind, Refused};
use crate::request::Request;

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;
/// A request is no longer: the longest id or path takes 5,464 bytes in base64.
pub(crate) const REQUEST_BYTES_MAX: usize = 16 << 10;

/// What both sides say first, in every version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Speaks {
    pub sessile: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub sessile: u32,
    pub request: Request,
}

#[derive(Debug, Serialize)]
pub(crate) struct Hello {
    pub sessile: u32,
    pub release: &'static str,
}

/// A line of an answer behind the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    Answer(Answer),
    Refused(Refused),
}

/// Writes one line.
pub(crate) fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Makes a request of a line.
pub(crate) fn understand(line: &[u8]) -> Result<Request, Refused> {
    let no_request = |what: &str| {
        let says = format!("that is no request: {what}; use the command `sessile` of this release");
        Refused::new(Kind::NoRequest, says)
    };
    let speaks: Speaks = serde_json::from_slice(line).map_err(|_| no_request("it names no version"))?;
    if speaks.sessile != VERSION {
        return Err(Refused::new(
            Kind::Version,
            format!(
                "the server speaks version {VERSION} of the protocol and this command version {}; use the command `sessile` \
                 of the server's release, {}",
                speaks.sessile,
                env!("CARGO_PKG_VERSION"),
            ),
        ));
    }
    // What serde has to say of it repeats what it found.
    let asked: Asked =
        serde_json::from_slice(line).map_err(|_| no_request("this version knows none such"))?;
    Ok(asked.request)
}

/// Reads a line, within so much time and [`REQUEST_BYTES_MAX`]; `None` where the other end has gone without a word.
pub(crate) fn read_line(stream: &mut UnixStream, within: Duration) -> io::Result<Option<Vec<u8>>> {
    let until = Instant::now() + within;
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = match stream.read(&mut chunk) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(line)),
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match read.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                line.extend_from_slice(read.get(..end).unwrap_or_default());
                return Ok(Some(line));
            }
            None => line.extend_from_slice(read),
        }
        if line.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_this_line() {
        let line =
            br#"{"sessile":1,"request":{"destroy":{"name":{"handle":"00112233445566778899aabbccddeeff"}}}}"#;
        assert!(matches!(understand(line), Ok(Request::Destroy { .. })));
        assert_eq!(understand(br#"{"sessile":1,"request":"stats"}"#), Ok(Request::Stats));
        let other = understand(br#"{"sessile":2,"request":{"dance":{}},"more":1}"#).unwrap_err();
        assert!(other.kind == Kind::Version && other.says.contains("version 2"), "{other}");
    }

    /// serde repeats what it did not expect.
    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        for line in [
            r#"{"sessile":"SECRET","request":"stats"}"#,
            r#"{"sessile":1,"request":"SECRET"}"#,
            r#"{"sessile":1,"request":{"get":{"name":{"id":"SECRET!"},"data":false}}}"#,
            r#"{"sessile":1,"request":{"get":{"name":{"SECRET":1},"data":false}}}"#,
            r#"{"sessile":1,"request":{"ls":{"limit":"SECRET"}}}"#,
            "SECRET",
        ] {
            let refused = understand(line.as_bytes()).unwrap_err();
            assert!(refused.kind == Kind::NoRequest && !refused.says.contains("SECRET"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = understand(&line);
        }

        #[test]
        fn requests_come_back_as_they_went(id in proptest::collection::vec(any::<u8>(), 0..100), data: bool) {
            let request = Request::Get { name: crate::Name::Id(id.into()), data };
            let mut line = Vec::new();
            write_line(&mut line, &Asked { sessile: VERSION, request: request.clone() }).unwrap();
            prop_assert_eq!(understand(&line), Ok(request));
        }
    }
}
