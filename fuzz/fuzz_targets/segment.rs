//! A sealed segment: header, frames and footer, read as recovery reads it. What must not happen stands in `sessile_fuzz::segment`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::segment::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::segment::check);
}
