#![no_main]

#[path = "../bodies/supervise_expand.rs"]
mod supervise_expand;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_expand::run(data));
