//! Keys of connect-redis in Redis or Valkey, from version 6.2 on, for a way back.
//!
//! A key is given the moment at which it ends, by the server's clock. How far that is from the clock here is asked with each
//! page and taken as little as it can be, so that no session ends late by what a request takes.

use redis::{RedisResult, Value, pipe};
use sessile::{Clock, Deadline, SystemClock};

use super::{Aim, Digests, Look, Put, Target, compare};
use crate::address::Address;
use crate::error::Result;
use crate::formats::express;
use crate::servers::redis::Redis;
use crate::session::{Kind, Moving, Name, Why};

pub(super) struct Keys {
    redis: Redis,
    prefix: String,
}

impl Keys {
    pub fn open(mut address: Address, _: Aim) -> Result<Self> {
        let prefix = address.take_or("prefix", "sess:");
        Ok(Self { redis: Redis::connect(&address)?, prefix })
    }

    /// How far the server's clock is ahead of ours, at least.
    fn ahead_ms(&mut self) -> Result<i64> {
        let time: RedisResult<(i64, i64)> = redis::cmd("TIME").query(&mut self.redis.connection);
        let (seconds, micros) = time.map_err(|error| self.redis.failed(&error))?;
        let there_ms = seconds.saturating_mul(1000).saturating_add(micros / 1000);
        Ok(there_ms.saturating_sub_unsigned(SystemClock.wall_ms() + 1))
    }

    fn key(&self, moving: &Moving) -> std::result::Result<Vec<u8>, Why> {
        let Name::Id(id) = &moving.name else { return Err(Kind::Id.into()) };
        express::read(&moving.data)?;
        Ok([self.prefix.as_bytes(), id].concat())
    }
}

impl Target for Keys {
    fn digests(&self) -> Digests {
        Digests::None
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        let keys: Vec<_> = sessions.iter().map(|moving| self.key(moving)).collect();
        let ahead_ms = self.ahead_ms()?;
        let mut set = pipe();
        set.ignore_errors();
        for (moving, key) in sessions.iter().zip(&keys) {
            let Ok(key) = key else { continue };
            let set = set.cmd("SET").arg(key).arg(&moving.data).arg("NX");
            let deadline = moving.deadline.min(moving.absolute);
            if deadline != Deadline::NEVER {
                set.arg("PXAT").arg(deadline.as_ms().saturating_add_signed(ahead_ms).max(1));
            }
        }
        let answers: RedisResult<Vec<RedisResult<Value>>> = set.query(&mut self.redis.connection);
        let mut answers = answers.map_err(|error| self.redis.failed(&error))?.into_iter();
        let outcome = |key: std::result::Result<Vec<u8>, Why>| match key {
            Err(why) => Ok(Put::Refused(why)),
            Ok(_) => match answers.next() {
                Some(Ok(Value::Nil)) => Ok(Put::AlreadyThere),
                Some(Ok(_)) => Ok(Put::Written),
                Some(Err(error)) => Err(self.redis.failed(&error)),
                None => Ok(Put::Refused(Kind::Refused.into())),
            },
        };
        keys.into_iter().map(outcome).collect()
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>> {
        let mut get = pipe();
        get.ignore_errors();
        for moving in sessions {
            let key = self.key(moving).unwrap_or_default();
            get.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        }
        let now_ms = SystemClock.wall_ms();
        let answers: RedisResult<Vec<RedisResult<Value>>> = get.query(&mut self.redis.connection);
        let mut answers = answers.map_err(|error| self.redis.failed(&error))?.into_iter();
        let mut looks = Vec::with_capacity(sessions.len());
        for moving in sessions {
            let (value, left) = (answers.next(), answers.next());
            let left =
                left.and_then(RedisResult::ok).and_then(|left| redis::from_redis_value::<i64>(left).ok());
            looks.push(match (value, left) {
                (Some(Ok(Value::BulkString(data))), Some(left)) => {
                    let deadline =
                        u64::try_from(left).map_or(Deadline::NEVER, |left| Deadline::at_ms(now_ms + left));
                    compare(moving, &data, deadline)
                }
                _ => Look::Missing,
            });
        }
        Ok(Some(looks))
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
