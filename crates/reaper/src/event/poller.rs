//! The one place that touches `polling`: level-triggered sources behind safe calls.
#![allow(unsafe_code)]

use super::Interest;
use crate::Pid;
use polling::{Event, Events, PollMode};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What the loop waits on.
pub(super) struct Poller {
    inner: ManuallyDrop<polling::Poller>,
    events: Events,
    /// The process that made it.
    owner: Pid,
}

/// A source that is ready.
pub(super) struct Ready {
    pub(super) token: u64,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        let inner = ManuallyDrop::new(polling::Poller::new()?);
        Ok(Poller { inner, events: Events::new(), owner: Pid::own() })
    }

    /// Starts to watch a descriptor, which must be taken out by [`remove`](Self::remove) before it
    /// is closed: the kernel goes on reporting it if somebody else holds a duplicate.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let event = event(token, interest)?;
        // SAFETY: the descriptor is open now. On Linux, `polling` does not refer to it again, so
        // that one closed without `remove` could cause wrong events, but no unsoundness.
        unsafe { self.inner.add_with_mode(fd.as_raw_fd(), event, PollMode::Level) }
    }

    pub(super) fn change(
        &self,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        self.inner.modify_with_mode(fd, event(token, interest)?, PollMode::Level)
    }

    /// Stops watching a descriptor. It fails only for one that is not watched.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        self.inner.delete(fd).ok();
    }

    /// Waits until a source is ready or the time is over. It may come back early with nothing.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        self.events.clear();
        self.inner.wait(&mut self.events, timeout)?;
        let ready = self.events.iter().map(|event| Ready {
            // usize is 64 bits at most everywhere.
            token: event.key as u64,
            readable: event.readable,
            writable: event.writable,
        });
        Ok(ready.collect())
    }
}

fn event(token: u64, interest: Interest) -> io::Result<Event> {
    // Only where usize has 32 bits can this fail, after four billion keys; and usize::MAX is
    // refused by `polling`.
    let key = usize::try_from(token).map_err(|_| io::Error::other("the event keys are used up"))?;
    Ok(Event::new(key, interest.reads(), interest.writes()))
}

impl Drop for Poller {
    fn drop(&mut self) {
        // A forked child shares the kernel's object with its parent, and `polling` takes its own
        // sources out of it in its destructor: the parent would no longer notice its deadlines.
        if Pid::own() == self.owner {
            // SAFETY: it is not used again, since `self` is being dropped.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn dropping_it_in_a_forked_child_does_not_disturb_the_parent() {
        let mut poller = Poller::new().unwrap();
        poller.wait(Some(Duration::ZERO)).unwrap();
        // SAFETY: the child frees memory, for which the C library makes the allocator ready in a
        // forked child, closes descriptors and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(poller);
            // SAFETY: it ends the child and runs nothing else.
            unsafe { libc::_exit(7) };
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for an int.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 7 << 8);
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            send.send(poller.wait(Some(Duration::from_millis(1))).map(|ready| ready.len()))
        });
        let waited = receive.recv_timeout(Duration::from_secs(20));
        assert_eq!(waited.expect("the timeout never came").unwrap(), 0);
    }
}
