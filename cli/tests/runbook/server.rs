//! The server of the runbook: a process that holds a store and serves its operators, with sessions that its orders ask for.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sessile::{ManualClock, Options, Place, Store, Write};
use sessile_control::Control;

fn order(name: &str) -> Option<String> {
    std::env::var(format!("SERVER_{name}")).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> u64 {
    order(name).map_or(0, |value| value.parse().unwrap())
}

fn wall_ms() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap()
}

/// Opens the store of `SERVER_PLACE`, makes sessions in it, and stays until it is told to end.
pub fn run() {
    let mut options = Options::new().lock_wait(Duration::from_secs(10));
    // A machine whose clock is wrong.
    if let Some(days) = order("AHEAD_DAYS") {
        let ahead_ms: u64 = days.parse::<u64>().unwrap() * 86_400_000;
        options = options.clock(Arc::new(ManualClock::at_ms(wall_ms() + ahead_ms)));
    }
    let place = Place::parse(&order("PLACE").unwrap()).unwrap();
    let store = match place.options(options).open(place.directory()) {
        Ok(store) => store,
        Err(error) => {
            eprintln!("the server does not start: {error}");
            std::process::exit(1);
        }
    };
    let _control = (number("SILENT") == 0).then(|| Control::serve(&store).unwrap());
    fill(&store);
    if let Some(ready) = order("READY") {
        std::fs::write(ready, std::process::id().to_string()).unwrap();
    }
    if number("STAYS") == 0 {
        store.close().unwrap();
        return;
    }
    // A login a moment, as in life.
    let mut count = 0;
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let cart = "x".repeat(usize::try_from(number("CART_BYTES")).unwrap());
        let login = store.create(format!("login {} {count}", std::process::id()), Write::new(cart));
        if let Err(error) = login {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open("server.log").unwrap();
            writeln!(file, "a login failed: {error}").unwrap();
        }
        count += 1;
        if std::fs::remove_file("stop-server").is_ok() {
            store.close().unwrap();
            return;
        }
    }
}

fn fill(store: &Store) {
    let bytes = usize::try_from(number("BYTES").max(16)).unwrap();
    for n in 0..number("SESSIONS") {
        let write = Write::new("x".repeat(bytes)).subject(format!("user{}", n % 10));
        if let Err(error) = store.set(format!("session {n}"), write) {
            eprintln!("after {n} sessions: {error}");
            break;
        }
    }
}
