//! The form for programs: one JSON object on one line.

use std::fmt::{Display, Write};
use std::time::Duration;

use fdpass::wire::push_json_string;

use super::{ListenerStatus, Status, WorkerStatus, word};
use crate::prefork::machine::Stage;

/// One object being written.
struct Object {
    text: String,
}

impl Object {
    fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    /// A value that is JSON already.
    fn put(&mut self, key: &str, value: impl Display) -> &mut Self {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        let _ = write!(self.text, "\"{key}\":{value}");
        self
    }

    fn maybe(&mut self, key: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.put(key, value),
            None => self.put(key, "null"),
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        self.maybe(key, value.map(string))
    }

    fn time(&mut self, key: &str, value: Option<Duration>) -> &mut Self {
        self.maybe(key, value.map(|value| value.as_secs_f64()))
    }

    fn end(&mut self) -> String {
        self.text.push('}');
        std::mem::take(&mut self.text)
    }
}

/// A JSON string in which nothing means anything to a terminal, either.
fn string(text: &str) -> String {
    let mut quoted = String::new();
    push_json_string(&mut quoted, text);
    let mut json = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        // The controls below are gone; of these JSON does not care.
        let plain = matches!(character, '\\') || {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            scoreboard::Text::new(bytes).to_string().as_bytes() == bytes
        };
        if plain {
            json.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(json, "\\u{unit:04x}");
        }
    }
    json
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<String>>().join(","))
}

impl Status {
    /// One JSON object on one line. Times are in seconds, sizes in bytes; what is not known is null.
    #[must_use]
    pub fn json(&self) -> String {
        let mut json = Object::new()
            .put("manager", self.json_manager())
            .put("pool", self.json_pool())
            .put("listeners", array(self.listeners.iter().map(ListenerStatus::json)))
            .put("workers", array(self.workers.iter().map(WorkerStatus::json)))
            .end();
        json.push('\n');
        json
    }

    fn json_manager(&self) -> String {
        let manager = &self.manager;
        let cpu = self.machine.cpu;
        let load = self
            .machine
            .load
            .map(|load| array(load.iter().map(|load| format!("{}.{:02}", load / 100, load % 100))));
        Object::new()
            .maybe("pid", manager.pid)
            .text("version", manager.version.as_deref())
            .text("title", manager.title.as_deref())
            .text("phase", Some(self.phase()))
            .maybe("started", manager.started)
            .time("uptime", manager.uptime)
            .put("generation", manager.generation)
            .put("reloading", manager.reloading)
            .put("stopping", manager.stopping)
            .text("command", manager.command.as_deref())
            .maybe("load", load)
            .time("cpu_user", cpu.map(|cpu| cpu.user.saturating_add(cpu.children_user)))
            .time("cpu_system", cpu.map(|cpu| cpu.system.saturating_add(cpu.children_system)))
            .end()
    }

    fn json_pool(&self) -> String {
        let pool = &self.pool;
        Object::new()
            .text("rule", Some(&pool.rule))
            .put("members", pool.members)
            .put("idle", pool.idle)
            .put("busy", pool.busy)
            .put("unknown", pool.unknown)
            .put("starting", pool.starting)
            .put("draining", pool.draining)
            .put("max_workers", pool.max_workers)
            .put("most", pool.most)
            .put("spawned", pool.spawned)
            .put("reaped", pool.reaped)
            .put("failed", pool.failed)
            .put("held_back", pool.held_back)
            .maybe("requests", pool.totals.map(|totals| totals.requests))
            .maybe("bytes", pool.totals.map(|totals| totals.bytes))
            .time("busy_time", pool.totals.map(|totals| totals.busy))
            .maybe("pressure", pool.pressure)
            .end()
    }
}

impl ListenerStatus {
    fn json(&self) -> String {
        Object::new()
            .text("name", Some(&self.name))
            .text("address", Some(&self.address))
            .put("fd", self.fd)
            .text("type", Some(&self.kind))
            .maybe("queue", self.queue)
            .maybe("queue_limit", self.queue_limit)
            .end()
    }
}

impl WorkerStatus {
    fn json(&self) -> String {
        let stage = self.stage.map(|stage| match stage {
            Stage::Starting => "starting",
            Stage::Serving => "serving",
            Stage::Draining => "draining",
            Stage::Killed => "killed",
        });
        let text = self.text.as_deref().map(String::from_utf8_lossy);
        Object::new()
            .maybe("id", self.id)
            .put("slot", self.slot)
            .maybe("pid", self.pid)
            .maybe("generation", self.generation)
            .text("stage", stage)
            .text("activity", Some(word(self.activity)))
            .text("source", Some(&self.source.to_string()))
            .text("letter", self.said.map(String::from).as_deref())
            .maybe("requests", self.requests)
            .time("busy", self.busy)
            .time("in_request", self.in_request)
            .time("last_beat", self.last_beat)
            .maybe("bytes", self.bytes)
            .time("age", self.age)
            .maybe("rss", self.rss)
            .text("text", text.as_deref())
            .end()
    }
}
