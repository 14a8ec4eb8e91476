//! Events and those who listen to them: supervisord's event listener protocol. Pure.
//!
//! [`Events`] is what a host needs: it is told what happened and what the listeners say, and answers
//! with bytes to send and lines to log. A process becomes a listener with
//! [`Events::set_pool`]; its state changes and its output then go to [`Events::listener`].
//!
//! What nobody subscribed to costs a test of one bit: a payload is made only for somebody.

mod kind;
mod lines;
pub mod payload;
mod pool;
mod protocol;
mod ticks;

use std::sync::Arc;

use reaper::Moment;

use crate::supervise::config::model::Subscription;
use crate::supervise::machine::types::ProcId;

pub use kind::{Kind, Kinds, Stream};
pub use lines::EventLine;
pub use pool::{Event, Pool, PoolAction, Said};
pub use protocol::{Dialogue, Heard, Listening};
pub use ticks::Ticks;

/// All pools, and the serial number that events have in common.
///
/// ```
/// use superdaemon::supervise::config::model::Subscription;
/// use superdaemon::supervise::events::{Events, Kind, PoolAction, Said, payload};
/// use superdaemon::supervise::machine::types::{ProcId, State};
/// use reaper::Moment;
///
/// let (mut events, now, mut out) = (Events::new("supervisor"), Moment::ZERO, Vec::new());
/// let wish = Subscription {
///     events: vec!["PROCESS_GROUP".to_owned()],
///     buffer_size: 10,
///     result_handler: "supervisor.dispatchers:default_handler".to_owned(),
/// };
/// events.set_pool(now, "mail", &wish, &[(ProcId(1), "mail")], &mut out);
/// events.listener(now, ProcId(1), Said::State(State::Running), &mut out);
/// events.listener(now, ProcId(1), Said::Output(b"READY\n"), &mut out);
/// out.clear();
/// events.notify(now, Kind::ProcessGroupAdded, || payload::group("web"), &mut out);
/// let Some(PoolAction::Send(ProcId(1), bytes)) = out.first() else { panic!("{out:?}") };
/// assert!(bytes.ends_with(b" eventname:PROCESS_GROUP_ADDED len:14\ngroupname:web\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Events {
    identifier: Arc<str>,
    wanted: Kinds,
    serial: Serial,
    pools: Vec<Pool>,
}

impl Events {
    /// No pools yet. Listeners are told the identifier in every header.
    #[must_use]
    pub fn new(identifier: &str) -> Self {
        Self {
            identifier: identifier.into(),
            wanted: Kinds::NONE,
            serial: Serial::default(),
            pools: Vec::new(),
        }
    }

    /// Somebody subscribed to this.
    #[must_use]
    pub fn wanted(&self, kind: Kind) -> bool {
        self.wanted.contains(kind)
    }

    /// Everything that somebody subscribed to.
    #[must_use]
    pub fn all_wanted(&self) -> Kinds {
        self.wanted
    }

    /// A pool with its processes, in the order in which they are offered events; or a new wish
    /// and other processes for the pool of that name, which keeps its events and its numbers.
    ///
    /// Names of events that nobody knows are an error in a configuration and are passed over here.
    pub fn set_pool(
        &mut self,
        now: Moment,
        name: &str,
        wish: &Subscription,
        listeners: &[(ProcId, &str)],
        out: &mut Vec<PoolAction>,
    ) {
        let pool = match self.pools.iter().position(|pool| pool.name() == name) {
            Some(at) => self.pools.get_mut(at),
            None => {
                self.pools.push(Pool::new(name, Arc::clone(&self.identifier)));
                self.pools.last_mut()
            }
        };
        if let Some(pool) = pool {
            pool.set(now, wish, listeners, out);
        }
        self.count();
    }

    /// The pool is no longer there, nor are its events.
    pub fn remove_pool(&mut self, name: &str) {
        self.pools.retain(|pool| pool.name() != name);
        self.count();
    }

    /// No pool is there any more; the numbers of events go on, as they do in supervisord when it
    /// reads its configuration again.
    pub fn clear(&mut self) {
        self.pools.clear();
        self.count();
    }

    /// The processes that listen.
    pub fn listeners(&self) -> impl Iterator<Item = ProcId> {
        self.pools.iter().flat_map(Pool::listeners)
    }

    /// The process is one that listens.
    #[must_use]
    pub fn is_listener(&self, id: ProcId) -> bool {
        self.pools.iter().any(|pool| pool.has(id))
    }

    /// A listener has nothing left to be told, or does not listen.
    #[must_use]
    pub fn is_quiet(&self, id: ProcId) -> bool {
        self.pools.iter().all(|pool| pool.is_quiet(id))
    }

    /// Something happened. The payload is made if somebody wants to know.
    pub fn notify(
        &mut self,
        now: Moment,
        kind: Kind,
        payload: impl FnOnce() -> String,
        out: &mut Vec<PoolAction>,
    ) {
        if !self.wanted(kind) {
            return;
        }
        let event = Arc::new(Event::new(kind, self.serial.next(), payload()));
        for pool in self.pools.iter_mut().filter(|pool| pool.wants(kind)) {
            pool.notify(now, &event, out);
        }
    }

    /// A listener said or did something. Of a process that is none, nothing is noted.
    pub fn listener(&mut self, now: Moment, id: ProcId, said: Said<'_>, out: &mut Vec<PoolAction>) {
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.has(id)) {
            pool.listener(now, id, said, out);
        }
    }

    /// When [`due`](Self::due) wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.pools.iter().filter_map(Pool::deadline).min()
    }

    /// The deadline has come.
    pub fn due(&mut self, now: Moment, out: &mut Vec<PoolAction>) {
        for pool in &mut self.pools {
            pool.due(now, out);
        }
    }

    fn count(&mut self) {
        self.wanted = self.pools.iter().fold(Kinds::NONE, |all, pool| all | pool.kinds());
    }
}

/// Numbers from 0; after the largest that Python calls `sys.maxsize` they begin again.
#[derive(Copy, Clone, Debug, Default)]
struct Serial(u64);

impl Serial {
    fn next(&mut self) -> u64 {
        let number = self.0;
        self.0 = if number >= i64::MAX.unsigned_abs() { 0 } else { number.saturating_add(1) };
        number
    }
}

#[cfg(test)]
mod tests;
