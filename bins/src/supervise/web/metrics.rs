//! `/metrics`: OpenMetrics 1.0 text, or the older Prometheus text for those who do not ask for it.
//!
//! Processes are named by group and name, of which the configuration has only so many. Texts, paths
//! and pids stay out: they would make a new series of every value.

use std::fmt::{Display, Write};

use super::probes::accepts;
use super::{Fields, Reply, STATES, VERSION, exit_status, listing};
use crate::supervise::machine::types::{Mood, State};
use crate::supervise::methods::world::{Info, Supervisor};

const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Info,
}

/// The exposition being written.
struct Metrics {
    text: String,
    open: bool,
    /// The name of the samples of the present family.
    name: String,
}

impl Metrics {
    /// Begins a family. The name of a family of seconds must end so.
    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Self {
        let (kind_name, suffix) = match kind {
            Kind::Gauge => ("gauge", ""),
            Kind::Counter => ("counter", "_total"),
            // The older format does not know the kind.
            Kind::Info => (if self.open { "info" } else { "gauge" }, "_info"),
        };
        self.name = format!("{name}{suffix}");
        // In the older format the suffix belongs to the name of the family.
        let family = if self.open { name } else { self.name.as_str() };
        let _ = writeln!(self.text, "# HELP {family} {help}");
        let _ = writeln!(self.text, "# TYPE {family} {kind_name}");
        if self.open && name.ends_with("_seconds") {
            let _ = writeln!(self.text, "# UNIT {family} seconds");
        }
        self
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(&self.name);
        let mut separator = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{separator}{name}=\"");
            push_label(&mut self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// A family with a sample for each process that has a value.
    fn each(
        &mut self,
        infos: &[Info],
        name: &str,
        kind: Kind,
        help: &str,
        value: impl Fn(&Info) -> Option<i64>,
    ) {
        self.family(name, kind, help);
        for info in infos {
            if let Some(value) = value(info) {
                self.value(&[("name", &info.name), ("group", &info.group)], value);
            }
        }
    }
}

/// The value of a label as both formats escape it.
fn push_label(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ if character.is_control() => text.push('\u{fffd}'),
            _ => text.push(character),
        }
    }
}

/// `GET /metrics`.
///
/// OpenMetrics if `accept`, the header of that name, has `application/openmetrics-text`; else the
/// text format 0.0.4. With `also=supervisord_exporter` or `also=node_exporter` in the query there are
/// also the series of these two exporters, under their names, so that dashboards made for them go on
/// working.
#[must_use]
pub fn metrics(world: &dyn Supervisor, accept: Option<&str>, query: &Fields) -> Reply {
    let open = accepts(accept, "application/openmetrics-text");
    let mut metrics = Metrics { text: String::new(), open, name: String::new() };
    let infos: Vec<Info> = listing(world).into_iter().flat_map(|(_, infos)| infos).collect();
    of_supervisor(&mut metrics, world, &infos);
    of_processes(&mut metrics, &infos);
    let also = |name: &str| query.iter().any(|(key, value)| key == "also" && value == name);
    if also("supervisord_exporter") {
        as_supervisord_exporter(&mut metrics, &infos, world.now());
    }
    if also("node_exporter") {
        as_node_exporter(&mut metrics, &infos);
    }
    if open {
        metrics.text.push_str("# EOF\n");
    }
    let content_type = if open { OPEN } else { CLASSIC };
    Reply { status: 200, content_type, body: metrics.text }
}

fn of_supervisor(metrics: &mut Metrics, world: &dyn Supervisor, infos: &[Info]) {
    let labels = [("version", VERSION), ("identifier", world.identifier())];
    metrics.family("supervise", Kind::Info, "The supervisor.").value(&labels, 1);
    if world.began() > 0 {
        let help = "When the supervisor began, in Unix time.";
        metrics.family("supervise_start_time_seconds", Kind::Gauge, help).value(&[], world.began());
    }
    let mood = match world.mood() {
        Mood::Running => 1,
        Mood::Restarting => 0,
        Mood::ShuttingDown => -1,
    };
    let help = "State of the supervisor: 1 running, 0 restarting, -1 shutting down.";
    metrics.family("supervise_mood", Kind::Gauge, help).value(&[], mood);
    metrics.family("supervise_processes", Kind::Gauge, "Processes by state.");
    for state in STATES {
        let count = infos.iter().filter(|info| info.standing.state == state).count();
        metrics.value(&[("state", state.name())], count);
    }
}

