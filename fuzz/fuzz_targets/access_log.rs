//! Lines of an access log. What must not happen stands in `sessile_fuzz::access_log`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::access_log::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::access_log::check);
}
