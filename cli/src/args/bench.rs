//! Arguments of the command that measures a home.

use clap::Args;

pub(super) const BENCH: &str = "\
Examples:
  sessile bench --backend sessile:/srv/sessions
  sessile bench --backend redis://localhost --sessions 100000 --json
  HOME_B=postgres://app:secret@db/app sessile bench --backend env:HOME_B

The sessions are a set of their own, beside those that are there: a directory, keys
or a schema of the name --namespace, which must be free and is removed at the end.
The home is as busy as it can be meanwhile, and whoever uses it notices.";

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Where: sessile:DIR, redis://, postgres:// or memory:; or env:NAME, for an address with a password
    #[arg(long, value_name = "URL")]
    pub backend: String,
    /// How many sessions are there before anything is measured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 10_000)]
    pub sessions: u32,
    /// How many users they belong to: half as many as there are sessions, unless this is given; 0 for none
    #[arg(long, value_name = "N")]
    pub users: Option<u32>,
    /// How many bytes of data each session holds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1 << 20), default_value_t = 490)]
    pub data_bytes: u32,
    /// How many requests are on their way at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096), default_value_t = 16)]
    pub workers: u16,
    /// How long each kind of request is repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 5)]
    pub seconds: u16,
    /// Under which name the sessions are kept, which must be free
    #[arg(long, value_name = "NAME", default_value = "sessile_bench")]
    pub namespace: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
