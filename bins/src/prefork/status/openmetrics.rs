//! The form for Prometheus and its like: OpenMetrics 1.0 text.
//!
//! Workers are named by their slot, of which there are only so many; a counter that falls tells that
//! the slot has a new worker, as OpenMetrics has it for resets. Texts and the command line stay out:
//! they would make a new series of every value.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::{ListenerStatus, Status, WorkerStatus, shown};

const PREFIX: &str = "superdaemon_prefork_";

/// The metrics that come once for each worker.
type PerWorker = (&'static str, Kind, &'static str, &'static str, fn(&WorkerStatus) -> Option<f64>);

#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Info,
}

/// The exposition being written.
struct Metrics {
    text: String,
    name: String,
    suffix: &'static str,
}

impl Metrics {
    /// Begins a family; its name ends with its unit, if it has one.
    fn family(&mut self, name: &str, kind: Kind, unit: &str, help: &str) -> &mut Self {
        self.name = format!("{PREFIX}{name}");
        let (kind, suffix) = match kind {
            Kind::Gauge => ("gauge", ""),
            Kind::Counter => ("counter", "_total"),
            Kind::Info => ("info", "_info"),
        };
        self.suffix = suffix;
        let _ = writeln!(self.text, "# TYPE {} {kind}", self.name);
        if !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {} {unit}", self.name);
        }
        let _ = writeln!(self.text, "# HELP {} {help}", self.name);
        self
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let _ = write!(self.text, "{}{}", self.name, self.suffix);
        let mut separator = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{separator}{name}=\"{}\"", label(value));
            separator = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, "", help).value(&[], value);
    }

    fn counter(&mut self, name: &str, unit: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, unit, help).value(&[], value);
    }
}

/// A label's value: harmless on a terminal, then escaped as the format wants it.
fn label(value: &str) -> String {
    shown(value.as_bytes()).replace('\\', "\\\\").replace('"', "\\\"")
}

impl Status {
    /// The metrics as OpenMetrics text; the content type of a page with them is
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    #[must_use]
    pub fn openmetrics(&self) -> String {
        let mut metrics = Metrics { text: String::new(), name: String::new(), suffix: "" };
        self.manager_metrics(&mut metrics);
        self.pool_metrics(&mut metrics);
        self.listener_metrics(&mut metrics);
        self.worker_metrics(&mut metrics);
        metrics.text.push_str("# EOF\n");
        metrics.text
    }

    fn manager_metrics(&self, metrics: &mut Metrics) {
        let manager = &self.manager;
        let mut labels = Vec::new();
        labels.extend(manager.version.as_deref().map(|version| ("version", version)));
        labels.extend(manager.title.as_deref().map(|title| ("title", title)));
        metrics.family("manager", Kind::Info, "", "The manager.").value(&labels, 1);
        if let Some(started) = manager.started {
            let help = "When the manager began, in Unix time.";
            metrics.family("start_time_seconds", Kind::Gauge, "seconds", help).value(&[], started);
        }
        let up = u8::from(!manager.gone);
        metrics.gauge("up", "1 while the manager lives.", up);
        metrics.gauge("generation", "The newest generation of workers.", manager.generation);
        let help = "1 while a reload is under way.";
        metrics.gauge("reloading", help, u8::from(manager.reloading));
        let help = "1 while the pool is being stopped.";
        metrics.gauge("stopping", help, u8::from(manager.stopping));
        if let Some(cpu) = self.machine.cpu {
            let help = "CPU time of manager, workers and former workers.";
            let user = cpu.user.saturating_add(cpu.children_user);
            let system = cpu.system.saturating_add(cpu.children_system);
            metrics
                .family("cpu_seconds", Kind::Counter, "seconds", help)
                .value(&[("mode", "user")], user.as_secs_f64())
                .value(&[("mode", "system")], system.as_secs_f64());
        }
    }

