//! Random lives of a server that moves, which dies at any call, now and then with the old home away. What was acknowledged
//! holds; what was under way when it died has happened or has not.

use std::collections::BTreeMap;
use std::time::Duration;

use sessile::Write;
use sessile_backends::{Backend, Moving};

use super::fuse::Wire;
use super::{HOUR, Homes};

const IDS: usize = 5;
const USERS: [&str; 2] = ["alice", "bob"];

/// What a session may be: what it says and whose it is, or nothing.
type What = Option<(String, usize)>;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

#[derive(Debug, Clone)]
enum Call {
    Get(usize),
    Update(usize),
    Touch(usize),
    Destroy(usize),
    DestroySubject(usize, Option<usize>),
    Clear,
    Rotate(usize, usize),
    Set(usize, usize),
    Finish,
}

fn id(n: usize) -> Vec<u8> {
    format!("id {n}").into_bytes()
}

fn write(data: &str, user: usize) -> Write {
    Write::new(data).subject(USERS[user]).idle(HOUR)
}

/// What may be true of each session, when the call was answered.
fn after(call: &Call, before: &BTreeMap<usize, What>, data: &str) -> BTreeMap<usize, What> {
    let mut now = before.clone();
    match *call {
        Call::Get(_) | Call::Touch(_) | Call::Finish => {}
        Call::Update(n) => {
            if let Some((said, _)) = now.get_mut(&n).unwrap() {
                *said = data.to_owned();
            }
        }
        Call::Destroy(n) => drop(now.insert(n, None)),
        Call::DestroySubject(user, keep) => {
            for (n, what) in &mut now {
                if what.as_ref().is_some_and(|(_, whose)| *whose == user) && keep != Some(*n) {
                    *what = None;
                }
            }
        }
        Call::Clear => now.values_mut().for_each(|what| *what = None),
        Call::Rotate(from, to) => {
            if from != to && now[&from].is_some() && now[&to].is_none() {
                let what = now.insert(from, None).unwrap();
                now.insert(to, what);
            }
        }
        Call::Set(n, user) => drop(now.insert(n, Some((data.to_owned(), user)))),
    }
    now
}

/// Whether the call was answered as it should be.
async fn make(
    moving: &Moving,
    call: &Call,
    before: &BTreeMap<usize, What>,
    data: &str,
) -> sessile_backends::Result<()> {
    let unknown = |error: sessile_backends::Error| if error.is_unknown() { Ok(false) } else { Err(error) };
    match *call {
        Call::Get(n) => {
            let got = moving.get(&id(n)).await?;
            let got = got.map(|session| String::from_utf8(session.into_data()).unwrap());
            assert_eq!(got, before[&n].clone().map(|(said, _)| said), "{call:?}");
        }
        Call::Update(n) => {
            let done =
                moving.update(&id(n), Write::new(data).idle(HOUR)).await.map(|_| true).or_else(unknown)?;
            assert_eq!(done, before[&n].is_some(), "{call:?}");
        }
        Call::Touch(n) => {
            let done = moving.touch(&id(n), HOUR).await.map(|_| true).or_else(unknown)?;
            assert_eq!(done, before[&n].is_some(), "{call:?}");
        }
        Call::Destroy(n) => {
            let done = moving.destroy(&id(n)).await?;
            assert!(done || before[&n].is_none(), "{call:?}");
        }
        Call::DestroySubject(user, keep) => {
            let keep = keep.map(id);
            moving.destroy_subject(USERS[user].as_bytes(), keep.as_deref()).await?;
        }
        Call::Clear => drop(moving.clear().await?),
        Call::Rotate(from, to) => match moving.rotate(&id(from), &id(to), None).await {
            Ok(_) => assert!(before[&from].is_some() && before[&to].is_none(), "{call:?}"),
            Err(sessile_backends::Error::Store(sessile::Error::Duplicate)) => {
                assert!(before[&to].is_some(), "{call:?}");
            }
            Err(error) if error.is_unknown() => assert!(before[&from].is_none(), "{call:?}"),
            Err(error) => return Err(error),
        },
        Call::Set(n, user) => drop(moving.set(&id(n), write(data, user)).await?),
        Call::Finish => drop(moving.move_rest().await?),
    }
    Ok(())
}

