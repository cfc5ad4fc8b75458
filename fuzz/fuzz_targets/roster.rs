//! The list of segments: in a header, and changed by frames. What must not happen stands in `sessile_fuzz::roster`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::roster::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::roster::check);
}
