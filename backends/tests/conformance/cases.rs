//! The promises, each over any home. A helper or two for all of them.

mod deadlines;
mod devices;
mod lives;
mod races;
mod rotating;
mod strangers;
mod whole;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use sessile::{Session, Write};
use sessile_backends::{Error, Result, Sessions};

use crate::suite::{Case, Home};

macro_rules! cases {
    ($($room:ident: $($case:ident),+;)+) => {
        /// Every case by name.
        pub const CASES: &[Case] = &[$($((stringify!($case), |home: Home| Box::pin($room::$case(home)))),+),+];
    };
}

cases! {
    lives: an_ended_id_is_free, an_update_revives_nobody, set_takes_either, a_session_is_shown_whole, versions_grow,
        who_was_faster_is_told, subjects_are_kept_set_and_cleared, endings_are_idempotent;
    deadlines: a_table_of_deadlines, a_session_ends_at_its_millisecond, a_touch_only_extends, a_past_deadline_is_an_ending,
        nothing_is_used_after_its_end;
    rotating: a_login_changes_the_id_and_nothing_else, a_rotate_takes_data_and_subject_along,
        a_rotate_needs_the_old_and_a_free_new, the_old_id_is_free_again, one_of_many_rotates_wins, rotates_go_on_and_on;
    devices: devices_are_found_by_subject, logging_out_everywhere_spares_one, handles_name_sessions, a_change_of_user_counts;
    races: nobody_loses_an_increment, one_of_many_creates_wins, nobody_is_left_after_logging_out_everywhere,
        a_rotate_leaves_exactly_one, who_is_spared_lives_whatever_is_saved_meanwhile;
    strangers: any_bytes_are_an_id, any_bytes_are_data, what_is_out_of_limits_is_refused;
    whole: all_are_listed_and_counted, clear_ends_all, sets_beside_are_separate, sessions_are_carried, closed_means_closed;
}

pub const AGES: Duration = Duration::from_secs(3600);

/// A write that lives for an hour.
pub fn lasting(data: &str) -> Write {
    Write::new(data).idle(AGES)
}

pub async fn live(home: &Home, id: &[u8]) -> Session {
    home.get(id).await.unwrap().expect("it lives")
}

pub async fn is_live(home: &Home, id: &[u8]) -> bool {
    home.get(id).await.unwrap().is_some()
}

pub async fn all(sessions: Sessions) -> Vec<Session> {
    sessions.map(|session| session.unwrap()).collect().await
}

pub fn is_duplicate<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Store(sessile::Error::Duplicate)))
}

pub fn is_unknown<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if error.is_unknown())
}

/// Of this machine, which is that of the homes, too.
pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Waits until the moment is over, and the next millisecond has begun.
pub async fn until_past(moment_ms: u64) {
    while now_ms() <= moment_ms {
        sleep_ms((moment_ms + 1).saturating_sub(now_ms()).max(1)).await;
    }
}
