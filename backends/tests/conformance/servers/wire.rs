//! A wire between a home and its server that can be slow, and can be cut: a network as it is on a bad day.
//!
//! What a client has sent stays on the way when he gives up, and arrives when the network is back: so do packets in the buffers of
//! an operating system, whose connection has been closed long since.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the wire does with bytes that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mode {
    /// They wait: those to the server.
    holds_questions: bool,
    /// They wait: those from the server.
    holds_answers: bool,
    /// So many times it was cut: who began before is gone.
    cuts: u64,
}

/// The wire.
pub struct Wire {
    pub port: u16,
    mode: watch::Sender<Mode>,
    /// Bytes that wait, and connections whose bytes have all arrived.
    waiting: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
}

impl Wire {
    /// To a server on this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            mode: watch::Sender::new(Mode::default()),
            waiting: Arc::default(),
            open: Arc::default(),
        };
        let (mode, waiting, open) =
            (wire.mode.subscribe(), Arc::clone(&wire.waiting), Arc::clone(&wire.open));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let (there, back) = (Arc::clone(&waiting), Arc::clone(&waiting));
                let (asks, answers) = (mode.clone(), mode.clone());
                open.fetch_add(1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    let ask = carry(from_client, to_server, asks, there, |mode| mode.holds_questions);
                    let answer = carry(from_server, to_client, answers, back, |mode| mode.holds_answers);
                    tokio::join!(ask, answer);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        wire
    }

    /// From now on nothing reaches the server.
    pub fn hold_questions(&self) {
        self.mode.send_modify(|mode| mode.holds_questions = true);
    }

    /// From now on nothing comes back from the server.
    pub fn hold_answers(&self) {
        self.mode.send_modify(|mode| mode.holds_answers = true);
    }

    /// What was held goes on.
    pub fn let_go(&self) {
        self.mode.send_modify(|mode| (mode.holds_questions, mode.holds_answers) = (false, false));
    }

    /// All connections break, and what was held on them is lost; new ones are fine.
    pub fn cut(&self) {
        self.mode.send_modify(|mode| *mode = Mode { cuts: mode.cuts + 1, ..Mode::default() });
    }

    /// How many bytes are held.
    pub fn held(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many connections there are whose bytes have not all arrived.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    waiting: Arc<AtomicU64>,
    holds: fn(&Mode) -> bool,
) {
    let begun = mode.borrow().cuts;
    let mut bytes = [0; 4096];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            _ = mode.wait_for(|mode| mode.cuts != begun) => 0,
        };
        waiting.fetch_add(read as u64, Ordering::SeqCst);
        let may =
            mode.wait_for(|mode| mode.cuts != begun || !holds(mode)).await.map(|mode| mode.cuts == begun);
        waiting.fetch_sub(read as u64, Ordering::SeqCst);
        if read == 0 || !may.unwrap_or(false) || to.write_all(&bytes[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
