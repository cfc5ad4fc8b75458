//! Any bytes as the frames of a segment: records, marks, and what changes the roster. What must not happen stands in `sessile_fuzz::frames`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::frames::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::frames::check);
}