fn draw(dice: &mut Dice) -> Call {
    let (n, other) = (dice.below(IDS), dice.below(IDS));
    match dice.below(20) {
        0..6 => Call::Get(n),
        6..8 => Call::Update(n),
        8 => Call::Touch(n),
        9..12 => Call::Destroy(n),
        12 | 13 => Call::DestroySubject(dice.below(2), (dice.below(2) == 0).then_some(n)),
        14 => Call::Clear,
        15 | 16 => Call::Rotate(n, other),
        17 | 18 => Call::Set(n, dice.below(2)),
        _ => Call::Finish,
    }
}

async fn live(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let wire = || if seed.is_multiple_of(8) { Wire::whole().shared() } else { Wire::whole() };
    let homes = Homes::with(wire(), wire());
    let mut known: BTreeMap<usize, What> = (0..IDS).map(|n| (n, None)).collect();
    for n in 0..IDS {
        if dice.below(4) > 0 {
            let user = dice.below(2);
            homes.old.create(&id(n), write("old", user)).await.unwrap();
            known.insert(n, Some(("old".to_owned(), user)));
        }
    }
    let mut history = Vec::new();
    for life in 0..4 {
        let moving = homes.moving().await;
        if dice.below(3) > 0 {
            let calls = dice.below(60) as i64;
            homes.old_wire.cut_after(if dice.below(2) == 0 { i64::MAX } else { calls });
            homes.new_wire.cut_after(calls);
        }
        for n in 0..8 {
            let call = draw(&mut dice);
            let data = format!("{life}.{n}");
            history.push(call.clone());
            let then = after(&call, &known, &data);
            let made = make(&moving, &call, &known, &data);
            let made = tokio::time::timeout(Duration::from_secs(60), made).await.expect("no call hangs");
            if made.is_ok() {
                known = then;
                continue;
            }
            assert!(
                homes.old_wire.is_cut() || homes.new_wire.is_cut(),
                "seed {seed}: {call:?} {:?}",
                made.err()
            );
            // The process is dead. What it was at has happened, or not, for each session by itself.
            homes.old_wire.mend();
            homes.new_wire.mend();
            let moving = homes.moving().await;
            let mut found = BTreeMap::new();
            for (n, before) in &known {
                let session = moving.get(&id(*n)).await.unwrap();
                let said = session.map(|session| String::from_utf8(session.into_data()).unwrap());
                let (was, is) = (before.clone(), then[n].clone());
                let what = [was, is].into_iter().find(|what| what.clone().map(|(said, _)| said) == said);
                found.insert(
                    *n,
                    what.unwrap_or_else(|| panic!("seed {seed}: {n} is {said:?} after {history:?}")),
                );
            }
            if let Call::Rotate(from, to) = call
                && (then[&from].is_none() && then[&to].is_some() && known[&from].is_some())
            {
                assert_ne!(
                    found[&from], found[&to],
                    "seed {seed}: one of the two ids works, after {history:?}"
                );
            }
            known = found;
            break;
        }
        homes.old_wire.mend();
        homes.new_wire.mend();
    }
    homes.moving().await.finish().await.unwrap();
    for (n, what) in &known {
        let session = homes.new.get(&id(*n)).await.unwrap();
        let said = session.map(|session| String::from_utf8(session.into_data()).unwrap());
        assert_eq!(said, what.clone().map(|(said, _)| said), "seed {seed}: {n} after {history:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn random_lives_lose_nobody_and_bring_nobody_back() {
    let lives = std::env::var("SESSILE_MOVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(3_000);
    for seed in 1..=lives {
        live(seed).await;
    }
}
