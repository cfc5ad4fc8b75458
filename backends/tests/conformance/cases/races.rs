//! Several at a time: nothing is lost, and nobody is left who was ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{AGES, all, is_duplicate, is_live, is_unknown, lasting, live, sleep_ms};
use crate::suite::Home;

pub async fn nobody_loses_an_increment(home: Home) {
    const TASKS: u64 = 8;
    const EACH: u64 = 15;
    home.create(b"an id", lasting("0").subject("alice")).await.unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (home, asked) = (home.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let mut add = |session: &sessile::Session| {
                        asked.fetch_add(1, Ordering::Relaxed);
                        let sum: u64 = std::str::from_utf8(session.data()).unwrap().parse().unwrap();
                        Some(lasting(&(sum + 1).to_string()))
                    };
                    home.update_with(b"an id", &mut add).await.unwrap().expect("it was not declined");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(live(&home, b"an id").await.data(), (TASKS * EACH).to_string().as_bytes());
    assert!(asked.load(Ordering::Relaxed) >= TASKS * EACH);
}

pub async fn one_of_many_creates_wins(home: Home) {
    for round in 0..10 {
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (home, id) = (home.clone(), format!("id {round}"));
                tokio::spawn(async move {
                    let mut write = lasting(&racer.to_string());
                    if racer % 2 == 0 {
                        write = write.subject(format!("user {racer}"));
                    }
                    let outcome = home.create(id.as_bytes(), write).await;
                    assert!(outcome.is_ok() || is_duplicate(&outcome), "{outcome:?}");
                    outcome.is_ok().then_some(racer)
                })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            won.extend(racer.await.unwrap());
        }
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        let session = live(&home, format!("id {round}").as_bytes()).await;
        assert_eq!(session.data(), won[0].to_string().as_bytes());
    }
}

/// Writers use, rewrite and rename a user's sessions, and change whose they are, while he is logged out everywhere. Whatever
/// was his when that began is gone when it has returned, and does not come back.
pub async fn nobody_is_left_after_logging_out_everywhere(home: Home) {
    const WRITERS: u64 = 6;
    for round in 0..6 {
        let (stop, turned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for writer in 0..WRITERS {
            let write = lasting("data").subject("alice");
            home.create(format!("{round} {writer} 0").as_bytes(), write).await.unwrap();
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (home, stop, turned) = (home.clone(), Arc::clone(&stop), Arc::clone(&turned));
                tokio::spawn(async move {
                    let id = |turn: u64| format!("{round} {writer} {turn}");
                    let mut turn = 0;
                    let mut seen_gone = false;
                    while !stop.load(Ordering::Relaxed) {
                        let now = id(turn);
                        let outcome = match (writer + turn) % 5 {
                            0 => home.touch(now.as_bytes(), AGES * 2).await.map(drop),
                            1 => home.update(now.as_bytes(), lasting("newer")).await.map(drop),
                            2 => home.update(now.as_bytes(), lasting("his").subject("alice")).await.map(drop),
                            3 => home.rotate(now.as_bytes(), id(turn + 1).as_bytes(), None).await.map(drop),
                            _ => {
                                let login = Some(lasting("login").subject("alice"));
                                home.rotate(now.as_bytes(), id(turn + 1).as_bytes(), login).await.map(drop)
                            }
                        };
                        assert!(outcome.is_ok() || is_unknown(&outcome), "{outcome:?}");
                        assert!(outcome.is_err() || !seen_gone, "it was gone, and came back");
                        if outcome.is_ok() && (writer + turn) % 5 >= 3 {
                            turn += 1;
                        } else if outcome.is_ok() {
                            home.rotate(id(turn).as_bytes(), id(turn + 1).as_bytes(), None).await.ok();
                            turn += u64::from(is_live(&home, id(turn + 1).as_bytes()).await);
                        }
                        seen_gone |= outcome.is_err();
                        turned.fetch_max(turn, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        sleep_ms(5 + 7 * round).await;
        // On a busy machine it takes them longer to begin.
        while turned.load(Ordering::Relaxed) == 0 && !writers.iter().any(tokio::task::JoinHandle::is_finished)
        {
            sleep_ms(1).await;
        }
        home.destroy_subject(b"alice", None).await.unwrap();
        let left = all(home.sessions_of(b"alice")).await;
        assert!(left.is_empty(), "round {round}: {left:?}");
        sleep_ms(5).await;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        assert!(turned.load(Ordering::Relaxed) > 0, "nobody wrote");
        let left = all(home.iter()).await;
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

/// Whoever looks at both ids of a rotate, the new one first, finds one of them; and never both.
pub async fn a_rotate_leaves_exactly_one(home: Home) {
    for round in 0..10 {
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        home.create(old.as_bytes(), lasting("data").subject("alice")).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let watchers: Vec<_> = (0..4)
            .map(|watcher| {
                let (home, old, new, done) = (home.clone(), old.clone(), new.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    while !done.load(Ordering::Relaxed) {
                        if watcher % 2 == 0 {
                            // If the new one is not there yet, the old one was until then, and may have gone since.
                            let had_new = is_live(&home, new.as_bytes()).await;
                            let has_old = is_live(&home, old.as_bytes()).await;
                            assert!(!(had_new && has_old), "both work");
                        } else {
                            // If the old one has gone, the new one is there.
                            let had_old = is_live(&home, old.as_bytes()).await;
                            let has_new = is_live(&home, new.as_bytes()).await;
                            assert!(had_old || has_new, "neither works");
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        home.rotate(old.as_bytes(), new.as_bytes(), None).await.unwrap();
        done.store(true, Ordering::Relaxed);
        for watcher in watchers {
            watcher.await.unwrap();
        }
    }
}

/// "Log out my other devices", again and again, while the page at hand saves.
pub async fn who_is_spared_lives_whatever_is_saved_meanwhile(home: Home) {
    home.create(b"at hand", lasting("0").subject("alice")).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let revoking = {
        let (home, is_over) = (home.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(home.destroy_subject(b"alice", Some(b"at hand")).await.unwrap(), 0);
            }
        })
    };
    for n in 1..60 {
        home.update(b"at hand", lasting(&n.to_string())).await.unwrap();
        sleep_ms(1 + n % 3).await;
    }
    is_over.store(true, Ordering::Relaxed);
    revoking.await.unwrap();
    home.create(b"a phone", lasting("").subject("alice")).await.unwrap();
    assert_eq!(home.destroy_subject(b"alice", Some(b"at hand")).await.unwrap(), 1);
    assert_eq!(live(&home, b"at hand").await.data(), b"59");
}
