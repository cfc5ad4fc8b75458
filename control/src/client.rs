//! Asking the process that holds a store.
//!
//! Owns: [`Client`], and what can go wrong on the way.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::answer::{Answer, Refused};
use crate::request::Request;
use crate::socket::Dir;
use crate::wire::{Asked, Said, Speaks, VERSION, write_line};

/// How long a server may take to say that it has heard.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Asks the process that holds the store in a directory, if it serves its operators.
///
/// ```
/// use sessile_control::{Answer, Client, Control, Request, Unheard};
///
/// # let dir = tempfile::tempdir()?;
/// let store = sessile::Store::open(dir.path())?;
/// let control = Control::serve(&store)?;
/// // In another process, of the same user:
/// let client = Client::find(dir.path())?.expect("the store is served");
/// client.ask::<Unheard>(&Request::Stats, |answer| {
///     if let Answer::Stats(figures) = answer {
///         println!("{} sessions", figures.ahead.sessions);
///     }
///     Ok(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dir: Dir,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unheard {
    /// The server was asked and did not do it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It has let go of the store since it was found.
    #[error("the process that held the store has just let go of it; try again")]
    Gone,
    /// It went away before it had answered.
    #[error("the process that holds the store ended before it had answered; look whether it was done")]
    Cut,
    /// It speaks another version of the protocol.
    #[error(
        "the process that holds the store speaks version {theirs} of the protocol and this command version {VERSION}; use the \
         command `sessile` of its release"
    )]
    Version {
        /// Its version.
        theirs: u32,
    },
    /// What it says is no answer.
    #[error("what listens in the store's directory does not answer as a store does")]
    Nonsense,
    /// The system failed.
    #[error("asking the process that holds the store failed: {0}")]
    Io(#[from] io::Error),
}

impl Client {
    /// Looks whether somebody serves the store in this directory; `None` when nobody does.
    ///
    /// # Errors
    /// When the socket is there and cannot be reached.
    pub fn find(dir: impl AsRef<Path>) -> io::Result<Option<Self>> {
        let found = Dir::open(dir.as_ref()).and_then(|dir| dir.connect().map(|_| dir));
        match found {
            Ok(dir) => Ok(Some(Self { dir })),
            Err(error) if is_nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for one thing, and tells `hear` each answer. An error of `hear` ends it, and is given back.
    ///
    /// # Errors
    /// [`Unheard`], and what `hear` gives.
    pub fn ask<E: From<Unheard>>(
        &self,
        request: &Request,
        mut hear: impl FnMut(Answer) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut answers = self.begin(request).map_err(E::from)?;
        loop {
            let answer = answers.next()?;
            let last = answer.is_last();
            hear(answer)?;
            if last {
                return Ok(());
            }
        }
    }

    fn begin(&self, request: &Request) -> Result<Answers, Unheard> {
        let mut stream = self
            .dir
            .connect()
            .map_err(|error| if is_nobody(&error) { Unheard::Gone } else { error.into() })?;
        stream.set_read_timeout(Some(HEARD_WITHIN))?;
        stream.set_write_timeout(Some(HEARD_WITHIN))?;
        // Who refuses at once may have gone before he has read; what he said is there to be read all the same.
        let _ = write_line(&mut stream, &Asked { sessile: VERSION, request: request.clone() });
        let mut answers = Answers { lines: BufReader::new(stream), line: Vec::new() };
        let speaks: Speaks = serde_json::from_slice(answers.line()?).map_err(|_| Unheard::Nonsense)?;
        if speaks.sessile != VERSION {
            return Err(Unheard::Version { theirs: speaks.sessile });
        }
        // It has heard. What it does may take as long as it takes.
        answers.lines.get_ref().set_read_timeout(None)?;
        Ok(answers)
    }
}

/// Whether there is nobody to connect to.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | ConnectionRefused)
}

struct Answers {
    lines: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Answers {
    fn line(&mut self) -> Result<&[u8], Unheard> {
        self.line.clear();
        match self.lines.read_until(b'\n', &mut self.line) {
            Ok(_) if self.line.last() == Some(&b'\n') => Ok(&self.line),
            Ok(_) => Err(Unheard::Cut),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(Unheard::Cut),
            Err(error) => Err(error.into()),
        }
    }

    fn next(&mut self) -> Result<Answer, Unheard> {
        match serde_json::from_slice(self.line()?) {
            Ok(Said::Answer(answer)) => Ok(answer),
            Ok(Said::Refused(refused)) => Err(refused.into()),
            Err(_) => Err(Unheard::Nonsense),
        }
    }
}
