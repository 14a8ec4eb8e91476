//! Prints the signals that arrive, in order, until TERM or INT does.
//!
//! cargo run --example watch_signals, then in another terminal: kill -HUP, -USR1, -TERM its pid.

use rustix::event::{PollFd, PollFlags, poll};
use sigpolicy::{Policy, Signal};
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let mut signals = Policy::new()
        .catch(&[Signal::HUP, Signal::USR1, Signal::INT, Signal::TERM])
        .ignore(&[Signal::PIPE])
        .interrupt_syscalls(true)
        .install()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "pid {}: waiting for {:?}", std::process::id(), signals.caught())?;
    let mut arrived = Vec::new();
    loop {
        match poll(&mut [PollFd::new(&signals, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        signals.drain(&mut arrived);
        for signal in arrived.drain(..) {
            writeln!(stdout, "{signal} (number {})", signal.as_raw())?;
            if signal == Signal::TERM || signal == Signal::INT {
                return Ok(());
            }
        }
    }
}
