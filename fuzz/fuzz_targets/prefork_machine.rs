#![no_main]

#[path = "../bodies/prefork_machine.rs"]
mod prefork_machine;

libfuzzer_sys::fuzz_target!(|data: &[u8]| prefork_machine::run(data));
