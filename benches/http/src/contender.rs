//! Contenders: the stores that take part, and what their writes survive.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A store with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// sessile, each write on the disk before the answer.
    SessileSynced,
    /// sessile, each write with the kernel before the answer.
    SessileWritten,
    /// tower-sessions' own store in memory: the limit.
    Memory,
    /// tower-sessions-sqlx-store on SQLite, `synchronous=FULL`, over one connection, which has the file to itself.
    SqliteFullAlone,
    /// The same over a pool of connections.
    SqliteFullPool,
    /// tower-sessions-sqlx-store on SQLite, `synchronous=NORMAL`, over one connection, which has the file to itself.
    SqliteNormalAlone,
    /// The same over a pool of connections.
    SqliteNormalPool,
    /// tower-sessions-redis-store, `appendfsync always`.
    RedisAlways,
    /// tower-sessions-redis-store, `appendfsync everysec`.
    RedisEverysec,
}

impl Contender {
    /// All of them. Whom a goal compares stand beside each other, and so are measured right after each other.
    pub const ALL: [Self; 9] = [
        Self::SqliteFullPool,
        Self::SqliteFullAlone,
        Self::SessileSynced,
        Self::Memory,
        Self::SessileWritten,
        Self::SqliteNormalAlone,
        Self::SqliteNormalPool,
        Self::RedisAlways,
        Self::RedisEverysec,
    ];

    /// As it is called in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessileSynced => "sessile, Synced",
            Self::SessileWritten => "sessile, Written",
            Self::Memory => "memory",
            Self::SqliteFullAlone => "SQLite, FULL, alone",
            Self::SqliteFullPool => "SQLite, FULL, pool",
            Self::SqliteNormalAlone => "SQLite, NORMAL, alone",
            Self::SqliteNormalPool => "SQLite, NORMAL, pool",
            Self::RedisAlways => "Redis, always",
            Self::RedisEverysec => "Redis, everysec",
        }
    }

    /// As it is chosen in the arguments.
    #[must_use]
    pub fn argument(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What an acknowledged write survives.
    #[must_use]
    pub const fn survives(self) -> &'static str {
        match self {
            Self::Memory => "nothing",
            Self::SessileSynced | Self::SqliteFullAlone | Self::SqliteFullPool | Self::RedisAlways => {
                "power loss"
            }
            Self::SessileWritten | Self::SqliteNormalAlone | Self::SqliteNormalPool | Self::RedisEverysec => {
                "the process"
            }
        }
    }

    /// Whether it needs a `redis-server` on the machine.
    #[must_use]
    pub const fn is_redis(self) -> bool {
        matches!(self, Self::RedisAlways | Self::RedisEverysec)
    }

    /// Whether it is what this package is about.
    #[must_use]
    pub const fn is_sessile(self) -> bool {
        matches!(self, Self::SessileSynced | Self::SessileWritten)
    }
}
