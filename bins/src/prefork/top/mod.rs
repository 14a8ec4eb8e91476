//! `prefork-run top`: the state of a pool again and again.

mod frame;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;
use sigpolicy::Signal;

use super::client::{self, Where};
use super::status::Status;
use crate::birth::catch_signals;
use crate::files::Failed;
use crate::report::print;
use terminal::{Keys, Next, window};

pub use frame::{Window, frame};

const CAUGHT: [Signal; 5] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::WINCH];
/// Nobody reads faster.
const SHORTEST: Duration = Duration::from_millis(50);
/// Home; what is below the frame goes after it.
const HOME: &str = "\x1b[H";
const CLEAR: &str = "\x1b[2J";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Shows a frame every `interval` until somebody presses `q`, sends INT, or closes the terminal or
/// the pipe that it writes to; the exit code. A terminal shows each frame in the place of the one before,
/// anything else gets them with a blank line between.
///
/// # Errors
/// When there is no pool at the start; when it goes later, that is shown, and the next one awaited.
pub fn run(place: &Where, interval: Duration) -> Result<u8, Failed> {
    let mut status = Ok(client::status(place)?);
    let mut before: Option<Status> = None;
    let mut signals = catch_signals(&CAUGHT)?;
    let drawing = isatty(stdout());
    // Restores the terminal when it is dropped.
    let keys = Keys::take(stdin());
    let mut first = true;
    loop {
        let due = Instant::now().checked_add(interval.max(SHORTEST));
        loop {
            let window = if drawing { window() } else { Window::ENDLESS };
            let text = match &status {
                Ok(status) => frame(status, before.as_ref(), window),
                Err(failed) => format!("{failed}\n"),
            };
            let shown = if drawing { drawn(&text, first) } else { listed(&text, first) };
            first = false;
            // Whoever listened has enough.
            if print(&shown).is_err() {
                return Ok(0);
            }
            match terminal::wait(&mut signals, keys.as_ref().map(AsFd::as_fd), due) {
                Next::Quit => return Ok(0),
                Next::Frame => break,
                Next::Resized => {}
            }
        }
        let next = client::status(place);
        let former = std::mem::replace(&mut status, next);
        before = former.ok();
    }
}

fn drawn(text: &str, first: bool) -> String {
    let start = if first { CLEAR } else { "" };
    format!("{start}{HOME}{}{CLEAR_BELOW}", text.replace('\n', &format!("{CLEAR_LINE}\n")))
}

fn listed(text: &str, first: bool) -> String {
    format!("{}{text}", if first { "" } else { "\n" })
}
