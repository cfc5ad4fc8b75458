//! Ids and subjects: from standard input only, since every user of a machine can see arguments.

use std::io::{self, IsTerminal, Read, Write};

use sessile::{ID_BYTES_MAX, SUBJECT_BYTES_MAX};
use sessile_control::Name;

use crate::failure::Failure;

/// How a session is named: the handle from the command line, or else the id from standard input.
pub(crate) fn name(handle: Option<&str>) -> Result<Name, Failure> {
    match handle {
        None => id().map(|id| Name::Id(id.into())),
        // The text is not repeated: somebody may have put an id there.
        Some(text) => text.parse().map(Name::Handle).map_err(|_| {
            Failure::Usage(
                "a handle is 32 hexadecimal digits, as `sessile ls` prints them; an id is read from standard input".into(),
            )
        }),
    }
}

fn id() -> Result<Vec<u8>, Failure> {
    if !io::stdin().is_terminal() {
        return take(io::stdin().lock(), "session id", ID_BYTES_MAX);
    }
    // Who types or pastes an id should not leave it on the screen.
    let typed = rpassword::prompt_password("session id (it will not be shown): ")
        .map_err(|error| Failure::io("reading the session id from the terminal", error))?;
    take(typed.as_bytes(), "session id", ID_BYTES_MAX)
}

/// The subject on standard input.
pub(crate) fn subject() -> Result<Vec<u8>, Failure> {
    if io::stdin().is_terminal() {
        // A prompt that cannot be shown is no reason not to read the answer.
        let _ = write!(io::stderr(), "subject, then Enter and Ctrl-D: ");
    }
    take(io::stdin().lock(), "subject", SUBJECT_BYTES_MAX)
}

/// Reads all of `input`, drops one newline at its end, and checks the length.
fn take(input: impl Read, what: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // Room for the newline and for one byte too many.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(3);
    input
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(format!("reading the {what} from standard input"), error))?;
    if bytes.pop_if(|byte| *byte == b'\n').is_some() {
        bytes.pop_if(|byte| *byte == b'\r');
    }
    match bytes.len() {
        0 => Err(Failure::Input(format!(
            "no {what} came on standard input; write for example: printf %s \"$IT\" | sessile ..."
        ))),
        length if length > bytes_max => Err(Failure::Input(format!(
            "the {what} on standard input is longer than {bytes_max} bytes; send it alone"
        ))),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_dropped_and_no_more() {
        let taken = |bytes: &[u8]| take(bytes, "id", 8).unwrap();
        assert_eq!(taken(b"abc\n"), b"abc");
        assert_eq!(taken(b"abc\r\n"), b"abc");
        assert_eq!(taken(b"abc\n\n"), b"abc\n");
        assert_eq!(taken(b"abc\r"), b"abc\r");
        assert_eq!(taken(b"12345678\r\n"), b"12345678");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        for bytes in [&b""[..], b"\n", b"\r\n", b"123456789", &[b'x'; 100]] {
            assert_eq!(take(bytes, "id", 8).unwrap_err().code(), 8);
        }
    }
}
