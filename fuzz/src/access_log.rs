//! Lines of an access log, as somebody who writes requests would have them.
//!
//! What must hold: what is read of a line stands in that line; a line that is read, is read the same with a line end of
//! the other kind.

// The one file: the command around it would bring its databases along.
#[path = "../../cli/src/replay/log.rs"]
mod log;

use crate::allocation::bounded;

pub fn check(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let entry = bounded(line.len() * 8 + 4096, || log::parse(line));
        let Some(entry) = entry else { continue };
        assert!(line.starts_with(entry.address) && !entry.address.is_empty());
        let agent = entry.agent;
        assert!(agent == b"-" || agent.is_empty() || line.windows(agent.len()).any(|part| part == agent));
        let unix = line.strip_suffix(b"\r").unwrap_or(line);
        assert_eq!(log::parse(unix), Some(entry), "without CR");
        assert_eq!(log::parse(&[unix, b"\r"].concat()), Some(entry), "with CR");
    }
}
