//! The machine format of Apache's mod_status (`server-status?auto`), for collectors that read it:
//! collectd, Telegraf, Munin, Metricbeat, the Prometheus exporter for Apache.
//!
//! Names and order as in Apache 2.4. The exporter splits the version at `/` and takes three numbers
//! from it; Munin counts the dots of the scoreboard as free places. Values that nobody knows are left
//! out, as mod_status leaves them out without ExtendedStatus.

use std::fmt::Write;
use std::time::Duration;

use super::Status;

/// No scoreboard has more slots.
const MOST_SLOTS: u32 = 1 << 20;

impl Status {
    /// mod_status's machine format.
    #[must_use]
    pub fn auto(&self) -> String {
        let mut text = String::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{key}: {value}");
        };
        let (manager, pool) = (&self.manager, &self.pool);
        let version = manager.version.as_deref().filter(|version| three_numbers(version));
        put("ServerVersion", &format_args!("prefork-run/{}", version.unwrap_or("0.0.0")));
        put("ServerMPM", &"prefork");
        if let (Some(started), Some(uptime)) = (manager.started, manager.uptime) {
            put("CurrentTime", &Date(started.saturating_add(uptime.as_secs())));
            put("RestartTime", &Date(started));
        }
        put("ParentServerConfigGeneration", &manager.generation);
        put("ParentServerMPMGeneration", &manager.generation.saturating_sub(1));
        let seconds = manager.uptime.map(|uptime| uptime.as_secs());
        if let Some(seconds) = seconds {
            put("ServerUptimeSeconds", &seconds);
            put("ServerUptime", &Long(seconds));
        }
        if let Some(load) = self.machine.load {
            for (key, load) in ["Load1", "Load5", "Load15"].into_iter().zip(load) {
                put(key, &format_args!("{}.{:02}", load / 100, load % 100));
            }
        }
        if let Some(totals) = pool.totals {
            put("Total Accesses", &totals.requests);
            put("Total kBytes", &(totals.bytes / 1024));
            put("Total Duration", &totals.busy.as_millis());
        }
        if let Some(cpu) = self.machine.cpu {
            put("CPUUser", &Decimal(cpu.user.as_secs_f64()));
            put("CPUSystem", &Decimal(cpu.system.as_secs_f64()));
            put("CPUChildrenUser", &Decimal(cpu.children_user.as_secs_f64()));
            put("CPUChildrenSystem", &Decimal(cpu.children_system.as_secs_f64()));
            if let Some(load) = ratio(cpu.total().as_secs_f64() * 100.0, manager.uptime) {
                put("CPULoad", &load);
            }
        }
        if let Some(seconds) = seconds {
            put("Uptime", &seconds);
        }
        if let Some(totals) = pool.totals {
            if let Some(rate) = ratio(float(totals.requests), manager.uptime) {
                put("ReqPerSec", &rate);
            }
            if let Some(rate) = ratio(float(totals.bytes), manager.uptime) {
                put("BytesPerSec", &rate);
            }
            if totals.requests > 0 {
                let requests = float(totals.requests);
                put("BytesPerReq", &Decimal(float(totals.bytes) / requests));
                put("DurationPerReq", &Decimal(totals.busy.as_secs_f64() * 1000.0 / requests));
            }
        }
        // As mod_status counts: who is neither free nor waiting is busy.
        let busy = [pool.busy, pool.unknown, pool.starting];
        put("BusyWorkers", &busy.iter().fold(0_u32, |sum, count| sum.saturating_add(*count)));
        put("GracefulWorkers", &pool.draining);
        put("IdleWorkers", &pool.idle);
        put("Scoreboard", &self.letters());
        text
    }

    /// One letter for each slot, a dot for a free one.
    fn letters(&self) -> String {
        let highest = self.workers.iter().map(|worker| worker.slot.saturating_add(1)).max();
        let slots = self.pool.max_workers.max(highest.unwrap_or(0)).min(MOST_SLOTS);
        let mut letters = vec!['.'; usize::try_from(slots).unwrap_or(0)];
        for worker in &self.workers {
            let index = usize::try_from(worker.slot).unwrap_or(usize::MAX);
            if let Some(place) = letters.get_mut(index) {
                *place = worker.letter();
            }
        }
        letters.into_iter().collect()
    }
}

fn three_numbers(version: &str) -> bool {
    let numbers: Vec<&str> = version.split('.').collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(number)
}

#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}

/// A sum by its time; `None` in the first second, as in mod_status.
fn ratio(sum: f64, time: Option<Duration>) -> Option<Decimal> {
    let time = time.filter(|time| time.as_secs() > 0)?;
    Some(Decimal(sum / time.as_secs_f64()))
}

/// Six digits behind the point at most, and never an exponent.
struct Decimal(f64);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.6}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// `2 days 1 hour 7 seconds`
struct Long(u64);

impl std::fmt::Display for Long {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [
            (self.0 / 86_400, "day"),
            (self.0 / 3600 % 24, "hour"),
            (self.0 / 60 % 60, "minute"),
            (self.0 % 60, "second"),
        ];
        let parts = units.into_iter().filter(|(count, _)| *count > 0);
        let text: Vec<String> = parts
            .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
            .collect();
        f.write_str(if text.is_empty() { "0 seconds" } else { "" })?;
        f.write_str(&text.join(" "))
    }
}

/// A Unix time in UTC as mod_status writes it: `Saturday, 21-Nov-2026 19:09:56 UTC`.
struct Date(u64);

const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Four digits of year are enough for everybody; and the loop ends soon.
        let time = self.0.min(253_402_300_799);
        let (mut left, clock) = (time / 86_400, time % 86_400);
        let name = usize::try_from(left % 7).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"");
        let mut year = 1970_u64;
        let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        loop {
            let days = 365_u64.saturating_add(u64::from(leap(year)));
            let Some(rest) = left.checked_sub(days) else { break };
            (left, year) = (rest, year.saturating_add(1));
        }
        let mut month = "";
        for (name, days) in MONTHS {
            let days = days.saturating_add(u64::from(name == "Feb" && leap(year)));
            month = name;
            let Some(rest) = left.checked_sub(days) else { break };
            left = rest;
        }
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        let day = left.saturating_add(1);
        write!(f, "{name}, {day:02}-{month}-{year} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

#[cfg(test)]
pub(super) fn date(time: u64) -> String {
    Date(time).to_string()
}
