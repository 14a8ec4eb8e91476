#![no_main]

#[path = "../bodies/server_starter_port.rs"]
mod server_starter_port;

libfuzzer_sys::fuzz_target!(|data: &[u8]| server_starter_port::run(data));
