//! The file EVENTS: what listeners have been told. What must not happen stands in `sessile_fuzz::ledger`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::ledger::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::ledger::check);
}
