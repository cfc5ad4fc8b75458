//! Keys of connect-redis and of actix-session in Redis or Valkey.
//!
//! A position is a cursor of SCAN, which any connection may go on with as long as it is the same server process; of another
//! one it means nothing. How long a key has left is asked in the same request as its value, and counted from before that
//! request, so that a deadline comes out early by how long that took, and never late.

use redis::{RedisResult, Value, cmd, pipe};
use sessile::{Clock, Deadline, SystemClock};

use super::{Entry, PAGE, Page, Position, Source};
use crate::address::{Address, Format};
use crate::error::Result;
use crate::formats::{actix, express};
use crate::servers::redis::Redis;
use crate::session::{Kind, Moving, Name, Note, Why};

pub(super) struct Keys {
    redis: Redis,
    format: Format,
    prefix: String,
    cursor: u64,
    /// Which process of the server it is.
    run: String,
}

impl Keys {
    pub fn open(mut address: Address, from: Option<&Position>) -> Result<Self> {
        let usual = if address.format == Format::ConnectRedis { "sess:" } else { "" };
        let prefix = address.take_or("prefix", usual);
        let mut redis = Redis::connect(&address)?;
        let run = run_of(&mut redis)?;
        let cursor = from.and_then(|position| {
            let (process, cursor) = position.split_once(' ')?;
            cursor.parse().ok().filter(|_| process == run)
        });
        Ok(Self { redis, format: address.format, prefix, cursor: cursor.unwrap_or(0), run })
    }

    fn scan(&mut self) -> Result<Vec<Vec<u8>>> {
        let pattern = format!("{}*", escaped(&self.prefix));
        let mut scan = cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let answer: RedisResult<(u64, Vec<Vec<u8>>)> = scan.query(&mut self.redis.connection);
        let (cursor, keys) = answer.map_err(|error| self.redis.failed(&error))?;
        self.cursor = cursor;
        Ok(keys)
    }

    /// What stands under these keys, and how many milliseconds it has left.
    fn values(&mut self, keys: &[Vec<u8>]) -> Result<Vec<(RedisResult<Value>, RedisResult<i64>)>> {
        let mut ask = pipe();
        ask.ignore_errors();
        for key in keys {
            ask.cmd("GET").arg(key).cmd("PTTL").arg(key);
        }
        let answers: RedisResult<Vec<RedisResult<Value>>> = ask.query(&mut self.redis.connection);
        let mut answers = answers.map_err(|error| self.redis.failed(&error))?.into_iter();
        let mut values = Vec::with_capacity(keys.len());
        while let (Some(value), Some(left)) = (answers.next(), answers.next()) {
            values.push((value, left.and_then(|left| Ok(redis::from_redis_value(left)?))));
        }
        Ok(values)
    }

    fn entry(
        &self,
        key: &[u8],
        value: RedisResult<Value>,
        left: RedisResult<i64>,
        now_ms: u64,
    ) -> Option<Entry> {
        let data = match (value, left) {
            // Ended meanwhile.
            (Ok(Value::Nil), _) | (_, Ok(-2)) => return None,
            (Ok(Value::BulkString(data)), Ok(left)) => Ok((data, left)),
            _ => Err(Why::with(Kind::Stranger, "a key with that prefix, of another type than text")),
        };
        let place = data
            .as_ref()
            .map_or_else(|_| "a key".into(), |(data, _)| format!("a value of {} bytes", data.len()));
        let moving = data.and_then(|(data, left)| self.decode(key, data, left, now_ms));
        Some(moving.map_err(|why| (place, why)))
    }

    fn decode(&self, key: &[u8], data: Vec<u8>, left: i64, now_ms: u64) -> std::result::Result<Moving, Why> {
        let id = key.strip_prefix(self.prefix.as_bytes()).filter(|id| !id.is_empty()).ok_or(Kind::Id)?;
        let idle_ms = if self.format == Format::Actix {
            actix::read(&data)?;
            None
        } else {
            express::read(&data)?.max_age_ms
        };
        let (deadline, note) = match u64::try_from(left) {
            Ok(left) => (Deadline::at_ms(now_ms.saturating_add(left)), None),
            // Minus one: it never ends.
            Err(_) => (Deadline::NEVER, Some(Note::Endless)),
        };
        Ok(Moving::new(Name::Id(id.to_vec()), data, deadline).idle_ms(idle_ms).noted(note))
    }
}

fn run_of(redis: &mut Redis) -> Result<String> {
    let info: RedisResult<String> = cmd("INFO").arg("server").query(&mut redis.connection);
    // Where that is forbidden, a position of an earlier run means nothing.
    let info = info.unwrap_or_default();
    Ok(info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or("unknown").trim().to_owned())
}

/// A prefix in a pattern, whatever characters it has.
fn escaped(prefix: &str) -> String {
    let mut escaped = String::with_capacity(prefix.len());
    for one in prefix.chars() {
        if "*?[]\\^-".contains(one) {
            escaped.push('\\');
        }
        escaped.push(one);
    }
    escaped
}

impl Source for Keys {
    fn total(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn page(&mut self) -> Result<Page> {
        let keys = self.scan()?;
        let now_ms = SystemClock.wall_ms();
        let values = self.values(&keys)?;
        let entries = keys.iter().zip(values);
        let entries =
            entries.filter_map(|(key, (value, left))| self.entry(key, value, left, now_ms)).collect();
        let position =
            (self.cursor != 0 && self.run != "unknown").then(|| format!("{} {}", self.run, self.cursor));
        Ok(Page { entries, position, last: self.cursor == 0 })
    }

    fn is_nested(&self) -> bool {
        self.format == Format::Actix
    }

    /// Each look counts what is left from another moment.
    fn tolerance_ms(&self) -> u64 {
        1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(escaped("sess:"), "sess:");
        assert_eq!(escaped("a*[b]?\\"), "a\\*\\[b\\]\\?\\\\");
    }
}
