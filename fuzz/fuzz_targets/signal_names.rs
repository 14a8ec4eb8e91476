#![no_main]

#[path = "../bodies/signal_names.rs"]
mod signal_names;

libfuzzer_sys::fuzz_target!(|data: &[u8]| signal_names::run(data));
