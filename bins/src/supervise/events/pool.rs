//! Listeners that share a subscription: each event of the pool goes to one of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reaper::Moment;

use crate::supervise::config::model::Subscription;
use crate::supervise::machine::types::{ProcId, State};

use super::Serial;
use super::kind::{Kind, Kinds};
use super::lines::EventLine;
use super::protocol::{Dialogue, Heard, Listening};

/// Something that happened, as every pool is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    kind: Kind,
    serial: u64,
    payload: String,
    /// `len:` in the header. supervisord counts the characters of a Python string, and listeners
    /// written in Python read as many characters; so this is no number of bytes unless all is
    /// ASCII. A payload is always valid UTF-8, where both agree on what a character is.
    length: usize,
}

impl Event {
    /// An event with its number.
    #[must_use]
    pub fn new(kind: Kind, serial: u64, payload: String) -> Self {
        let length = payload.chars().count();
        Self { kind, serial, payload, length }
    }
}

/// A deed for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolAction {
    /// Write this to the standard input of the process, after what it was sent before. If it has
    /// closed that: [`Said::Deaf`].
    Send(ProcId, Vec<u8>),
    /// Write a line to the main log.
    Log(EventLine),
}

/// What the host noticed of a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// It is now in this state. Before its end is told, all of its output should be.
    State(State),
    /// It wrote this to its standard output.
    Output(&'a [u8]),
    /// Nothing more can be written to its standard input.
    Deaf,
}

/// An event that waits, or is being looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Queued {
    event: Arc<Event>,
    serial: u64,
    rejections: u32,
}

#[derive(Clone, Debug)]
struct Listener {
    id: ProcId,
    name: Arc<str>,
    dialogue: Dialogue,
    /// RUNNING: one that is just starting is sent nothing, however ready it says it is.
    running: bool,
    deaf: bool,
    busy_with: Option<Queued>,
}

impl Listener {
    fn new(id: ProcId, name: &str) -> Self {
        let dialogue = Dialogue::new();
        Self { id, name: name.into(), dialogue, running: false, deaf: false, busy_with: None }
    }

    fn listens(&self) -> bool {
        self.running && !self.deaf && self.dialogue.state() == Listening::Ready
    }
}

/// An event that is rejected so often is not offered again at once. supervisord has no such limit:
/// a listener that never accepts one keeps both of them busy.
const REJECTED_OFTEN: u32 = 3;
/// But after this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The listeners of one `[eventlistener:x]`, and the events that wait for them.
#[derive(Clone, Debug)]
pub struct Pool {
    name: Arc<str>,
    identifier: Arc<str>,
    kinds: Kinds,
    max: usize,
    serial: Serial,
    waiting: VecDeque<Queued>,
    listeners: Vec<Listener>,
    /// Nothing is sent before.
    paused_until: Option<Moment>,
}

impl Pool {
    /// Without subscriptions, and with nobody to listen.
    #[must_use]
    pub fn new(name: &str, identifier: Arc<str>) -> Self {
        Self {
            name: name.into(),
            identifier,
            kinds: Kinds::NONE,
            max: 1,
            serial: Serial::default(),
            waiting: VecDeque::new(),
            listeners: Vec::new(),
            paused_until: None,
        }
    }

    /// Takes over a subscription, and the processes of the pool in their order. Who was there
    /// before is in the state it was in; the event of one who is no longer there is offered to
    /// the others.
    pub fn set(
        &mut self,
        now: Moment,
        wish: &Subscription,
        listeners: &[(ProcId, &str)],
        out: &mut Vec<PoolAction>,
    ) {
        let kinds = wish.events.iter().filter_map(|name| Kinds::named(name));
        self.kinds = kinds.fold(Kinds::NONE, |all, kinds| all | kinds);
        self.max = usize::try_from(wish.buffer_size).unwrap_or(1).max(1);
        let mut before = std::mem::take(&mut self.listeners);
        for (id, name) in listeners {
            let same = before.iter().position(|listener| listener.id == *id);
            let listener = same.map(|at| before.swap_remove(at));
            self.listeners.push(listener.unwrap_or_else(|| Listener::new(*id, name)));
        }
        while self.waiting.len() > self.max {
            self.discard(out);
        }
        for gone in before {
            self.requeue(gone.busy_with, out);
        }
        self.dispatch(now, out);
    }

