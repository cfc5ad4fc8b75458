//! From every home to every other, while requests come in: nobody is lost, and nobody who has logged out comes back.
//!
//! Each visitor has sessions of his own and knows what they must be; some he has never used when the move is over. A second server
//! moves too, where the new home can be shared, and one brings what nobody uses. At the end the new home alone is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sessile::{Options, Secret, Write};
use sessile_backends::{Backend, Embedded, Error, Memory, Moving, Postgres, Redis, Settings};

use crate::servers::cluster::Cluster;
use crate::servers::postgres::PostgresServer;
use crate::servers::redis::RedisServer;
use crate::servers::{is_here, say};
use crate::suite::Home;

const VISITORS: usize = 6;
const SESSIONS: usize = 25;
const CALLS: usize = 80;
const SECRET: Secret = Secret::from_bytes([7; 32]);
const HOUR: Duration = Duration::from_secs(3600);

/// What a visitor's session must say; nothing when it has ended.
type Known = BTreeMap<Vec<u8>, Option<String>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedded,
    Memory,
    Redis,
    Cluster,
    Postgres,
}

struct Places {
    dir: tempfile::TempDir,
    redis: Option<RedisServer>,
    cluster: Option<Cluster>,
    postgres: Option<PostgresServer>,
}

impl Places {
    async fn prepare() -> Self {
        let (mut redis, mut cluster) = (None, None);
        if is_here("redis-server") {
            (redis, cluster) = (Some(RedisServer::start().await), Some(Cluster::start().await));
        }
        Self { dir: tempfile::tempdir().unwrap(), redis, cluster, postgres: PostgresServer::start().await }
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![Kind::Embedded, Kind::Memory];
        kinds.extend(self.redis.as_ref().map(|_| Kind::Redis));
        kinds.extend(self.cluster.as_ref().map(|_| Kind::Cluster));
        kinds.extend(self.postgres.as_ref().map(|_| Kind::Postgres));
        kinds
    }

    /// A home that nobody has used.
    async fn home(&self, kind: Kind, name: &str) -> Home {
        let settings = Settings::new().secret(SECRET).namespace(name);
        match kind {
            Kind::Embedded => {
                let directory = self.dir.path().join(name);
                Arc::new(Embedded::open(Options::new().secret(SECRET), directory).await.unwrap())
            }
            Kind::Memory => Arc::new(Memory::new(settings).unwrap()),
            Kind::Redis => {
                Arc::new(Redis::connect(&self.redis.as_ref().unwrap().address(), settings).await.unwrap())
            }
            Kind::Cluster => Arc::new(self.cluster.as_ref().unwrap().connect(settings).await),
            Kind::Postgres => {
                let address = self.postgres.as_ref().unwrap().address();
                Arc::new(Postgres::connect(&address, settings).await.unwrap())
            }
        }
    }
}

fn id(visitor: usize, n: usize) -> Vec<u8> {
    format!("visitor {visitor}, session {n}").into_bytes()
}

/// What a session must say, as its visitor last heard it.
async fn agrees(home: &dyn Backend, id: &[u8], what: Option<&String>) -> bool {
    let said = home.get(id).await.unwrap().map(|session| String::from_utf8(session.into_data()).unwrap());
    said.as_ref() == what
}

