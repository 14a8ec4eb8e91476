#![no_main]

#[path = "../bodies/prefork_words.rs"]
mod prefork_words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| prefork_words::run(data));