    fn pool_metrics(&self, metrics: &mut Metrics) {
        let pool = &self.pool;
        metrics.family("workers", Kind::Gauge, "", "Workers by what they do.");
        for (state, count) in [
            ("idle", pool.idle),
            ("busy", pool.busy),
            ("unknown", pool.unknown),
            ("starting", pool.starting),
            ("draining", pool.draining),
        ] {
            metrics.value(&[("state", state)], count);
        }
        let help = "The limit for workers that are not draining.";
        metrics.gauge("workers_limit", help, pool.max_workers);
        metrics.gauge("workers_most", "The most workers at once so far.", pool.most);
        metrics.counter("spawned", "", "Workers started.", pool.spawned);
        metrics.counter("reaped", "", "Workers that ended.", pool.reaped);
        metrics.counter("failed", "", "Workers that ended with a failure.", pool.failed);
        let help = "Times that the limit kept the pool from growing.";
        metrics.counter("held_back", "", help, pool.held_back);
        if let Some(totals) = pool.totals {
            metrics.counter("requests", "", "Requests that ended.", totals.requests);
            metrics.counter("sent_bytes", "bytes", "Bytes, as workers count them.", totals.bytes);
            let help = "How long the requests took together.";
            metrics.counter("busy_seconds", "seconds", help, totals.busy.as_secs_f64());
        }
        if let Some(percent) = pool.pressure {
            let help = "Part of the last ten seconds in which somebody waited for a CPU.";
            let ratio = f64::from(percent) / 100.0;
            metrics.family("cpu_pressure_ratio", Kind::Gauge, "ratio", help).value(&[], ratio);
        }
    }

    fn listener_metrics(&self, metrics: &mut Metrics) {
        let mut family = |name, help, value: fn(&ListenerStatus) -> Option<u32>| {
            if self.listeners.iter().all(|listener| value(listener).is_none()) {
                return;
            }
            metrics.family(name, Kind::Gauge, "", help);
            for listener in &self.listeners {
                let fd = listener.fd.to_string();
                let labels = [("fd", fd.as_str()), ("listener", listener.name.as_str())];
                if let Some(value) = value(listener) {
                    metrics.value(&labels, value);
                }
            }
        };
        let help = "Connections that nobody has accepted yet.";
        family("listener_queue", help, |listener| listener.queue);
        family("listener_queue_limit", "Connections that may wait.", |l| l.queue_limit);
    }

    fn worker_metrics(&self, metrics: &mut Metrics) {
        for (name, kind, unit, help, value) in PER_WORKER {
            let known: Vec<(u32, f64)> = self
                .workers
                .iter()
                .filter_map(|worker| Some((worker.slot, value(worker)?)))
                .collect();
            if known.is_empty() {
                continue;
            }
            metrics.family(name, *kind, unit, help);
            for (slot, value) in known {
                metrics.value(&[("slot", &slot.to_string())], value);
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

const PER_WORKER: &[PerWorker] = &[
    ("worker_generation", Kind::Gauge, "", "The generation of the slot's worker.", |worker| {
        worker.generation.map(float)
    }),
    ("worker_age_seconds", Kind::Gauge, "seconds", "Time since its start.", |worker| {
        worker.age.map(seconds)
    }),
    ("worker_requests", Kind::Counter, "", "Requests that ended.", |worker| {
        worker.requests.map(float)
    }),
    ("worker_busy_seconds", Kind::Counter, "seconds", "How long they took together.", |worker| {
        worker.busy.map(seconds)
    }),
    ("worker_sent_bytes", Kind::Counter, "bytes", "Bytes, as it counts them.", |worker| {
        worker.bytes.map(float)
    }),
    ("worker_request_seconds", Kind::Gauge, "seconds", "Age of its present request.", |worker| {
        worker.in_request.map(seconds)
    }),
    ("worker_resident_bytes", Kind::Gauge, "bytes", "Resident memory.", |worker| {
        worker.rss.map(float)
    }),
];