/// Uses his sessions, changes them, gives some new ids, and ends some; every answer must be the right one.
async fn visit(home: Moving, visitor: usize, mut known: Known) -> Known {
    let mut dice = visitor as u64 * 7919 + 1;
    for call in 0..CALLS {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The last five nobody uses.
        let n = (dice >> 33) as usize % (SESSIONS - 5);
        let (id, data) = (id(visitor, n), format!("call {call}"));
        let what = known[&id].clone();
        match (dice >> 20) % 10 {
            0..4 => assert!(agrees(&home, &id, what.as_ref()).await, "{visitor} {n} {what:?}"),
            4 | 5 => match home.update(&id, Write::new(data.clone())).await {
                Ok(_) => drop(known.insert(id, Some(data)).flatten().expect("only what lives is updated")),
                Err(error) => assert!(error.is_unknown() && what.is_none(), "{error}"),
            },
            6 => assert_eq!(home.touch(&id, 2 * HOUR).await.is_ok(), what.is_some()),
            7 => {
                assert_eq!(home.destroy(&id).await.unwrap(), what.is_some());
                known.insert(id, None);
            }
            8 => {
                let next = [id.as_slice(), b", again"].concat();
                match home.rotate(&id, &next, None).await {
                    Ok(_) => {
                        known.insert(id, None);
                        known.insert(next, what);
                    }
                    Err(Error::Store(sessile::Error::Duplicate)) => {}
                    Err(error) => assert!(error.is_unknown() && what.is_none(), "{error}"),
                }
            }
            _ => match home.create(&id, Write::new(data.clone()).idle(HOUR)).await {
                Ok(_) => {
                    assert!(what.is_none());
                    known.insert(id, Some(data));
                }
                Err(error) => {
                    assert!(matches!(error, Error::Store(sessile::Error::Duplicate)), "{error}");
                    assert!(what.is_some());
                }
            },
        }
    }
    known
}

async fn migrate(places: &Places, from: Kind, to: Kind) -> (u64, u64) {
    let name = format!("{from:?}_{to:?}").to_lowercase();
    let old = places.home(from, &format!("{name}_old")).await;
    let new = places.home(to, &format!("{name}_new")).await;
    let mut known: Vec<Known> = vec![Known::new(); VISITORS];
    for (visitor, known) in known.iter_mut().enumerate() {
        for n in 0..SESSIONS {
            let data = format!("old {visitor} {n}");
            let write = Write::new(data.clone()).subject(format!("visitor {visitor}")).idle(HOUR);
            old.create(&id(visitor, n), write).await.unwrap();
            known.insert(id(visitor, n), Some(data));
        }
    }
    let server = Moving::between(old.clone(), new.clone()).await.unwrap();
    let another = match new.capabilities().shared {
        true => Moving::between(old.clone(), new.clone()).await.unwrap(),
        false => server.clone(),
    };
    let visits: Vec<_> = known
        .into_iter()
        .enumerate()
        .map(|(visitor, known)| {
            let home = if visitor % 2 == 0 { server.clone() } else { another.clone() };
            tokio::spawn(visit(home, visitor, known))
        })
        .collect();
    let rest = server.clone();
    let rest = tokio::spawn(async move { rest.move_rest().await.unwrap() });
    let mut found = Known::new();
    for visit in visits {
        found.extend(visit.await.unwrap());
    }
    rest.await.unwrap();
    drop(another);
    // One of them ends all his, used or not, before it is over.
    server.destroy_subject(b"visitor 0", None).await.unwrap();
    for (id, what) in &mut found {
        if id.starts_with(b"visitor 0") && server.get(id).await.unwrap().is_none() {
            *what = None;
        }
    }
    let done = server.finish().await.unwrap();
    assert!(done.is_done());
    let (mut live, mut over) = (0, 0);
    for (id, what) in &found {
        assert!(agrees(new.as_ref(), id, what.as_ref()).await, "{from:?} to {to:?}: {what:?}");
        *(if what.is_some() { &mut live } else { &mut over }) += 1;
    }
    (live, over)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_moves_under_traffic_and_nobody_is_lost() {
    let places = Places::prepare().await;
    let (mut pairs, mut live, mut over) = (0, 0, 0);
    for from in places.kinds() {
        for to in places.kinds() {
            let (still, ended) = migrate(&places, from, to).await;
            (pairs, live, over) = (pairs + 1, live + still, over + ended);
        }
    }
    say(&format!(
        "{pairs} pairs of homes were moved under traffic: {live} sessions live in the new home, {over} have ended and stayed so"
    ));
}