fn of_processes(metrics: &mut Metrics, infos: &[Info]) {
    use Kind::{Counter, Gauge};
    let help = "State: 0 STOPPED, 10 STARTING, 20 RUNNING, 30 BACKOFF, 40 STOPPING, 100 EXITED, \
                200 FATAL, 1000 UNKNOWN.";
    metrics.each(infos, "supervise_process_state", Gauge, help, |info| Some(number(info)));
    let help = "1 while the process is RUNNING.";
    metrics.each(infos, "supervise_process_up", Gauge, help, |info| Some(up(info)));
    let help = "When the process was started last, in Unix time.";
    let name = "supervise_process_start_time_seconds";
    metrics.each(infos, name, Gauge, help, |info| some(info.start));
    let help = "Starts since the supervisor began.";
    metrics.each(infos, "supervise_process_starts", Counter, help, |info| Some(info.starts.into()));
    let help = "Failed starts in a row.";
    let name = "supervise_process_failed_starts";
    metrics.each(infos, name, Gauge, help, |info| Some(info.tries.into()));
    let help = "How a process that does not run has ended: its code, -1 after a death by signal.";
    metrics.each(infos, "supervise_process_exit_status", Gauge, help, |info| {
        exit_status(info).map(i64::from)
    });
    let help = "1 if the process is to start with the supervisor.";
    let name = "supervise_process_autostart";
    metrics.each(infos, name, Gauge, help, |info| Some(info.autostart.into()));
}

/// As the Go program `supervisord_exporter` names them.
fn as_supervisord_exporter(metrics: &mut Metrics, infos: &[Info], now: i64) {
    metrics.family("supervisord_up", Kind::Gauge, "1: the supervisor answers.").value(&[], 1);
    let help = "1 while the process is RUNNING.";
    metrics.family("supervisor_process_info", Kind::Gauge, help);
    for info in infos {
        let exit = info.exitstatus.to_string();
        let labels = [
            ("name", info.name.as_str()),
            ("group", &info.group),
            ("state", info.standing.state.name()),
            ("exit_status", &exit),
        ];
        metrics.value(&labels, up(info));
    }
    let help = "Seconds since a RUNNING process was started.";
    metrics.each(infos, "supervisor_process_uptime", Kind::Gauge, help, |info| {
        (up(info) == 1).then(|| now.saturating_sub(info.start).max(0))
    });
}

/// As the collector `supervisord` of `node_exporter` names them.
fn as_node_exporter(metrics: &mut Metrics, infos: &[Info]) {
    use Kind::Gauge;
    // There, up are those that have a process.
    let runs = |info: &Info| {
        matches!(info.standing.state, State::Starting | State::Running | State::Stopping)
    };
    let help = "1 while there is a process.";
    metrics.each(infos, "node_supervisord_up", Gauge, help, |info| Some(runs(info).into()));
    let help = "supervisord's number of the state.";
    metrics.each(infos, "node_supervisord_state", Gauge, help, |info| Some(number(info)));
    let help = "Code of the last exit.";
    let name = "node_supervisord_exit_status";
    metrics.each(infos, name, Gauge, help, |info| Some(info.exitstatus.into()));
    let help = "When the process was started last, in Unix time.";
    let name = "node_supervisord_start_time_seconds";
    metrics.each(infos, name, Gauge, help, |info| some(info.start).filter(|_| runs(info)));
}

fn up(info: &Info) -> i64 {
    i64::from(info.standing.state == State::Running)
}

fn number(info: &Info) -> i64 {
    i64::from(info.standing.state as u16)
}

/// A time, unless it is none.
fn some(time: i64) -> Option<i64> {
    Some(time).filter(|time| *time > 0)
}

#[cfg(test)]
mod tests;
