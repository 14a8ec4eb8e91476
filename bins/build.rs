//! Links the unwinder of libgcc into the programs instead of loading libgcc_s.so.
//!
//! The standard library asks for libgcc_s.so, of which a program that aborts on
//! panic uses next to nothing: at every start it costs a library to map and to
//! relocate, and memory that nothing else on a small machine shares. Where the
//! static form is not found the programs are linked as usual.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    let native = env::var("TARGET").ok() == env::var("HOST").ok();
    let dynamic =
        !env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|list| list.contains("crt-static"));
    if !(gnu && native && dynamic && has_static_unwinder()) {
        return;
    }
    // `-lgcc_s` finds this linker script before the library.
    let Some(dir) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    if fs::write(dir.join("libgcc_s.so"), "INPUT ( -lgcc_eh )\n").is_ok() {
        println!("cargo:rustc-link-arg-bins=-L{}", dir.display());
    }
}

fn has_static_unwinder() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    asked.is_ok_and(|answer| {
        let path = String::from_utf8_lossy(&answer.stdout);
        // cc echoes a name that it does not know.
        path.contains('/') && PathBuf::from(path.trim()).is_file()
    })
}
