//! The form on the control socket: one record a line, `key=value` fields between tabs.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use super::{ListenerStatus, ManagerStatus, PoolStatus, Status, Totals, WorkerStatus, word};
use crate::prefork::machine::Stage;
use crate::prefork::view::{Activity, Source};

/// Of each worker's text; the rest stays on the scoreboard.
const LONGEST_TEXT: usize = 4096;

const STAGES: [(&str, Stage); 4] = [
    ("starting", Stage::Starting),
    ("serving", Stage::Serving),
    ("draining", Stage::Draining),
    ("killed", Stage::Killed),
];
const ACTIVITIES: [Activity; 3] = [Activity::Idle, Activity::Busy, Activity::Unknown];
const SOURCES: [Source; 4] =
    [Source::Scoreboard, Source::Syscall, Source::Sockets, Source::Nothing];

/// One record being written.
struct Record<'t>(&'t mut String);

impl Record<'_> {
    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.bytes(key, value.as_bytes())
    }

    fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        let _ = write!(self.0, "\t{key}=");
        escape(self.0, value);
        self
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        let _ = write!(self.0, "\t{key}={value}");
        self
    }

    fn maybe_number(&mut self, key: &str, value: Option<impl std::fmt::Display>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    fn maybe_text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        self.maybe_bytes(key, value.map(str::as_bytes))
    }

    fn maybe_bytes(&mut self, key: &str, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.bytes(key, value),
            None => self,
        }
    }

    fn time(&mut self, key: &str, value: Option<Duration>) -> &mut Self {
        self.maybe_number(key, value.map(|value| value.as_micros()))
    }
}

/// The fields of one record.
struct Fields(HashMap<String, Vec<u8>>);

impl Fields {
    fn of<'l>(fields: impl Iterator<Item = &'l str>) -> Self {
        let pairs = fields.filter_map(|field| field.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect())
    }

    fn bytes(&mut self, key: &str) -> Option<Vec<u8>> {
        self.0.remove(key)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.bytes(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `None` where it is missing or out of range.
    fn maybe<T: std::str::FromStr>(&mut self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    fn number<T: std::str::FromStr + Default>(&mut self, key: &str) -> T {
        self.maybe(key).unwrap_or_default()
    }

    fn time(&mut self, key: &str) -> Option<Duration> {
        self.maybe(key).map(Duration::from_micros)
    }
}

impl Status {
    /// The form on the control socket.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        put_manager(&mut text, &self.manager);
        put_pool(&mut text, &self.pool);
        for listener in &self.listeners {
            text.push_str("\nlistener");
            Record(&mut text)
                .text("name", &listener.name)
                .text("address", &listener.address)
                .number("fd", listener.fd)
                .text("type", &listener.kind)
                .maybe_number("queue", listener.queue)
                .maybe_number("queue_limit", listener.queue_limit);
        }
        for worker in &self.workers {
            put_worker(&mut text, worker);
        }
        text.push_str("\nend\n");
        text
    }

    /// Reads [`encode`](Self::encode)'s form; records and fields that are unknown are passed over.
    /// `None` for one that is cut off.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut status = Self::default();
        let mut known = false;
        for line in text.lines() {
            let mut fields = line.split('\t');
            let kind = fields.next();
            let mut fields = Fields::of(fields);
            match kind {
                Some("manager") => {
                    status.manager = manager(&mut fields);
                    known = true;
                }
                Some("pool") => status.pool = pool(&mut fields),
                Some("listener") => status.listeners.push(ListenerStatus {
                    name: fields.text("name").unwrap_or_default(),
                    address: fields.text("address").unwrap_or_default(),
                    fd: fields.number("fd"),
                    kind: fields.text("type").unwrap_or_default(),
                    queue: fields.maybe("queue"),
                    queue_limit: fields.maybe("queue_limit"),
                }),
                Some("worker") => status.workers.push(worker(&mut fields)),
                Some("end") => return known.then_some(status),
                _ => {}
            }
        }
        None
    }
}

fn put_manager(text: &mut String, manager: &ManagerStatus) {
    text.push_str("manager");
    Record(text)
        .maybe_number("pid", manager.pid)
        .maybe_text("version", manager.version.as_deref())
        .maybe_text("title", manager.title.as_deref())
        .maybe_number("started", manager.started)
        .time("uptime", manager.uptime)
        .number("generation", manager.generation)
        .number("reloading", manager.reloading)
        .number("stopping", manager.stopping)
        .number("gone", manager.gone)
        .maybe_text("command", manager.command.as_deref());
}

fn manager(fields: &mut Fields) -> ManagerStatus {
    ManagerStatus {
        pid: fields.maybe("pid"),
        version: fields.text("version"),
        title: fields.text("title"),
        started: fields.maybe("started"),
        uptime: fields.time("uptime"),
        generation: fields.number("generation"),
        reloading: fields.number("reloading"),
        stopping: fields.number("stopping"),
        gone: fields.number("gone"),
        command: fields.text("command"),
    }
}

