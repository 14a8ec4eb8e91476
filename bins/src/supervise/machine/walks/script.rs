//! What happens in a walk, written down so that parts of it can be left out.

use fastrand::Rng;
use reaper::Exit;
use sigpolicy::Signal;

use super::scenario::{Scenario, pick};
use super::world::World;
use crate::supervise::machine::types::{After, Input, Order};

/// A step of a walk. Numbers count what is there when it comes, modulo how many there are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Milliseconds go by.
    Pass(u64),
    /// All deadlines of a while go by: until the machine waits for nothing, or this many.
    Deadlines(u8),
    /// A process ends by itself, with this wait status.
    Exit(u8, i32),
    Start(u8),
    Stop(u8),
    Kill(u8),
    Signal(u8, i32),
    Reload(u8),
    Ready(u8),
    Alive(u8),
    Unhealthy(u8),
    /// The configuration changes, as this seed says.
    Apply(u64),
    Shutdown(After),
    /// All processes behave from now on; everything that can be well is well after a while.
    Settle,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    seed: u64,
    steps: Vec<Step>,
}

/// What was violated.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) why: String,
    /// Of a walk that was asked to keep it.
    pub(super) history: String,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut steps: Vec<Step> =
            (0..random.usize(3..20)).map(|_| Self::step(&mut random)).collect();
        if random.u8(..3) == 0 {
            steps.push(Step::Settle);
        }
        Self { seed, steps }
    }

    fn step(random: &mut Rng) -> Step {
        let nth = random.u8(..);
        match random.u8(..40) {
            0..8 => Step::Pass(random.u64(..300)),
            8..13 => Step::Pass(random.u64(..4000)),
            13..18 => Step::Deadlines(random.u8(1..5)),
            18..22 => Step::Exit(nth, pick(random, &[0, 0, 256, 512, 9, 11])),
            22..25 => Step::Start(nth),
            25..28 => Step::Stop(nth),
            28 => Step::Kill(nth),
            29 => Step::Signal(nth, pick(random, &[1, 2, 10, 15, 9])),
            30 => Step::Reload(nth),
            31..33 => Step::Ready(nth),
            33 => Step::Alive(nth),
            34 => Step::Unhealthy(nth),
            35..38 => Step::Apply(random.u64(..)),
            38 if random.u8(..4) == 0 => {
                Step::Shutdown(pick(random, &[After::Leave(0), After::Leave(3), After::Again]))
            }
            _ => Step::Deadlines(20),
        }
    }

    /// A shorter script that is wrong, too: steps are left out while that is so.
    pub(super) fn shortened(&self) -> Self {
        let mut best = self.clone();
        let mut length = best.steps.len();
        while length > 0 {
            let mut at = 0;
            while at + length <= best.steps.len() {
                let mut shorter = best.clone();
                shorter.steps.drain(at..at + length);
                match play(&shorter, false) {
                    Err(_) => best = shorter,
                    Ok(()) => at += 1,
                }
            }
            length /= 2;
        }
        best
    }
}

/// Plays a script to its end, which is always the end of the machine.
///
/// # Errors
/// The first violation.
pub(super) fn play(script: &Script, keep: bool) -> Result<(), Violation> {
    let world = run(script, keep);
    match world.watch.violated.clone() {
        Some(why) => Err(Violation { why, history: world.history() }),
        None => Ok(()),
    }
}

/// All that happens.
pub(super) fn history(script: &Script) -> String {
    run(script, true).history()
}

fn run(script: &Script, keep: bool) -> World {
    let mut random = Rng::with_seed(!script.seed);
    let mut world = World::new(script.seed, Scenario::new(&mut random), keep);
    world.begin();
    for step in &script.steps {
        if world.watch.violated.is_some() || world.watch.finished.is_some() {
            break;
        }
        take(&mut world, step);
    }
    if world.watch.violated.is_none() {
        world.end();
    }
    world
}

fn take(world: &mut World, step: &Step) {
    world.note(step);
    match *step {
        Step::Pass(millis) => world.pass(super::scenario::ms(millis)),
        Step::Deadlines(count) => world.deadlines(count),
        Step::Exit(nth, raw) => {
            if let Some(id) = world.living(nth) {
                world.exit(id, Exit::from_raw(raw));
            }
        }
        Step::Start(nth) => world.order(nth, Order::Start),
        Step::Stop(nth) => world.order(nth, Order::Stop),
        Step::Kill(nth) => world.order(nth, Order::Kill),
        Step::Signal(nth, raw) => {
            let signal = Signal::from_raw(raw).unwrap();
            world.order(nth, |id| Order::Signal(id, signal));
        }
        Step::Reload(nth) => world.order(nth, Order::Reload),
        Step::Ready(nth) => world.tell(nth, Input::Ready),
        Step::Alive(nth) => world.tell(nth, Input::Alive),
        Step::Unhealthy(nth) => world.tell(nth, Input::Unhealthy),
        Step::Apply(seed) => world.apply(&mut Rng::with_seed(seed)),
        Step::Shutdown(after) => world.feed(Input::Shutdown(after)),
        Step::Settle => world.settle(),
    }
}
