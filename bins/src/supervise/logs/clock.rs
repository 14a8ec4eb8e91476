//! The time of day where the supervisor runs, for logs and people.

// SAFETY: localtime_r(3) is the only use.
#![allow(unsafe_code)]

use std::fmt::{Display, Formatter};
use std::time::{Duration, SystemTime};

/// A moment in local time; displayed as in supervisord's log, `2026-11-21 10:04:16,202`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Of our era.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// 0 to 999.
    pub millisecond: u16,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Local {
    /// The English name of the month, as in `%b`.
    #[must_use]
    pub fn month_name(&self) -> &'static str {
        let index = usize::from(self.month).saturating_sub(1);
        MONTHS.get(index).copied().unwrap_or("???")
    }

    /// As syslog(3) writes it: `Nov  1 10:04:16`.
    pub(super) fn syslog(&self) -> String {
        let Self { day, hour, minute, second, .. } = self;
        format!("{} {day:2} {hour:02}:{minute:02}:{second:02}", self.month_name())
    }
}

impl Display for Local {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        write!(out, "{year:04}-{month:02}-{day:02} ")?;
        write!(out, "{hour:02}:{minute:02}:{second:02},{millisecond:03}")
    }
}

/// Local time, by the time zone that TZ or the system had when this was first called.
#[must_use]
pub fn local(now: SystemTime) -> Local {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = libc::time_t::try_from(since.as_secs()).unwrap_or_default();
    // SAFETY: all of it is integers and a pointer, for which zero is a value.
    let mut broken: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to live values; the function only reads the first and writes the second.
    // It reads TZ: nothing in this process changes its environment.
    let done = unsafe { libc::localtime_r(&raw const seconds, &raw mut broken) };
    if done.is_null() {
        return Local::default();
    }
    let small = |number: libc::c_int| u8::try_from(number).unwrap_or_default();
    Local {
        year: i64::from(broken.tm_year).saturating_add(1900),
        month: small(broken.tm_mon).saturating_add(1),
        day: small(broken.tm_mday),
        hour: small(broken.tm_hour),
        minute: small(broken.tm_min),
        second: small(broken.tm_sec),
        millisecond: u16::try_from(since.subsec_millis()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_date_says() {
        for (seconds, millis) in [(0, 0), (951_827_696, 7), (1_794_000_000, 999)] {
            let output = std::process::Command::new("date")
                .args(["-d", &format!("@{seconds}"), "+%Y-%m-%d %H:%M:%S"])
                .output()
                .unwrap();
            let date = String::from_utf8(output.stdout).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000);
            assert_eq!(local(time).to_string(), format!("{},{millis:03}", date.trim_end()));
        }
    }

    #[test]
    fn it_can_be_written_in_two_ways() {
        let time =
            Local { year: 2026, month: 2, day: 3, hour: 4, minute: 5, second: 6, millisecond: 7 };
        assert_eq!(time.to_string(), "2026-02-03 04:05:06,007");
        assert_eq!(time.syslog(), "Feb  3 04:05:06");
        assert_eq!(Local::default().month_name(), "Jan");
    }
}
