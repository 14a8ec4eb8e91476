#![no_main]

#[path = "../bodies/board_files.rs"]
mod board_files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| board_files::run(data));
