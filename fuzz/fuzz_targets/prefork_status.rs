#![no_main]

#[path = "../bodies/prefork_status.rs"]
mod prefork_status;

libfuzzer_sys::fuzz_target!(|data: &[u8]| prefork_status::run(data));
