//! The form for people.

use std::fmt::{self, Write};
use std::time::Duration;

use scoreboard::Text;

use super::{ListenerStatus, Status, WorkerStatus};

/// A time as a person says it: `1.5s`, `2m05s`, `3h07m`, `4d01h`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
        let text = match (days, hours, minutes) {
            (0, 0, 0) => format!("{secs}.{}s", self.0.subsec_millis() / 100),
            (0, 0, _) => format!("{minutes}m{:02}s", secs % 60),
            (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
            _ => format!("{days}d{:02}h", hours % 24),
        };
        f.pad(&text)
    }
}

/// A size as a person says it: `812B`, `34.5K`, `1.2G`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{}B", self.0));
        }
        let (mut tenths, mut unit) = (u128::from(self.0).saturating_mul(10) / 1024, 'K');
        for larger in ['M', 'G', 'T', 'P', 'E'] {
            if tenths < 10_240 {
                break;
            }
            (tenths, unit) = (tenths / 1024, larger);
        }
        f.pad(&format!("{}.{}{unit}", tenths / 10, tenths % 10))
    }
}

/// A text of any origin on one line of a terminal.
pub(in crate::prefork) fn shown(text: &[u8]) -> String {
    Text::new(text).to_string()
}

/// Columns two blanks apart, the last one ragged. Every cell has to be harmless already.
pub(in crate::prefork) fn align<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// What is not known is a dash.
pub(in crate::prefork) fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl Status {
    /// The form for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = self.headline();
        if let Some(command) = &self.manager.command {
            let _ = writeln!(text, "command: {}", shown(command.as_bytes()));
        }
        text.push_str(&self.summary());
        if !self.listeners.is_empty() {
            let titles = ["LISTENER", "FD", "TYPE", "QUEUE", "ADDRESS"].map(str::to_owned);
            let mut rows = vec![titles];
            rows.extend(self.listeners.iter().map(ListenerStatus::row));
            align(&mut text, &rows);
        }
        let mut rows = vec![TITLES.map(str::to_owned)];
        rows.extend(self.workers.iter().map(WorkerStatus::row));
        align(&mut text, &rows);
        text
    }

    /// `prefork-run 1234: serving, generation 2, up 1h02m`
    pub(in crate::prefork) fn headline(&self) -> String {
        let manager = &self.manager;
        let mut text = "prefork-run".to_owned();
        if let Some(title) = &manager.title {
            let _ = write!(text, " {}", shown(title.as_bytes()));
        }
        if let Some(pid) = manager.pid {
            let _ = write!(text, " {pid}");
        }
        let _ = write!(text, ": {}, generation {}", self.phase(), manager.generation);
        if let Some(uptime) = manager.uptime.filter(|_| !manager.gone) {
            let _ = write!(text, ", up {}", Age(uptime));
        }
        text.push('\n');
        text
    }

    /// Two lines of numbers.
    pub(in crate::prefork) fn summary(&self) -> String {
        let pool = &self.pool;
        let mut text = "pool: ".to_owned();
        if !pool.rule.is_empty() {
            let _ = write!(text, "{}; ", shown(pool.rule.as_bytes()));
        }
        let s = if pool.members == 1 { "" } else { "s" };
        let _ = write!(text, "{} worker{s}: {} idle, {} busy", pool.members, pool.idle, pool.busy);
        for (count, what) in [
            (pool.unknown, "unknown"),
            (pool.starting, "starting"),
            (pool.draining, "draining besides"),
        ] {
            if count != 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        if pool.most != 0 {
            let _ = write!(text, "; most {}", pool.most);
        }
        text.push('\n');
        let mut parts = Vec::new();
        if let Some(totals) = pool.totals {
            parts.push(format!("{} requests", totals.requests));
        }
        if pool.spawned != 0 {
            let (spawned, reaped, failed) = (pool.spawned, pool.reaped, pool.failed);
            parts.push(format!("{spawned} started, {reaped} ended, {failed} failed"));
        }
        if pool.held_back != 0 {
            parts.push(format!("held back by the limit {} times", pool.held_back));
        }
        parts.extend(pool.pressure.map(|percent| format!("CPU pressure {percent}%")));
        if !parts.is_empty() {
            let _ = writeln!(text, "since the start: {}", parts.join("; "));
        }
        text
    }
}

impl ListenerStatus {
    fn row(&self) -> [String; 5] {
        let queue = match (self.queue, self.queue_limit) {
            (Some(queue), Some(limit)) => format!("{queue}/{limit}"),
            (queue, _) => or_dash(queue),
        };
        let [name, kind, address] =
            [&self.name, &self.kind, &self.address].map(|text| shown(text.as_bytes()));
        [name, self.fd.to_string(), kind, queue, address]
    }
}

/// The columns of [`WorkerStatus::row`].
const TITLES: [&str; 12] =
    ["SLOT", "PID", "GEN", "STATE", "BY", "REQUESTS", "NOW", "BUSY", "BYTES", "AGE", "RSS", "TEXT"];

impl WorkerStatus {
    /// What the worker said, or the letter for it. Other characters than letters of a scoreboard came
    /// from somebody who is none.
    pub(in crate::prefork) fn shown_letter(&self) -> char {
        let plain = |said: &char| said.is_ascii_alphanumeric() || matches!(said, '_' | '.');
        self.said.filter(plain).unwrap_or(self.letter())
    }

    fn row(&self) -> [String; 12] {
        [
            self.slot.to_string(),
            or_dash(self.pid),
            or_dash(self.generation),
            format!("{} {}", self.shown_letter(), self.state()),
            self.source.to_string(),
            or_dash(self.requests),
            or_dash(self.in_request.map(Age)),
            or_dash(self.busy.map(Age)),
            or_dash(self.bytes.map(Bytes)),
            or_dash(self.age.map(Age)),
            or_dash(self.rss.map(Bytes)),
            self.text.as_deref().map(shown).unwrap_or_default(),
        ]
    }
}
