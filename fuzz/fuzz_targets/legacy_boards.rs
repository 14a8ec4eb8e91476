#![no_main]

#[path = "../bodies/legacy_boards.rs"]
mod legacy_boards;

libfuzzer_sys::fuzz_target!(|data: &[u8]| legacy_boards::run(data));
