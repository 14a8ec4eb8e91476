#![no_main]

#[path = "../bodies/supervise_rpc.rs"]
mod supervise_rpc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| supervise_rpc::run(data));
