//! The file STORE: two copies of the store's header. What must not happen stands in `sessile_fuzz::store_header`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sessile_fuzz::store_header::check(data));

#[cfg(not(fuzzing))]
fn main() {
    sessile_fuzz::replay(sessile_fuzz::store_header::check);
}
