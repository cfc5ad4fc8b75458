//! A store driven line by line: one command on standard input, one answer on standard output. Compiled against the release before
//! this one and against this one, so it uses only what both have.

use std::io::{BufRead, Write as _};
use std::time::Duration;

use sessile::{Error, Options, Store, Write};

const IDLE: Duration = Duration::from_secs(3600);

/// Small segments, so that a short life has many of them, and no thread, so that it is told what to do.
pub fn open(directory: &str) -> Result<Store, Error> {
    Options::new().segment_bytes(64 << 10).idle(IDLE).manual_maintenance(true).open(directory)
}

/// Does what a line says, and gives the answer.
pub fn answer(store: &Store, line: &str) -> Result<String, Error> {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (command, id) = (word(), word());
    Ok(match command {
        "create" => store.create(id, write(word(), word())).map(|_| "done".to_owned())?,
        "brief" => {
            store.create(id, Write::new(word()).idle(Duration::from_millis(1))).map(|_| "done".to_owned())?
        }
        "update" => store.update(id, write(word(), word())).map(|_| "done".to_owned())?,
        "touch" => store.touch(id, IDLE * 2).map(|_| "done".to_owned())?,
        "rotate" => store.rotate(id, word(), None).map(|_| "done".to_owned())?,
        "destroy" => store.destroy(id)?.to_string(),
        "revoke" => store.destroy_subject(id, None)?.to_string(),
        "clear" => store.clear()?.to_string(),
        "listen" => store.events().map(|_| "done".to_owned())?,
        "maintain" => {
            while store.maintain(IDLE)?.more {}
            "done".to_owned()
        }
        "get" => match store.get(id)? {
            None => "gone".to_owned(),
            Some(session) => format!(
                "{} {} {} {} {}",
                String::from_utf8_lossy(session.data()),
                session.version(),
                session.created_ms(),
                session.deadline().as_ms(),
                session.subject().is_some(),
            ),
        },
        "verify" => {
            let found = store.verify()?;
            format!("{} damaged, {} sessions", found.damage.len(), found.sessions)
        }
        "close" => store.close().map(|()| "done".to_owned())?,
        _ => "what?".to_owned(),
    })
}

/// Data of so many bytes, and a subject where one is named.
fn write(data: &str, subject: &str) -> Write {
    let write = Write::new(data);
    if subject.is_empty() { write } else { write.subject(subject) }
}

/// Ends without a word: as if it had been killed.
#[allow(dead_code, reason = "the test of this release has a main function of its own")]
fn main() {
    let directory = std::env::args().nth(1).unwrap_or_default();
    let mut out = std::io::stdout();
    let store = match open(&directory) {
        Ok(store) => store,
        Err(error) => {
            let _ = writeln!(out, "refused: {error}");
            return;
        }
    };
    let _ = writeln!(out, "open");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let said = answer(&store, &line).unwrap_or_else(|error| format!("failed: {error}"));
        let _ = writeln!(out, "{said}");
    }
    std::process::abort();
}
