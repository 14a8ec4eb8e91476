//! Whole configurations under every chance: seeded walks of the machine beside a pretended kernel.
//!
//! `SUPERDAEMON_WALKS` sets how many; `SUPERDAEMON_WALK_SEED` plays one of them and tells all of it.
//! What a violation leaves behind is the seed, the shortest list of steps that still shows it, and
//! the history of these steps: every input with what the machine made of it.

mod calm;
mod invariants;
mod kernel;
mod rules;
mod scenario;
mod script;
mod starts;
mod stops;
mod world;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use script::{Script, play};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Says which walk was under way when the machine itself panicked.
struct Said(u64);

impl Drop for Said {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the walk of seed {}", self.0);
        }
    }
}

/// What is wrong with a walk, by the shortest script that is wrong, too.
fn walk(seed: u64) -> Result<(), String> {
    let said = Said(seed);
    let script = Script::new(seed);
    if let Err(first) = play(&script, false) {
        let short = script.shortened();
        let (why, history) = match play(&short, true) {
            Err(violation) => (violation.why, violation.history),
            Ok(()) => (first.why, first.history),
        };
        return Err(format!("seed {seed}: {why}\n{short:?}\n{history}"));
    }
    drop(said);
    Ok(())
}

#[test]
fn random_walks() {
    let count = number("SUPERDAEMON_WALKS").unwrap_or(20_000);
    let seeds = match number("SUPERDAEMON_WALK_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..count,
    };
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let wrong = thread::scope(|scope| {
        let work = || -> Result<(), String> {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return Ok(());
                }
                // The others need not go on: one report is enough.
                walk(seed).inspect_err(|_| next.store(end, Ordering::Relaxed))?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().find_map(|worker| worker.join().unwrap().err())
    });
    assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
}

/// A walk is what its seed says and nothing else, or a report could not be played again.
#[test]
fn the_same_seed_is_the_same_walk() {
    for seed in 0..5 {
        let script = Script::new(seed);
        assert_eq!(script, Script::new(seed));
        let history = || script::history(&script);
        assert_eq!(history(), history());
        assert!(history().lines().count() > 5, "{}", history());
    }
}
