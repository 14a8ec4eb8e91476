#![no_main]

#[path = "../bodies/supervise_config.rs"]
mod supervise_config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_config::run(data));