    /// The name of its group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it subscribed to.
    #[must_use]
    pub const fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// It subscribed to this. One that named a type twice over, say by EVENT and TICK, gets each
    /// event once; from supervisord it gets it as often as it is named.
    #[must_use]
    pub const fn wants(&self, kind: Kind) -> bool {
        self.kinds.contains(kind)
    }

    /// Its processes, in the order in which they are offered events.
    pub fn listeners(&self) -> impl Iterator<Item = ProcId> {
        self.listeners.iter().map(|listener| listener.id)
    }

    /// The process is one of its listeners.
    #[must_use]
    pub fn has(&self, id: ProcId) -> bool {
        self.listeners.iter().any(|listener| listener.id == id)
    }

    /// Something happened that it wants to know.
    pub fn notify(&mut self, now: Moment, event: &Arc<Event>, out: &mut Vec<PoolAction>) {
        let serial = self.serial.next();
        self.make_room(out);
        self.waiting.push_back(Queued { event: Arc::clone(event), serial, rejections: 0 });
        self.dispatch(now, out);
    }

    /// One of its listeners said or did something.
    pub fn listener(&mut self, now: Moment, id: ProcId, said: Said<'_>, out: &mut Vec<PoolAction>) {
        let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id) else {
            return;
        };
        match said {
            Said::Output(bytes) => {
                let heard = listener.dialogue.feed(bytes);
                self.heard(now, id, heard, out);
            }
            Said::State(State::Running) => listener.running = true,
            // It still answers, perhaps; and may stay for ever where it cannot be signalled.
            Said::State(State::Stopping | State::Unknown) => listener.running = false,
            // A new process, or none: it knows nothing of what the one before was sent.
            Said::State(_) => {
                let lost = listener.busy_with.take();
                (listener.running, listener.deaf) = (false, false);
                listener.dialogue = Dialogue::new();
                self.requeue(lost, out);
            }
            Said::Deaf => {
                listener.deaf = true;
                listener.dialogue.not_sent();
                if let Some(queued) = listener.busy_with.take() {
                    let (serial, listener) = (queued.event.serial, Arc::clone(&listener.name));
                    out.push(PoolAction::Log(EventLine::BrokenPipe { serial, listener }));
                    self.requeue(Some(queued), out);
                }
            }
        }
        self.dispatch(now, out);
    }

    /// Nothing waits for this listener, nor does anything wait for its answer; or it does not listen.
    #[must_use]
    pub fn is_quiet(&self, id: ProcId) -> bool {
        let of = self.listeners.iter().find(|listener| listener.id == id);
        of.is_none_or(|listener| {
            let able = listener.running
                && !listener.deaf
                && listener.dialogue.state() != Listening::Unknown;
            !able || (self.waiting.is_empty() && listener.busy_with.is_none())
        })
    }

    /// When [`due`](Self::due) wants to be called: somebody could listen to an event that waits
    /// out a pause.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let useful = !self.waiting.is_empty() && self.listeners.iter().any(Listener::listens);
        self.paused_until.filter(|_| useful)
    }

    /// The deadline has come.
    pub fn due(&mut self, now: Moment, out: &mut Vec<PoolAction>) {
        self.dispatch(now, out);
    }

    fn heard(&mut self, now: Moment, id: ProcId, heard: Vec<Heard>, out: &mut Vec<PoolAction>) {
        for heard in heard {
            let Some(at) = self.listeners.iter_mut().find(|listener| listener.id == id) else {
                return;
            };
            let listener = Arc::clone(&at.name);
            let mut log = |line| out.push(PoolAction::Log(line));
            let turned = |from, to| {
                let listener = Arc::clone(&listener);
                EventLine::Turned { listener, from, to }
            };
            match heard {
                Heard::Ready => log(turned(Listening::Acknowledged, Listening::Ready)),
                Heard::Accepted => {
                    at.busy_with = None;
                    log(EventLine::Processed { listener: Arc::clone(&listener) });
                    log(turned(Listening::Busy, Listening::Acknowledged));
                }
                Heard::Rejected => {
                    log(EventLine::Rejected { listener: Arc::clone(&listener) });
                    log(turned(Listening::Busy, Listening::Acknowledged));
                    let rejected = at.busy_with.take();
                    self.reject(now, rejected, out);
                }
                Heard::Violation(from, line) => {
                    if let Some(line) = line {
                        let listener = Arc::clone(&listener);
                        log(EventLine::BadResult { listener, line });
                    }
                    log(turned(from, Listening::Unknown));
                    log(EventLine::Unknown { listener: Arc::clone(&listener) });
                    let lost = at.busy_with.take();
                    self.requeue(lost, out);
                }
            }
        }
    }

    fn reject(&mut self, now: Moment, rejected: Option<Queued>, out: &mut Vec<PoolAction>) {
        let Some(mut queued) = rejected else { return };
        queued.rejections = queued.rejections.saturating_add(1);
        if queued.rejections >= REJECTED_OFTEN {
            self.paused_until = Some(now.saturating_add(PAUSE));
        }
        self.requeue(Some(queued), out);
    }

    /// It waits again, before all others. If there is no room, the oldest of *those* is lost, as in
    /// supervisord.
    fn requeue(&mut self, queued: Option<Queued>, out: &mut Vec<PoolAction>) {
        let Some(queued) = queued else { return };
        self.note_rebuffering(&queued, self.waiting.len(), out);
        self.make_room(out);
        self.waiting.push_front(queued);
    }

    fn note_rebuffering(&self, queued: &Queued, size: usize, out: &mut Vec<PoolAction>) {
        let (serial, pool, max) = (queued.event.serial, Arc::clone(&self.name), self.max);
        out.push(PoolAction::Log(EventLine::Rebuffered { serial, pool, size, max }));
    }

    fn make_room(&mut self, out: &mut Vec<PoolAction>) {
        if self.waiting.len() >= self.max {
            self.discard(out);
        }
    }

    fn discard(&mut self, out: &mut Vec<PoolAction>) {
        if let Some(oldest) = self.waiting.pop_front() {
            let (pool, serial) = (Arc::clone(&self.name), oldest.event.serial);
            out.push(PoolAction::Log(EventLine::Overflowed { pool, serial }));
        }
    }

    /// The oldest event to the first listener that is ready, as long as there are both.
    fn dispatch(&mut self, now: Moment, out: &mut Vec<PoolAction>) {
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        self.paused_until = None;
        for listener in self.listeners.iter_mut().filter(|listener| listener.listens()) {
            let Some(queued) = self.waiting.pop_front() else { return };
            let bytes = envelope(&self.identifier, &self.name, &queued);
            out.push(PoolAction::Send(listener.id, bytes));
            let (serial, name) = (queued.event.serial, Arc::clone(&listener.name));
            out.push(PoolAction::Log(EventLine::Sent { serial, listener: name }));
            listener.dialogue.sent();
            listener.busy_with = Some(queued);
        }
    }
}

/// The header and the payload.
fn envelope(identifier: &str, pool: &str, queued: &Queued) -> Vec<u8> {
    let Event { kind, serial, payload, length } = &*queued.event;
    let (name, own) = (kind.name(), queued.serial);
    let text = format!(
        "ver:3.0 server:{identifier} serial:{serial} pool:{pool} poolserial:{own} \
         eventname:{name} len:{length}\n{payload}"
    );
    text.into_bytes()
}
