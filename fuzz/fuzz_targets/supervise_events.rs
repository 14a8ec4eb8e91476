#![no_main]

#[path = "../bodies/supervise_events.rs"]
mod supervise_events;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_events::run(data));
