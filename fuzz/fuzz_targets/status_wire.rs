#![no_main]

#[path = "../bodies/status_wire.rs"]
mod status_wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| status_wire::run(data));
