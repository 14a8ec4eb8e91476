use std::time::Duration;

use reaper::Moment;

use super::*;

mod curves;
mod simulation;
mod tables;
mod timing;
mod walks;

fn rules(size: Size) -> PoolRules {
    PoolRules {
        size,
        start_workers: match size {
            Size::Spare { min, .. } => min,
            Size::Fixed(_) | Size::OnDemand => 0,
        },
        max_workers: 150,
        max_spawn_rate: 0,
        idle_timeout: Duration::from_secs(10),
        max_memory: None,
        max_pressure: 90,
    }
}

fn spare(min: u32, max: u32) -> PoolRules {
    rules(Size::Spare { min, max })
}

fn ms(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// A pool of which everything can be seen and where nobody waits.
fn calm(idle: u32, busy: u32) -> Look {
    Look { members: idle + busy, idle, busy, queue: Some(0), ..Look::default() }
}

/// The same, but a queue cannot be seen.
fn dim(idle: u32, busy: u32) -> Look {
    Look { queue: None, ..calm(idle, busy) }
}

fn arrived(look: Look) -> Look {
    Look { arrived: true, ..look }
}

fn waiting(queue: u32, look: Look) -> Look {
    Look { queue: Some(queue), ..look }
}

/// A pool that has its first workers.
fn begun(rules: PoolRules) -> Pool {
    let mut pool = Pool::new(rules);
    let first = pool.target();
    pool.decide(Moment::ZERO, &calm(first, 0));
    pool
}
