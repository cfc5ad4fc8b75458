//! The data of a typed session. What must not happen stands in `sessile_fuzz::typed_value`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::typed_value::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::typed_value::check);
}
