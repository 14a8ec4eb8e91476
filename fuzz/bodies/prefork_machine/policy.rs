//! The policy of a pool from twelve bytes, which need not make sense, and small things around it.

use std::time::Duration;

use reaper::Pid;
use sigpolicy::Signal;
use superdaemon::prefork::config::{Conduct, Limits, Orphans, PoolRules, Reload, Size, Trap};
use superdaemon::prefork::machine::{Policy, StartError};
use superdaemon::prefork::view::Id;

/// From nothing to a long time; many of them stay far from the end of the clock.
pub const TIMES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(1),
    Duration::from_millis(20),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(7),
    Duration::from_secs(100),
];

pub fn time(byte: u8) -> Duration {
    TIMES[usize::from(byte % 8)]
}

/// There if that bit of the byte is set.
pub fn perhaps<T>(byte: u8, bit: u8, limit: T) -> Option<T> {
    (byte >> bit & 1 > 0).then_some(limit)
}

pub fn policy(header: [u8; 12]) -> Policy {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = header;
    let size = match a % 8 {
        0..=2 => Size::Fixed(u32::from(a / 8 % 8)),
        3 => Size::Spare { min: u32::from(a / 8 % 4), max: u32::from(a / 32) },
        _ => Size::OnDemand,
    };
    let signals = [Signal::TERM, Signal::QUIT, Signal::USR1, Signal::KILL];
    let signal = |byte: u8| signals[usize::from(byte % 4)];
    let trap =
        |bit: u8, received, sent| perhaps(l, bit, Trap { received, sent, interval: time(h / 32) });
    let traps = [
        trap(0, Signal::USR2, Some(signal(l / 16))),
        trap(1, Signal::TERM, Some(Signal::QUIT)),
        trap(2, Signal::HUP, None),
        trap(3, Signal::INT, Some(signal(l / 64))),
    ];
    Policy {
        pool: PoolRules {
            size,
            start_workers: u32::from(b / 64),
            max_workers: u32::from(b % 16),
            max_spawn_rate: u32::from(b / 16 % 4),
            idle_timeout: time(d),
            max_memory: perhaps(d, 3, 1000),
            max_pressure: u32::from(d / 16) * 6,
        },
        limits: Limits {
            max_requests: perhaps(e, 0, 3),
            max_requests_jitter: u64::from(e & 1),
            max_lifetime: perhaps(e, 1, time(f)),
            max_rss: perhaps(e, 2, 200),
            max_pss: perhaps(e, 3, 200),
            max_unshared: perhaps(e, 4, 200),
            min_shared: perhaps(e, 5, 50),
            memory_every: time(f / 8),
            request_timeout: perhaps(e, 6, time(f / 4)),
            request_grace: time(f / 16),
            request_signal: perhaps(f, 7, signal(f)),
            slow_after: perhaps(e, 7, time(f / 2)),
        },
        conduct: Conduct {
            reload: [Reload::All, Reload::Rolling, Reload::Replace][usize::from(g % 3)],
            reload_interval: time(g / 4),
            stop_signal: signal(g / 64),
            traps: traps.into_iter().flatten().collect(),
            die_timeout: if h % 32 == 31 { Duration::MAX } else { time(h) },
            start_timeout: time(i / 8),
            ready_after: if i % 16 == 15 { Duration::MAX } else { time(i) },
            start_delay: time(c / 16),
            respawn_interval: time(c / 64),
            error_respawn_interval: time(h / 64),
            backoff_max: time(j),
            give_up: u32::from(j / 16 % 4),
            max_extra: u32::from(c % 16),
            orphans: Orphans::Leave,
        },
        launcher: k & 1 > 0,
        before_shutdown: k & 2 > 0,
        jitter_seed: u32::from(k),
    }
}

pub fn pid(id: Id) -> Pid {
    i32::try_from(id).ok().and_then(|raw| Pid::from_raw(raw + 1000)).expect("ids are small")
}

pub fn refused(how: u8) -> StartError {
    StartError { text: format!("no more of {}", how % 4), transient: how & 1 > 0 }
}

pub fn harmless(line: &str) {
    assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
}
