#![no_main]

#[path = "../bodies/listen_fds.rs"]
mod listen_fds;

libfuzzer_sys::fuzz_target!(|data: &[u8]| listen_fds::run(data));
