//! `sessile encrypt` and `sessile rekey`: until everything in a store is encrypted with the newest key.
//!
//! Two commands, and neither does the other's work: what somebody has put in the place of an encrypted store is plain, and is not
//! to be sealed by who changes the keys.

use std::path::Path;

use serde::Serialize;
use sessile::{Options, Reencrypted};

use crate::args::Encrypt;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, bytes, grouped};
use crate::progress;

/// Encrypts a plain store.
pub(super) fn whole(asked: &Encrypt) -> Result<(), Failure> {
    run(asked, |dir, options, progress| options.encrypt(dir, progress))
}

/// Brings an encrypted store under its newest key.
pub(super) fn anew(asked: &Encrypt) -> Result<(), Failure> {
    run(asked, |dir, options, progress| {
        let store = options.create(false).manual_maintenance(true).open(dir)?;
        let done = store.reencrypt(progress)?;
        store.close()?;
        Ok(done)
    })
}

fn run(
    asked: &Encrypt,
    encrypt: impl FnOnce(&Path, Options, &mut dyn FnMut(&Reencrypted)) -> sessile::Result<Reencrypted>,
) -> Result<(), Failure> {
    let dir = &asked.change.dir;
    open::owned(dir)?;
    let keys = open::keys(asked.keys.as_deref())?.ok_or_else(|| {
        Failure::Usage(format!(
            "say where the keys are: --keys file:/path/to/keys, or {} in the environment",
            open::KEYS_VARIABLE
        ))
    })?;
    let options = Options::new().encryption(keys).lock_wait(asked.change.wait);
    let done = progress::of_things("encrypting", 0, |bar| {
        encrypt(dir, options, &mut |step| {
            bar.set_length(step.segments);
            bar.set_position(step.done);
        })
    });
    output::show(&Done::from(done.map_err(|error| Failure::store(dir, error))?), asked.change.json)
}

#[derive(Debug, Serialize)]
struct Done {
    segments: u64,
    bytes: u64,
    left_plain: Vec<String>,
}

impl From<Reencrypted> for Done {
    fn from(done: Reencrypted) -> Self {
        Self { segments: done.done, bytes: done.bytes, left_plain: done.left_plain }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let mut text = output::facts([
            ("segments encrypted anew", grouped(self.segments)),
            ("records in them", bytes(self.bytes)),
        ]);
        if !self.left_plain.is_empty() {
            text.push_str(&format!(
                "\n\nThese files may hold what is plain. The next start of the server removes those that end in .seg and .tmp; a \
                 salvage has put the others aside, so remove them when you are done with them: {}",
                self.left_plain.join(", ")
            ));
        }
        text
    }
}
