//! Arguments of the commands that move sessions: import, export, migrate.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub(super) const IMPORT: &str = "\
Examples:
  sessile import connect-sqlite3:./sessions.db --dir DIR --dry-run
  sessile import connect-sqlite3:./app.db?table=user_sessions --dir DIR --subject userId
  sessile import session-file-store:./sessions --dir DIR --json
  mongoexport -c sessions --uri \"$URI\" | sessile import connect-mongo:- --dir DIR
  OLD=connect-pg-simple:postgres://app:secret@db/app sessile import env:OLD --dir DIR

FROM is a format, a colon and a place: connect-sqlite3, better-sqlite3-session-store,
connect-pg-simple, connect-redis, connect-mongo, session-file-store,
tower-sessions-sqlx-store, actix-session, jsonl or sessile; docs/moving.md has a
recipe for each. An address with a password in it belongs into the environment.

Each session keeps its id, its data and its deadline: a cookie that worked goes on
working, and nobody's session gets longer. Stop the old server first. A session that
is in DIR already is left as it is.";

pub(super) const EXPORT: &str = "\
Examples:
  sessile export --dir DIR jsonl:sessions.jsonl
  sessile export --dir DIR jsonl:- --json 2>report | age -r KEY > sessions.age

The file holds ids, if the store keeps them, or else digests and the secret that they
are digests under; whoever has it is every user. It is readable by you alone. Formats
of other stores need ids, so only a store that was created with keep_ids can be
exported to them.";

pub(super) const MIGRATE: &str = "\
Examples:
  sessile migrate sessile:./sessions sessile:/srv/sessions
  sessile migrate sessile:./sessions redis://127.0.0.1:6379/0?prefix=shop
  sessile migrate env:OLD env:NEW --resume ./migration.json

FROM and TO are addresses as `sessile import --help` has them; redis:// and
postgres:// are homes of sessile's on a server.";

/// What all moves take.
#[derive(Debug, Args)]
pub(crate) struct Moving {
    /// Where in the data a session's user stands: a key, or a JSON pointer such as /passport/user
    #[arg(long, value_name = "KEY")]
    pub subject: Option<String>,
    /// Read everything, write nothing, and report what would be
    #[arg(long)]
    pub dry_run: bool,
    /// Leave out the second pass, in which every session is looked up in its new home
    #[arg(long)]
    pub no_verify: bool,
    /// Go on although there is a store already; whoever came there by an import and has ended since stays ended
    #[arg(long)]
    pub again: bool,
    /// Note how far it has come in FILE, and go on from there if it was cut off
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Fail if any session had to be skipped
    #[arg(long)]
    pub strict: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Wait so long for the process that holds a store to let go of it, for example 10s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    pub wait: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Where the sessions are: a format, a colon and a place; or env:NAME
    pub from: String,
    /// The store's directory; it is made if there is none
    #[arg(long)]
    pub dir: PathBuf,
    /// Keep ids in the store that is made, for a server that opens it with keep_ids
    #[arg(long)]
    pub keep_ids: bool,
    #[command(flatten)]
    pub moving: Moving,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The store's directory
    #[arg(long)]
    pub dir: PathBuf,
    /// Where the sessions go: a format, a colon and a place; or env:NAME
    pub to: String,
    #[command(flatten)]
    pub moving: Moving,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Where the sessions are: a format, a colon and a place; or env:NAME
    pub from: String,
    /// Where the sessions go: a format, a colon and a place; or env:NAME
    pub to: String,
    /// Keep ids in a store that is made, for a server that opens it with keep_ids
    #[arg(long)]
    pub keep_ids: bool,
    #[command(flatten)]
    pub moving: Moving,
}
