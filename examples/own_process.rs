//! A program that owns another: words on standard input start and stop it, and tell how it is.
//!
//! `own_process PROGRAM [ARGUMENT ...]`, then lines of `start`, `stop`, `stat`, `reload` and `killme`.
//! Each is answered with a line. At the end of the input the program is stopped.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use superdaemon::supervise::Process;
use superdaemon::supervise::process::{Ended, Signal, Stat};

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "own_process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<std::ffi::OsString>) -> Result<(), Box<dyn Error>> {
    let (program, args) = words.split_first().ok_or("own_process PROGRAM [ARGUMENT ...]")?;
    let mut process = Process::new(program)
        .args(args)
        .stop_signal(Signal::TERM, Duration::from_secs(5))
        // Should this program be killed, which runs no destructor.
        .death_signal(Signal::KILL);
    for line in io::stdin().lock().lines() {
        // What cannot be done now may be possible with the next line.
        let answer = act(&mut process, line?.trim()).unwrap_or_else(|error| error.to_string());
        writeln!(io::stdout(), "{answer}")?;
    }
    process.stop()?;
    Ok(())
}

fn act(process: &mut Process, word: &str) -> Result<String, Box<dyn Error>> {
    Ok(match word {
        "start" => format!("started with pid {}", process.start()?),
        "stop" => match process.stop()? {
            Ended { exit: Some(exit), .. } => format!("stopped: {exit}"),
            Ended { exit: None, .. } => "stopped".to_owned(),
        },
        "stat" => match process.stat() {
            Stat::Alive(_) => "alive".to_owned(),
            Stat::Dead(_) => "dead".to_owned(),
        },
        "reload" => {
            process.reload()?;
            "reloaded".to_owned()
        }
        "killme" => {
            process.killme()?;
            process.wait().map_or_else(|| "gone".to_owned(), |exit| exit.to_string())
        }
        _ => format!("start, stop, stat, reload or killme, not {word:?}"),
    })
}
