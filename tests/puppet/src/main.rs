//! Scripted worker.
fn main() {}
