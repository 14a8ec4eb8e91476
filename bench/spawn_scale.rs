//! Spawn and reap through the crate `reaper` beside a given number of living children.
//!
//! ```text
//! spawn_scale LIVING ROUNDS STAMP        prints one line of JSON; see bench/README.md
//! ```
//!
//! The counterpart in C is `bench/floor/wait_spawn.c`; STAMP is the child compiled from `bench/floor/stamp.c`.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reaper::{EventLoop, Image, Key, Setup, Wakeup};
use rustix::time::{ClockId, clock_gettime};
use sigpolicy::{Policy, Signal};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "spawn_scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let mut count = || args.next()?.to_str()?.parse::<usize>().ok();
    let (Some(living), Some(rounds)) = (count(), count()) else {
        return Err("usage: spawn_scale LIVING ROUNDS STAMP".into());
    };
    let stamp = args.next().ok_or("usage: spawn_scale LIVING ROUNDS STAMP")?;
    let image =
        |mode: &str| Image::new(&stamp, ["-", mode].map(OsString::from), std::env::vars_os());
    let (sleeper, mayfly) = (image("hold")?, image("exit")?);
    let setup = Setup::new();
    let mut events = EventLoop::new(Policy::new().catch(&[Signal::CHLD]).install()?)?;

    let start = Instant::now();
    let mut keys = HashSet::new();
    for _ in 0..living {
        keys.insert(events.child(reaper::spawn(&sleeper, &setup)?));
    }
    let fill = per_child(start.elapsed(), living);
    // The same pause as in C: the last ones get to sleep.
    std::thread::sleep(Duration::from_micros(100_000 + 100 * living as u64));

    let (mut spawned, mut reaped) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    let before = cpu();
    for _ in 0..rounds {
        let start = Instant::now();
        let child = reaper::spawn(&mayfly, &setup)?;
        spawned.push(micros(start.elapsed()));
        let mut one = HashSet::from([events.child(child)]);
        wait_for(&mut events, &mut one)?;
        reaped.push(micros(start.elapsed()));
    }
    let used = micros(cpu().saturating_sub(before)) / rounds.max(1) as f64;

    let start = Instant::now();
    for key in &keys {
        events.signal(*key, Signal::KILL)?;
    }
    wait_for(&mut events, &mut keys)?;
    let all_die = per_child(start.elapsed(), living);

    writeln!(
        io::stdout(),
        "{{\"living\": {living}, \"rounds\": {rounds}, \"fill_us\": {fill:.1}, \"spawn_us\": {:.1}, \
         \"reaped_us\": {:.1}, \"cpu_us\": {used:.1}, \"all_die_us\": {all_die:.1}}}",
        median(&mut spawned),
        median(&mut reaped)
    )?;
    Ok(())
}

/// Waits until every one of `keys` has been reaped.
fn wait_for(events: &mut EventLoop, keys: &mut HashSet<Key>) -> io::Result<()> {
    let mut wakeups = Vec::new();
    while !keys.is_empty() {
        events.wait(None, &mut wakeups)?;
        for wakeup in wakeups.drain(..) {
            if let Wakeup::Exited(key, _) = wakeup {
                keys.remove(&key);
            }
        }
    }
    Ok(())
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn per_child(time: Duration, living: usize) -> f64 {
    if living == 0 { 0.0 } else { micros(time) / living as f64 }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
