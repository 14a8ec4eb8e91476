//! Looking at the pool: scoreboard, kernel, listeners.

use std::collections::HashMap;
use std::time::Duration;

use reaper::{Interest, Moment};
use scoreboard::State as Letter;

use super::{Host, Source};
use crate::prefork::machine::Input;
use crate::prefork::observe::Arrivals;
use crate::prefork::view::{Activity, Id, Seen, Source as Means, View};

/// What a slot says, if its worker keeps it.
struct Said {
    activity: Activity,
    requests: u64,
    in_request: Option<Duration>,
}

impl Host {
    pub(super) fn look(&mut self, memory: bool) {
        let view = self.see(memory);
        self.state.view = view.clone();
        self.state.inputs.push_back(Input::Looked(view));
    }

    pub(super) fn see(&mut self, memory: bool) -> View {
        let now = self.events.now();
        let said = self.said();
        let ids: Vec<Id> = self.state.workers.keys().copied().collect();
        let mut workers: Vec<Seen> =
            ids.into_iter().filter_map(|id| self.see_worker(id, now, &said, memory)).collect();
        workers.sort_unstable_by_key(|seen| seen.id);
        let queue = self.observer.queue(&self.sockets);
        View {
            queue: queue.map(|(waiting, _)| waiting),
            queue_limit: queue.map(|(_, limit)| limit),
            pressure: self.observer.pressure(),
            workers,
        }
    }

    /// By slot, what workers say that keep their slots. One that has never said anything still
    /// has the letter that it was started with.
    fn said(&self) -> HashMap<u32, Said> {
        let mut said = HashMap::new();
        let Some((_, reader)) = &self.board else { return said };
        reader.each_state(&mut |slot| {
            let activity = match slot.said_state() {
                None | Some(Letter::STARTING | Letter::FREE | Letter::UNKNOWN) => return,
                Some(state) if state.is_idle() => Activity::Idle,
                Some(_) => Activity::Busy,
            };
            let (requests, in_request) = (slot.requests(), slot.in_request());
            said.insert(slot.number(), Said { activity, requests, in_request });
        });
        said
    }

    fn see_worker(
        &mut self,
        id: Id,
        now: Moment,
        said: &HashMap<u32, Said>,
        memory: bool,
    ) -> Option<Seen> {
        let timed =
            self.config.limits.request_timeout.is_some() || self.config.limits.slow_after.is_some();
        let process = self.state.workers.get_mut(&id)?;
        let measured = if memory { self.observer.memory(process.pid) } else { None };
        if let Some(said) = said.get(&process.slot) {
            return Some(Seen {
                id,
                activity: said.activity,
                source: Means::Scoreboard,
                requests: Some(said.requests),
                in_request: said.in_request,
                memory: measured,
            });
        }
        let (activity, source) = self.observer.activity(process.pid);
        let mut in_request = None;
        // An event loop may hold a connection for long without having anything to do for it.
        if timed && activity == Activity::Busy && !self.observer.is_event_loop(process.pid) {
            // The same connection as before is the same request, as far as anybody can tell.
            let connection = self.observer.connection(process.pid);
            process.serving = match (process.serving, connection) {
                (Some((former, since)), Some(inode)) if former == inode => Some((inode, since)),
                (_, Some(inode)) => Some((inode, now)),
                (_, None) => None,
            };
            in_request = process.serving.map(|(_, since)| now.saturating_since(since));
        } else {
            process.serving = None;
        }
        Some(Seen { id, activity, source, requests: None, in_request, memory: measured })
    }

    /// Reports the next connection, once.
    pub(super) fn listen(&mut self) {
        if let Err(error) = self.try_to_listen() {
            self.tell_once(format!("connections are not noticed: {error}"));
            self.state.again.listen = true;
            self.try_again_later();
        }
    }

    fn try_to_listen(&mut self) -> std::io::Result<()> {
        if self.state.arrivals.is_none() {
            let arrivals = Arrivals::new(&self.sockets)?;
            let fd = std::os::fd::AsFd::as_fd(&arrivals).try_clone_to_owned()?;
            let key = self.events.watch(fd, Interest::Read)?;
            self.state.sources.insert(key, Source::Arrivals);
            self.state.arrivals = Some(arrivals);
        }
        self.state.arrivals.as_mut().map_or(Ok(()), Arrivals::arm)
    }

    pub(super) fn somebody_arrived(&mut self) {
        if let Some(arrivals) = &mut self.state.arrivals {
            let _ = arrivals.clear();
        }
        self.feed(Input::Arrived);
    }
}
