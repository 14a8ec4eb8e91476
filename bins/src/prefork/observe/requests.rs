//! Listeners one by one, and how to tell one request of a worker from the next.

use reaper::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::AsFd;

use super::{Observer, Serves, connections};
use crate::sockets::Sockets;

impl Observer {
    /// What [`queue`](Observer::queue) adds up: of each listener how many connections wait and how
    /// many may.
    pub fn queues(&mut self, sockets: &Sockets) -> Vec<Option<(u32, u32)>> {
        sockets.listeners().map(|(listener, at)| self.queue_of(listener, at)).collect()
    }

    /// Whether a worker was only seen to wait for many descriptors at once, and never in accept.
    #[must_use]
    pub fn is_event_loop(&self, pid: Pid) -> bool {
        self.known.get(&pid).is_some_and(|known| known.serves == Serves::Polls)
    }

    /// The connection that a worker serves, by its inode number: as long as that is the same, it is
    /// the same request, as far as anybody outside can tell. Costs as much as
    /// [`activity`](Observer::activity) at its most.
    pub fn connection(&mut self, pid: Pid) -> Option<u64> {
        let known = self.known.get(&pid)?;
        let number = rustix::process::Pid::from_raw(pid.as_raw())?;
        let pidfd = pidfd_open(number, PidfdFlags::empty()).ok()?;
        let mut found = None;
        let looked = known.process.sockets(|fd, inode| {
            let other = known.strangers.contains(&inode)
                || self.places.iter().any(|place| place.inode == inode);
            if !other && connections::is_ours(pidfd.as_fd(), fd, &self.places).unwrap_or(false) {
                found = Some(inode);
            }
            found.is_none()
        });
        looked.ok()?;
        found
    }
}
