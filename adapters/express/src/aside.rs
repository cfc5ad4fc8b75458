//! Aside: what takes long is done on a thread of its own. For what a program does once, or an operator now and then; no
//! request comes here.

use std::sync::Arc;
use std::thread;

use crate::answer::{Answer, Reply};
use crate::failure::Failure;
use crate::mailbox::Mailbox;

/// Does `work` on a thread of this name, and tells the mailbox.
pub fn run(
    mailbox: &Arc<Mailbox>,
    name: &str,
    work: impl FnOnce() -> Result<Answer, Failure> + Send + 'static,
) -> Result<f64, Failure> {
    let ticket = mailbox.ticket();
    let telling = Telling { mailbox: Arc::clone(mailbox), ticket, told: false };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || telling.tell(work()))
        .map_err(|error| Failure::new("ERR_SESSILE_IO", format!("starting a thread failed: {error}")))?;
    Ok(Reply::Later(ticket).into())
}

/// Tells whoever waits, also when the work has panicked.
struct Telling {
    mailbox: Arc<Mailbox>,
    ticket: u32,
    told: bool,
}

impl Telling {
    fn tell(mut self, done: Result<Answer, Failure>) {
        self.told = true;
        self.mailbox.tell(self.ticket, done);
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.told {
            let failure = Failure::new("ERR_SESSILE", "a thread of the store has panicked");
            self.mailbox.tell(self.ticket, Err(failure));
        }
    }
}
