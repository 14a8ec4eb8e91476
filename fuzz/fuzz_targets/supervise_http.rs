#![no_main]

#[path = "../bodies/supervise_http.rs"]
mod supervise_http;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_http::run(data));
