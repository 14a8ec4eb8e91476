//! A tiny socket activation: binds an address and starts a program that finds
//! the socket at descriptor 3, announced as `sd_listen_fds(3)` expects.
//!
//! ```text
//! cargo run --example activate -- 127.0.0.1:8080 my-server --its-option
//! ```

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::ExitCode;

use fdpass::FdPlan;
use reaper::{Image, Setup, spawn};

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "activate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8, Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(address), Some(program)) = (args.next(), args.next()) else {
        return Err("usage: activate ADDRESS:PORT PROGRAM [ARGUMENT ...]".into());
    };
    let address = address.into_string().map_err(|_| "the address is not UTF-8")?;
    let listener = TcpListener::bind(&address)?;
    let mut plan = FdPlan::new();
    plan.pass(listener.as_fd(), 3)?;

    let listen_fds = (OsString::from("LISTEN_FDS"), OsString::from("1"));
    let env = std::env::vars_os().chain([listen_fds]);
    let image = Image::new(&program, args, env)?.env_own_pid("LISTEN_PID");
    let mut child = spawn(&image, &Setup::new().fds(plan))?;

    let mut out = io::stdout();
    writeln!(out, "process {} serves {}", child.pid(), listener.local_addr()?)?;
    let exit = child.wait()?;
    writeln!(out, "process {}: {exit}", child.pid())?;
    Ok(exit.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
