#![no_main]

#[path = "../bodies/supervise_ansi.rs"]
mod supervise_ansi;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_ansi::run(data));
