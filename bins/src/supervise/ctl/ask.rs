//! Questions to whoever sits at the terminal.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

use super::interrupt::{Interrupts, Woken};

/// No answer is longer.
const LONGEST: usize = 4096;

/// Asks on the terminal for a line; `None` where there is no terminal, or no answer. What is typed
/// is not shown with `secret`.
#[must_use]
pub fn ask(question: &str, secret: bool) -> Option<String> {
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    answer(terminal.as_fd(), question, secret)
}

/// Whether somebody sits there who could answer.
#[must_use]
pub fn at_terminal() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stderr())
}

fn answer(terminal: BorrowedFd<'_>, question: &str, secret: bool) -> Option<String> {
    // With Ctrl-C the terminal must not be left silent.
    let mut interrupts = Interrupts::catch();
    let silenced = if secret { Some(Silenced::new(terminal)?) } else { None };
    let written = rustix::io::write(terminal, question.as_bytes());
    let line = written.ok().and_then(|_| line(terminal, &mut interrupts));
    if silenced.is_some() {
        let _ = rustix::io::write(terminal, b"\n");
    }
    line
}

fn line(terminal: BorrowedFd<'_>, interrupts: &mut Interrupts) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        if interrupts.wait(&[terminal], None).ok()? == Woken::Interrupted || line.len() >= LONGEST {
            return None;
        }
        match (rustix::io::read(terminal, &mut byte), byte) {
            (Ok(0), _) if line.is_empty() => return None,
            (Ok(0), _) | (Ok(_), [b'\n']) => return String::from_utf8(line).ok(),
            (Ok(_), [byte]) => line.push(byte),
            (Err(Errno::INTR), _) => {}
            (Err(_), _) => return None,
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silenced<'t> {
    terminal: BorrowedFd<'t>,
    before: Termios,
}

impl<'t> Silenced<'t> {
    fn new(terminal: BorrowedFd<'t>) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Silenced<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
