//! Serving: one thread waits for connections, and each has a thread of its own while it is answered.
//!
//! Owns: how many are answered at once, how long they are waited for, and the end of it. Invariants:
//! 1. It does not keep the store open. When that closes, the socket goes while the directory is still this process's, so it is
//!    never the next process's that is removed.
//! 2. A client costs at most a thread, for [`ASKING`] until it has asked, and for [`HEARING`] with each 64 KiB that it does not
//!    take. More than [`AT_ONCE`] are told that they are too many.
//! 3. The socket is taken away once, by whoever stops first; whoever comes second waits until it is gone.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use sessile::Store;

use crate::answer::{Kind, Refused};
use crate::perform::perform;
use crate::request::Request;
use crate::socket::{Dir, hang_up, may_ask};
use crate::wire::{self, Hello, Said, VERSION, write_line};
use crate::{Control, Error};

/// How many are answered at once.
pub(crate) const AT_ONCE: usize = 8;
/// How long a client may take to say what it wants.
pub(crate) const ASKING: Duration = Duration::from_secs(5);
/// How long a client may take to hear some of the answer.
const HEARING: Duration = Duration::from_secs(60);
/// How long to wait when no connection can be accepted, for want of files.
const BREATH: Duration = Duration::from_millis(100);
const ANSWER_BYTES: usize = 64 << 10;

/// The directories that this process serves, by device and inode.
static SERVED: LazyLock<Mutex<Served>> = LazyLock::new(Mutex::default);

type Served = BTreeMap<(u64, u64), Weak<Serving>>;

/// A socket is served while this lives, if the store does.
#[derive(Debug)]
pub(crate) struct Serving(Arc<Server>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[derive(Debug)]
struct Server {
    store: Store,
    dir: Dir,
    listener: UnixListener,
    asking: AtomicUsize,
    stopped: Mutex<bool>,
}

/// Begins to serve, or joins who does already.
pub(crate) fn serve(store: &Store) -> Result<Control, Error> {
    if store.is_read_only() {
        return Err(Error::ReadOnly);
    }
    let path = store.directory();
    let failed = |source| Error::Socket { dir: path.to_owned(), source };
    let dir = Dir::open(path).map_err(failed)?;
    let identity = dir.identity().map_err(failed)?;
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.retain(|_, serving| serving.strong_count() > 0);
    if let Some(serving) = served.get(&identity).and_then(Weak::upgrade).filter(|it| !it.0.has_stopped()) {
        return Ok(Control(serving));
    }
    let listener = dir.listen().map_err(failed)?;
    let (asking, stopped) = (AtomicUsize::new(0), Mutex::new(false));
    let server = Arc::new(Server { store: store.weak(), dir, listener, asking, stopped });
    let serving = Arc::new(Serving(Arc::clone(&server)));
    let ending = Arc::downgrade(&server);
    store.at_close(move || ending.upgrade().into_iter().for_each(|server| server.stop()))?;
    thread::Builder::new()
        .name("sessile-control".to_owned())
        .spawn(move || server.listen())
        .map_err(failed)?;
    served.insert(identity, Arc::downgrade(&serving));
    Ok(Control(serving))
}

impl Serving {
    pub fn is_on(&self) -> bool {
        !self.0.has_stopped()
    }
}

impl Server {
    fn has_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *stopped, true) {
            hang_up(&self.listener);
            // Where it cannot be removed, the next to serve will replace it.
            let _ = self.dir.clear();
        }
    }

    fn listen(self: Arc<Self>) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.receive(stream),
                Err(_) if self.has_stopped() => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(BREATH),
            }
        }
    }

    /// Gives a connection its thread.
    fn receive(self: &Arc<Self>, stream: UnixStream) {
        let place = Place::take(self);
        if place.is_none() {
            let says = format!("{AT_ONCE} commands are being answered already; try again in a moment");
            // Never waited for: the socket's own buffer is empty.
            let _ = refuse(&stream, Refused::new(Kind::Busy, says));
            return;
        }
        // Where no thread is to be had, the connection is closed without an answer.
        let _ = thread::Builder::new().name("sessile-answer".to_owned()).spawn(move || {
            if let Some(Place(server)) = &place {
                // Who does not hear the answer is not there to be told.
                let _ = server.answer(stream);
            }
        });
    }

    fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_write_timeout(Some(HEARING))?;
        if !may_ask(&stream)? {
            let says = "this store belongs to another user; run this as the user that the server runs as, or as root";
            return refuse(&stream, Refused::new(Kind::NotPermitted, says));
        }
        let line = match wire::read_line(&mut stream, ASKING) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(_) => {
                let says = "no request came, or too long a one; use the command `sessile` of this release";
                return refuse(&stream, Refused::new(Kind::NoRequest, says));
            }
        };
        let request = match wire::understand(&line).and_then(check) {
            Ok(request) => request,
            Err(refused) => return refuse(&stream, refused),
        };
        let mut out = BufWriter::with_capacity(ANSWER_BYTES, &stream);
        hello(&mut out)?;
        let told = perform(&self.store, &request, |answer| {
            write_line(&mut out, &Said::Answer(answer)).map_err(Ended::Deaf)
        });
        match told {
            Ok(()) => {}
            Err(Ended::Refused(refused)) => write_line(&mut out, &Said::Refused(refused))?,
            Err(Ended::Deaf(error)) => return Err(error),
        }
        out.flush()
    }
}

/// What a command asks of this process, and could not have meant so.
fn check(request: Request) -> Result<Request, Refused> {
    match &request {
        Request::Backup { destination } if !destination.to_path().is_absolute() => Err(Refused::new(
            Kind::Invalid,
            "a backup goes to a path from the root: the server has another directory of its own",
        )),
        _ => Ok(request),
    }
}

/// A client knows at once that it was heard, however long the answer takes.
fn hello(out: &mut impl io::Write) -> io::Result<()> {
    write_line(out, &Hello { sessile: VERSION, release: env!("CARGO_PKG_VERSION") })?;
    out.flush()
}

fn refuse(mut stream: &UnixStream, refused: Refused) -> io::Result<()> {
    hello(&mut stream)?;
    write_line(&mut stream, &Said::Refused(refused))
}

/// Why an answer ended before its end.
enum Ended {
    Refused(Refused),
    Deaf(io::Error),
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// One of the places for those who are answered.
struct Place(Arc<Server>);

impl Place {
    fn take(server: &Arc<Server>) -> Option<Self> {
        // Taken first, and given back by the drop of what is too many.
        let before = server.asking.fetch_add(1, Ordering::AcqRel);
        Some(Self(Arc::clone(server))).filter(|_| before < AT_ONCE)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::AcqRel);
    }
}
