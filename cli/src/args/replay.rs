//! What `sessile replay` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The access log, plain or gzip; `-` is standard input
    pub log: PathBuf,
    /// Where to make the store: a directory that is empty or does not exist yet
    #[arg(long)]
    pub dir: PathBuf,
    /// How long a session lives without being used, for example 30m or 2h
    #[arg(long, value_name = "TIME", value_parser = idle, default_value = "30m")]
    pub idle: Duration,
    /// How many bytes of data each session holds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1 << 20), default_value_t = 256)]
    pub data_bytes: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn idle(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(idle) if idle.as_millis() == 0 => Err("must be at least a millisecond".into()),
        Ok(idle) => Ok(idle),
        Err(error) => Err(format!("{error}; write for example 30m or 2h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_time_of_nothing_is_refused() {
        assert!(idle("0s").is_err() && idle("").is_err() && idle("-5m").is_err());
        assert_eq!(idle("30m"), Ok(Duration::from_secs(1800)));
    }
}
