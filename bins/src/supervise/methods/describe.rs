//! The words in which the state of a process is described to people.

use std::time::{Duration, SystemTime};

use super::world::Info;
use crate::supervise::logs::clock;
use crate::supervise::machine::types::State;

/// What supervisorctl's `status` shows behind the state: `pid 12, uptime 0:00:38`, why it failed, or
/// when it ended in local time, `Nov 21 09:54 AM`.
#[must_use]
pub fn description(info: &Info, now: i64) -> String {
    match info.standing.state {
        State::Running => {
            let seconds = now.saturating_sub(info.start).max(0).unsigned_abs();
            format!("pid {}, uptime {}", info.standing.pid, uptime(seconds))
        }
        State::Fatal | State::Backoff if info.spawnerr.is_empty() => {
            format!("unknown error (try \"tail {}\")", info.name)
        }
        State::Fatal | State::Backoff => info.spawnerr.clone(),
        State::Stopped | State::Exited if info.start == 0 => "Not started".to_owned(),
        State::Stopped | State::Exited => moment(info.stop),
        State::Starting | State::Stopping | State::Unknown => String::new(),
    }
}

/// As Python shows a `timedelta`: `0:00:38`, `1 day, 2:03:04`, `2 days, 0:00:00`.
fn uptime(seconds: u64) -> String {
    let part = |unit: u64, of: u64| seconds.checked_div(unit).and_then(|all| all.checked_rem(of));
    let (hour, minute) = (part(3600, 24).unwrap_or(0), part(60, 60).unwrap_or(0));
    let clock = format!("{hour}:{minute:02}:{:02}", part(1, 60).unwrap_or(0));
    match part(86_400, u64::MAX).unwrap_or(0) {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// strftime's `%b %d %I:%M %p`.
fn moment(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let time = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
    let time = clock::local(time);
    let (hour, half) = match time.hour {
        0 => (12, "AM"),
        hour @ 1..=11 => (hour, "AM"),
        12 => (12, "PM"),
        hour => (hour.saturating_sub(12), "PM"),
    };
    format!("{} {:02} {hour:02}:{:02} {half}", time.month_name(), time.day, time.minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_are_pythons() {
        let cases = [
            (0, "0:00:00"),
            (38, "0:00:38"),
            (3_661, "1:01:01"),
            (86_399, "23:59:59"),
            (86_400, "1 day, 0:00:00"),
            (93_784, "1 day, 2:03:04"),
            (172_800, "2 days, 0:00:00"),
            (86_400 * 1000 + 59, "1000 days, 0:00:59"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(uptime(seconds), shown);
        }
    }

    #[test]
    fn moments_are_those_of_date() {
        // Midnight, noon, and an hour on either side, wherever this runs.
        for hour in 0..48 {
            let seconds = 1_795_255_126 + hour * 3600;
            let output = std::process::Command::new("date")
                .env("LC_ALL", "C")
                .args(["-d", &format!("@{seconds}"), "+%b %d %I:%M %p"])
                .output()
                .unwrap();
            assert_eq!(moment(seconds), String::from_utf8(output.stdout).unwrap().trim_end());
        }
    }
}
