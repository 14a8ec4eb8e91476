//! One frame: who is busy, with what, and how fast it all goes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use crate::prefork::machine::Stage;
use crate::prefork::status::{Age, Bytes, Status, WorkerStatus, align, or_dash, shown};
use crate::prefork::view::Activity;

/// The room for a frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Window {
    /// Of a file or pipe.
    pub const ENDLESS: Self = Self { columns: usize::MAX, rows: usize::MAX };
}

/// The frame for a state, with rates if an earlier one is known. It leaves the window's last line
/// free, so that nothing scrolls.
#[must_use]
pub fn frame(now: &Status, before: Option<&Status>, window: Window) -> String {
    let elapsed = before.and_then(|before| elapsed(now, before));
    let mut text = now.headline();
    text.push_str(&now.summary());
    let former = Former::of(before);
    text.push_str(&flow(now, before, &former, elapsed));
    text.push('\n');
    let titles =
        ["SLOT", "PID", "GEN", "STATE", "NOW", "REQ/S", "USE", "REQUESTS", "AGE", "RSS", "TEXT"];
    let mut rows = vec![titles.map(str::to_owned)];
    let mut workers: Vec<&WorkerStatus> = now.workers.iter().collect();
    workers.sort_by_key(|worker| {
        (rank(worker), Reverse(worker.in_request.unwrap_or_default()), worker.slot)
    });
    // The summary has no fixed number of lines.
    let taken = text.lines().count().saturating_add(3);
    let room = window.rows.saturating_sub(taken).max(1);
    let more = workers.len().saturating_sub(room);
    workers.truncate(room);
    for worker in &workers {
        rows.push(row(worker, former.same(worker), elapsed));
    }
    align(&mut text, &rows);
    if more > 0 {
        let _ = writeln!(text, "{more} more");
    }
    let lines = window.rows.saturating_sub(1).max(1);
    let mut cut = String::with_capacity(text.len());
    for line in text.lines().take(lines) {
        push_cut(&mut cut, line, window.columns);
        cut.push('\n');
    }
    cut
}

/// The time between two states of one manager.
fn elapsed(now: &Status, before: &Status) -> Option<Duration> {
    let same = now.manager.pid == before.manager.pid;
    let elapsed = now.manager.uptime?.checked_sub(before.manager.uptime?)?;
    (same && elapsed > Duration::ZERO).then_some(elapsed)
}

/// The workers of an earlier state by slot.
struct Former<'s>(HashMap<u32, &'s WorkerStatus>);

impl<'s> Former<'s> {
    fn of(before: Option<&'s Status>) -> Self {
        let workers = before.into_iter().flat_map(|before| &before.workers);
        Self(workers.map(|worker| (worker.slot, worker)).collect())
    }

    /// The same worker earlier.
    fn same(&self, worker: &WorkerStatus) -> Option<&'s WorkerStatus> {
        let found = self.0.get(&worker.slot)?;
        (found.pid == worker.pid && found.id == worker.id).then_some(found)
    }
}

/// Requests, bytes and connections in motion.
fn flow(
    now: &Status,
    before: Option<&Status>,
    former: &Former<'_>,
    elapsed: Option<Duration>,
) -> String {
    let (mut requests, mut bytes) = (0_u64, 0_u64);
    let rates = before.zip(elapsed).map(|(before, elapsed)| {
        match (now.pool.totals, before.pool.totals) {
            (Some(now), Some(before)) => {
                requests = now.requests.saturating_sub(before.requests);
                bytes = now.bytes.saturating_sub(before.bytes);
            }
            // A scoreboard alone has no totals.
            _ => {
                for worker in &now.workers {
                    let former = former.same(worker);
                    let grown = |value: fn(&WorkerStatus) -> Option<u64>| {
                        let former = former.and_then(value).unwrap_or(0);
                        value(worker).unwrap_or(0).saturating_sub(former)
                    };
                    requests = requests.saturating_add(grown(|worker| worker.requests));
                    bytes = bytes.saturating_add(grown(|worker| worker.bytes));
                }
            }
        }
        (rate(requests, elapsed), rate(bytes, elapsed))
    });
    let mut parts = Vec::new();
    if let Some((requests, bytes)) = rates {
        parts.push(format!("{requests:.1} requests/s"));
        if bytes >= 1.0 {
            // Rounded on purpose, and never negative.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            parts.push(format!("{}/s", Bytes(bytes as u64)));
        }
    }
    let queues = now.listeners.iter().filter_map(|listener| listener.queue);
    if let Some(waiting) = queues.reduce(u32::saturating_add) {
        parts.push(format!("{waiting} connections waiting"));
    }
    if let Some(load) = now.machine.load {
        let load = load.map(|load| format!("{}.{:02}", load / 100, load % 100));
        parts.push(format!("load {}", load.join(" ")));
    }
    if parts.is_empty() { String::new() } else { format!("now: {}\n", parts.join("; ")) }
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// Busy ones first.
fn rank(worker: &WorkerStatus) -> u8 {
    match (worker.stage, worker.activity) {
        (Some(Stage::Starting), _) => 2,
        (Some(Stage::Draining | Stage::Killed), _) => 3,
        (_, Activity::Busy) => 0,
        (_, Activity::Unknown) => 1,
        (_, Activity::Idle) => 4,
    }
}

fn row(
    worker: &WorkerStatus,
    former: Option<&WorkerStatus>,
    elapsed: Option<Duration>,
) -> [String; 11] {
    let grown = former.zip(elapsed).and_then(|(former, elapsed)| {
        let requests = worker.requests?.checked_sub(former.requests?)?;
        Some(format!("{:.1}", rate(requests, elapsed)))
    });
    let used = former.zip(elapsed).and_then(|(former, elapsed)| {
        let busy = |worker: &WorkerStatus| {
            Some(worker.busy?.saturating_add(worker.in_request.unwrap_or_default()))
        };
        let used = busy(worker)?.saturating_sub(busy(former)?).as_secs_f64();
        Some(format!("{:.0}%", (100.0 * used / elapsed.as_secs_f64()).min(100.0)))
    });
    [
        worker.slot.to_string(),
        or_dash(worker.pid),
        or_dash(worker.generation),
        format!("{} {}", worker.shown_letter(), worker.state()),
        or_dash(worker.in_request.map(Age)),
        or_dash(grown),
        or_dash(used),
        or_dash(worker.requests),
        or_dash(worker.age.map(Age)),
        or_dash(worker.rss.map(Bytes)),
        worker.text.as_deref().map(shown).unwrap_or_default(),
    ]
}

/// As much of a line as fits; wide characters are taken for two columns.
fn push_cut(into: &mut String, line: &str, columns: usize) {
    let mut used = 0_usize;
    for character in line.chars() {
        let width = if character >= '\u{1100}' { 2 } else { 1 };
        used = used.saturating_add(width);
        if used > columns {
            break;
        }
        into.push(character);
    }
}
