//! What failed for want of something, and is tried again a second later.

use std::os::fd::OwnedFd;
use std::time::Duration;

use reaper::Moment;

use super::Host;

const PAUSE: Duration = Duration::from_secs(1);

/// What is to be tried again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// When.
    at: Option<Moment>,
    /// Control sockets while no descriptor is left for a client.
    pub(super) parked: Vec<OwnedFd>,
    /// Connections are to be noticed.
    pub(super) listen: bool,
    /// The service manager's queue was full.
    pub(super) notice: Option<String>,
}

impl Host {
    pub(super) fn again_at(&self) -> Option<Moment> {
        self.state.again.at
    }

    pub(super) fn try_again_later(&mut self) {
        let now = self.events.now();
        self.state.again.at.get_or_insert(now.saturating_add(PAUSE));
    }

    pub(super) fn try_again(&mut self, now: Moment) {
        if self.state.again.at.is_none_or(|at| at > now) {
            return;
        }
        self.state.again.at = None;
        self.unpark();
        if std::mem::take(&mut self.state.again.listen) {
            self.listen();
        }
        if let Some(text) = self.state.again.notice.take() {
            self.tell_service_manager(text);
        }
    }

    /// Once a descriptor may be free again.
    pub(super) fn unpark(&mut self) {
        for control in std::mem::take(&mut self.state.again.parked) {
            self.watch_control(control);
        }
    }
}
