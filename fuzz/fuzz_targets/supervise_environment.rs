#![no_main]

#[path = "../bodies/supervise_environment.rs"]
mod supervise_environment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_environment::run(data));
