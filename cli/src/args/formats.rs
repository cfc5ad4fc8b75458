//! What `sessile upgrade`, `encrypt` and `rekey` take: how a store is written.

use clap::Args;

use super::Change;

pub(super) const UPGRADE: &str = "\
Examples:
  sessile upgrade DIR --dry-run
  sessile upgrade DIR

A release goes on writing the format that a store has, so that the release before can
be put back. After an upgrade it cannot: it refuses the store, and changes nothing.
So upgrade when no older release will run any more, and make a backup before. It is
one small write, done while a server runs, and a crash leaves the one format or the
other.";

pub(super) const ENCRYPT: &str = "\
Examples:
  head -c 32 /dev/urandom | base64 | sed 's/^/2026-11 /' > keys && chmod 600 keys
  sessile encrypt DIR --keys file:keys

Stop the server first, and start it with the same keys afterwards. Interrupted at any
point, it goes on when it is run again; until it is done the store can only be read, as
`export` does. What is damaged it refuses before it changes anything, and also a store
that is encrypted already: to change its key there is `rekey`.
Backups from before, and the disk's own spare blocks, are not encrypted by it.";

pub(super) const REKEY: &str = "\
Example:
  { printf '2027 '; head -c 32 /dev/urandom | base64; cat keys; } > keys.new
  chmod 600 keys.new && mv keys.new keys
  sessile rekey DIR --keys file:keys

Stop the server first. When this is done, the old keys can leave the file; backups from
before still need them. While a server runs with a new key before the old ones,
compaction comes to the same in time. A store that is plain it refuses: if yours was
encrypted, somebody has put another in its place.";

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub change: Change,
    /// Only say from which format to which
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    #[command(flatten)]
    pub change: Change,
    /// Where the keys are, the newest first: file:PATH or env:VARIABLE; else SESSILE_KEYS in the environment says it
    #[arg(long, value_name = "PLACE")]
    pub keys: Option<String>,
}
