//! The terminal: keys one by one, its size, and what there is to wait for.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use sigpolicy::{Signal, Signals};

use super::Window;

/// A terminal whose keys are read one by one and not shown; as it was when this is dropped.
pub(crate) struct Keys<'t> {
    terminal: BorrowedFd<'t>,
    former: Termios,
}

/// What is next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The time has come.
    Frame,
    /// The window has another size.
    Resized,
    /// Enough.
    Quit,
}

impl<'t> Keys<'t> {
    /// `None` when it is no terminal, or does not let itself be changed.
    pub(crate) fn take(terminal: BorrowedFd<'t>) -> Option<Self> {
        let former = tcgetattr(terminal).ok()?;
        let mut modes = former.clone();
        // Signals by key stay, and with them job control.
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &modes).ok()?;
        Some(Self { terminal, former })
    }
}

impl AsFd for Keys<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal
    }
}

impl Drop for Keys<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.former);
    }
}

/// The size of the window on standard output; that of a VT100 where nobody knows.
pub(crate) fn window() -> Window {
    let size = tcgetwinsize(stdout()).ok();
    let side = |side: Option<u16>, usual| match side {
        Some(side) if side > 0 => usize::from(side),
        _ => usual,
    };
    Window {
        columns: side(size.map(|size| size.ws_col), 80),
        rows: side(size.map(|size| size.ws_row), 24),
    }
}

/// Waits for a key, a signal, or the time.
pub(crate) fn wait(
    signals: &mut Signals,
    keys: Option<BorrowedFd<'_>>,
    due: Option<Instant>,
) -> Next {
    loop {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.unwrap_or(Duration::from_secs(1));
        let pressed = {
            let mut waiting = vec![PollFd::new(signals, PollFlags::IN)];
            waiting.extend(keys.map(|keys| PollFd::from_borrowed_fd(keys, PollFlags::IN)));
            match poll(&mut waiting, Timespec::try_from(left).ok().as_ref()) {
                Ok(0) => return Next::Frame,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return Next::Quit,
            }
            waiting.get(1).is_some_and(|input| !input.revents().is_empty())
        };
        let mut caught = Vec::new();
        signals.drain(&mut caught);
        if caught.iter().any(|signal| *signal != Signal::WINCH && *signal != Signal::CHLD) {
            return Next::Quit;
        }
        if pressed && keys.is_some_and(quits) {
            return Next::Quit;
        }
        if caught.contains(&Signal::WINCH) {
            return Next::Resized;
        }
    }
}

/// Whether one of the keys pressed means the end.
fn quits(terminal: BorrowedFd<'_>) -> bool {
    let mut keys = [0; 64];
    match rustix::io::read(terminal, &mut keys) {
        Ok(0) => true,
        Ok(count) => {
            keys.get(..count).unwrap_or_default().iter().any(|key| matches!(key, b'q' | b'Q' | 4))
        }
        Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}