fn put_pool(text: &mut String, pool: &PoolStatus) {
    text.push_str("\npool");
    Record(text)
        .text("rule", &pool.rule)
        .number("members", pool.members)
        .number("idle", pool.idle)
        .number("busy", pool.busy)
        .number("unknown", pool.unknown)
        .number("starting", pool.starting)
        .number("draining", pool.draining)
        .number("max_workers", pool.max_workers)
        .number("most", pool.most)
        .number("spawned", pool.spawned)
        .number("reaped", pool.reaped)
        .number("failed", pool.failed)
        .number("held_back", pool.held_back)
        .maybe_number("requests", pool.totals.map(|totals| totals.requests))
        .maybe_number("bytes", pool.totals.map(|totals| totals.bytes))
        .time("busy_time", pool.totals.map(|totals| totals.busy))
        .maybe_number("pressure", pool.pressure);
}

fn pool(fields: &mut Fields) -> PoolStatus {
    let totals = fields.maybe("requests").map(|requests| Totals {
        requests,
        bytes: fields.number("bytes"),
        busy: fields.time("busy_time").unwrap_or_default(),
    });
    PoolStatus {
        rule: fields.text("rule").unwrap_or_default(),
        members: fields.number("members"),
        idle: fields.number("idle"),
        busy: fields.number("busy"),
        unknown: fields.number("unknown"),
        starting: fields.number("starting"),
        draining: fields.number("draining"),
        max_workers: fields.number("max_workers"),
        most: fields.number("most"),
        spawned: fields.number("spawned"),
        reaped: fields.number("reaped"),
        failed: fields.number("failed"),
        held_back: fields.number("held_back"),
        totals,
        pressure: fields.maybe("pressure"),
    }
}

fn put_worker(text: &mut String, worker: &WorkerStatus) {
    text.push_str("\nworker");
    let stage = STAGES.iter().find(|(_, stage)| Some(*stage) == worker.stage);
    Record(text)
        .maybe_number("id", worker.id)
        .number("slot", worker.slot)
        .maybe_number("pid", worker.pid)
        .maybe_number("generation", worker.generation)
        .maybe_text("stage", stage.map(|(word, _)| *word))
        .text("activity", word(worker.activity))
        .number("source", worker.source)
        .maybe_text("said", worker.said.map(String::from).as_deref())
        .maybe_number("requests", worker.requests)
        .time("busy", worker.busy)
        .time("in_request", worker.in_request)
        .time("last_beat", worker.last_beat)
        .maybe_number("bytes", worker.bytes)
        .time("age", worker.age)
        .maybe_number("rss", worker.rss)
        .maybe_bytes("text", worker.text.as_deref().map(cut));
}

fn worker(fields: &mut Fields) -> WorkerStatus {
    let mut find = |key: &str| fields.text(key).unwrap_or_default();
    let (stage, activity, source) = (find("stage"), find("activity"), find("source"));
    WorkerStatus {
        id: fields.maybe("id"),
        slot: fields.number("slot"),
        pid: fields.maybe("pid"),
        generation: fields.maybe("generation"),
        stage: STAGES.iter().find(|(word, _)| *word == stage).map(|(_, stage)| *stage),
        activity: ACTIVITIES.into_iter().find(|a| word(*a) == activity).unwrap_or_default(),
        source: SOURCES.into_iter().find(|s| s.to_string() == source).unwrap_or_default(),
        said: fields.maybe("said"),
        requests: fields.maybe("requests"),
        busy: fields.time("busy"),
        in_request: fields.time("in_request"),
        last_beat: fields.time("last_beat"),
        bytes: fields.maybe("bytes"),
        age: fields.time("age"),
        rss: fields.maybe("rss"),
        text: fields.bytes("text"),
    }
}

/// As much of a text as is sent, without half a character at its end.
fn cut(text: &[u8]) -> &[u8] {
    let Some(start) = text.get(..LONGEST_TEXT) else { return text };
    match std::str::from_utf8(start) {
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).unwrap_or(start)
        }
        _ => start,
    }
}

/// Any bytes as text without tabs and line ends.
fn escape(into: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => into.push_str("\\\\"),
                '\t' => into.push_str("\\t"),
                '\n' => into.push_str("\\n"),
                '\r' => into.push_str("\\r"),
                _ => into.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(into, "\\x{byte:02x}");
        }
    }
}

fn unescape(field: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut characters = after.chars();
        match characters.next() {
            Some('t') => bytes.push(b'\t'),
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('x') => {
                let digits = characters.as_str().get(..2).unwrap_or_default();
                if let Ok(byte) = u8::from_str_radix(digits, 16) {
                    bytes.push(byte);
                    characters = characters.as_str().get(2..).unwrap_or_default().chars();
                }
            }
            Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {}
        }
        rest = characters.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
