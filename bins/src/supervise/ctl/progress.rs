//! What a command waits for and how long, for whoever watches.

use std::time::{Duration, Instant};

use rustix::fd::AsFd;

use crate::report::{Outlet, Stream, complain};

/// Who is told that something takes longer than a second.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// Somebody at a terminal: one line that is kept up to date, and erased at the end.
    Terminal {
        /// Columns.
        width: usize,
    },
    /// Whoever reads lines: one every ten seconds.
    Lines,
    /// Nobody.
    Nobody,
}

/// The time between two lines.
const LINES: Duration = Duration::from_secs(10);

/// One wait after the other.
pub(crate) struct Progress {
    watcher: Watcher,
    write: Box<dyn FnMut(&str)>,
    what: String,
    begun: Option<Instant>,
    told: Duration,
    shown: bool,
}

impl Watcher {
    /// Who reads standard error.
    pub(crate) fn of_stderr(verbose: bool) -> Self {
        let stderr = rustix::stdio::stderr();
        let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match rustix::termios::tcgetwinsize(stderr.as_fd()) {
            Ok(size) if !dumb() => {
                let width = if size.ws_col == 0 { 80 } else { size.ws_col };
                Watcher::Terminal { width: width.into() }
            }
            _ if verbose => Watcher::Lines,
            _ => Watcher::Nobody,
        }
    }
}

impl Progress {
    /// On standard error.
    pub(crate) fn new(watcher: Watcher) -> Self {
        let mut outlet = Outlet::new(Stream::Err);
        let write = move |text: &str| match text.strip_suffix('\n') {
            Some(line) => complain(&[line.to_owned()]),
            None => outlet.bytes(text.as_bytes().to_vec()),
        };
        Self::to(watcher, Box::new(write))
    }

    fn to(watcher: Watcher, write: Box<dyn FnMut(&str)>) -> Self {
        let what = String::new();
        Self { watcher, write, what, begun: None, told: Duration::ZERO, shown: false }
    }

    /// What the next waits are for; empty: for an answer.
    pub(crate) fn announce(&mut self, what: &str) {
        what.clone_into(&mut self.what);
    }

    /// A wait begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
        self.told = Duration::ZERO;
    }

    /// It goes on; called about once a second.
    pub(crate) fn tick(&mut self, now: Instant) {
        let Some(begun) = self.begun else { return };
        let waited = now.saturating_duration_since(begun);
        let what = if self.what.is_empty() { "an answer" } else { &self.what };
        let text = format!("waiting for {what}, {} s", waited.as_secs());
        match self.watcher {
            Watcher::Terminal { width } if waited >= Duration::from_secs(1) => {
                // A line that wraps could not be erased.
                let fits: String = text.chars().take(width.saturating_sub(1)).collect();
                (self.write)(&format!("\r{fits}\x1b[K"));
                self.shown = true;
            }
            Watcher::Lines if waited.saturating_sub(self.told) >= LINES => {
                (self.write)(&format!("{text}\n"));
                self.told = waited;
            }
            _ => {}
        }
    }

    /// It is over.
    pub(crate) fn end(&mut self) {
        self.begun = None;
        if self.shown {
            (self.write)("\r\x1b[K");
            self.shown = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// What is written when a wait is looked at after so many tenths of a second.
    fn written(watcher: Watcher, what: &str, tenths: &[u64]) -> Vec<String> {
        let texts = Rc::new(RefCell::new(Vec::new()));
        let copy = Rc::clone(&texts);
        let write = move |text: &str| copy.borrow_mut().push(text.to_owned());
        let mut progress = Progress::to(watcher, Box::new(write));
        let begun = Instant::now();
        progress.tick(begun);
        progress.announce(what);
        progress.begin(begun);
        for tenths in tenths {
            progress.tick(begun + Duration::from_millis(tenths * 100));
        }
        progress.end();
        progress.end();
        texts.take()
    }

    #[test]
    fn a_terminal_has_one_line_that_goes_away() {
        let terminal = Watcher::Terminal { width: 80 };
        assert!(written(terminal, "w to start", &[3, 9]).is_empty());
        assert_eq!(
            written(terminal, "web:w1 to start", &[10, 31]),
            [
                "\rwaiting for web:w1 to start, 1 s\x1b[K",
                "\rwaiting for web:w1 to start, 3 s\x1b[K",
                "\r\x1b[K"
            ]
        );
        let narrow = Watcher::Terminal { width: 12 };
        assert_eq!(written(narrow, "w", &[10]), ["\rwaiting for\x1b[K", "\r\x1b[K"]);
    }

    #[test]
    fn readers_of_lines_have_one_every_ten_seconds() {
        assert_eq!(
            written(Watcher::Lines, "", &[10, 99, 101, 150, 210]),
            ["waiting for an answer, 10 s\n", "waiting for an answer, 21 s\n"]
        );
        assert!(written(Watcher::Nobody, "", &[10, 1000]).is_empty());
    }
}
