#![no_main]

#[path = "../bodies/envdir.rs"]
mod envdir;

libfuzzer_sys::fuzz_target!(|data: &[u8]| envdir::run(data));
