#![no_main]

#[path = "../bodies/supervise_login.rs"]
mod supervise_login;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_login::run(data));
