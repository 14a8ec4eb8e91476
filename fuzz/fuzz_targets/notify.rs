#![no_main]

#[path = "../bodies/notify.rs"]
mod notify;

libfuzzer_sys::fuzz_target!(|data: &[u8]| notify::run(data));
