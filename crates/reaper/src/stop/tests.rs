use super::*;
use std::collections::HashSet;

const SECOND: Duration = Duration::from_secs(1);
const INPUTS: [StopInput; 4] = [StopInput::Ask, StopInput::Hurry, StopInput::Tick, StopInput::Gone];

fn policies() -> Vec<StopPolicy> {
    let mut policies = Vec::new();
    for polite in [Signal::TERM, Signal::QUIT, Signal::KILL] {
        for grace in [None, Some(Duration::ZERO), Some(SECOND), Some(10 * SECOND)] {
            for resend in [Duration::ZERO, SECOND, 5 * SECOND] {
                policies.push(StopPolicy { polite, grace, resend });
            }
        }
    }
    policies
}

/// What an observer of the inputs and signals expects, written down apart from the machine.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Observer {
    asked: Option<Moment>,
    first: Option<Moment>,
    last_kill: Option<Moment>,
    gone: bool,
}

impl Observer {
    fn watch(&mut self, policy: &StopPolicy, now: Moment, input: StopInput, sent: &[Signal]) {
        assert!(sent.len() <= 1, "one step sends one signal at most");
        if let Some(signal) = sent.first() {
            assert!(!self.gone && input != StopInput::Gone, "nobody signals the dead");
            if self.first.is_none() {
                assert!(matches!(input, StopInput::Ask | StopInput::Hurry));
                if input == StopInput::Ask {
                    assert_eq!(*signal, policy.polite);
                }
                self.first = Some(now);
            } else {
                assert_eq!(*signal, Signal::KILL, "the polite signal is sent once");
            }
            if *signal == Signal::KILL {
                self.check_kill(policy, now, input);
                self.last_kill = Some(now);
            } else {
                self.asked = Some(now);
            }
        }
        self.gone |= input == StopInput::Gone;
    }

    fn check_kill(&self, policy: &StopPolicy, now: Moment, input: StopInput) {
        match (self.last_kill, self.asked) {
            (Some(last), _) => {
                assert_eq!(input, StopInput::Tick);
                assert!(now.saturating_since(last) >= policy.resend.max(SHORTEST_RESEND));
            }
            (None, Some(asked)) if input == StopInput::Tick => {
                assert!(now.saturating_since(asked) >= policy.grace.unwrap());
            }
            (None, Some(_)) => assert_eq!(input, StopInput::Hurry),
            (None, None) => assert!(input == StopInput::Hurry || policy.polite == Signal::KILL),
        }
    }
}

fn check_state(stop: &Stop, observer: &Observer, policy: &StopPolicy) {
    assert_eq!(stop.outcome().is_some(), observer.gone);
    assert_eq!(stop.is_running(), observer.first.is_some() && !observer.gone);
    let expected = match observer {
        Observer { gone: true, .. } => None,
        Observer { last_kill: Some(last), .. } => Some(*last + policy.resend.max(SHORTEST_RESEND)),
        Observer { asked: Some(asked), .. } => policy.grace.map(|grace| *asked + grace),
        _ => None,
    };
    assert_eq!(stop.deadline(), expected);
    if let Some(stopped) = stop.outcome() {
        assert_eq!(stopped.killed, observer.last_kill.is_some());
    }
}

/// Every state within five inputs, each input after each of several delays.
#[test]
fn every_reachable_state_is_sane() {
    let mut steps = 0;
    for policy in policies() {
        let mut layer =
            HashSet::from([(Stop::new(policy), Observer::default(), Moment::from_nanos(7))]);
        for _ in 0..5 {
            let mut next = HashSet::new();
            for (stop, observer, now) in layer {
                let to_deadline = stop.deadline().map_or(SECOND, |due| due.saturating_since(now));
                let just_before = to_deadline.saturating_sub(Duration::from_nanos(1));
                for delay in [Duration::ZERO, just_before, to_deadline, to_deadline + SECOND] {
                    for input in INPUTS {
                        let (mut stop, mut observer) = (stop.clone(), observer.clone());
                        let (now, mut sent) = (now + delay, Vec::new());
                        let was_due = stop.deadline().is_some_and(|due| due <= now);
                        stop.step(now, input, &mut sent);
                        observer.watch(&policy, now, input, &sent);
                        check_state(&stop, &observer, &policy);
                        if was_due && input == StopInput::Tick {
                            assert_eq!(sent, [Signal::KILL]);
                            assert!(stop.deadline().unwrap() > now, "the host would spin");
                        }
                        steps += 1;
                        // The dead stay dead, which `watch` has seen: no need to go deeper.
                        if !observer.gone {
                            next.insert((stop, observer, now));
                        }
                    }
                }
            }
            layer = next;
        }
    }
    assert!(steps > 50_000, "{steps}");
}

#[test]
fn nothing_moves_the_dead() {
    for policy in policies() {
        let mut sent = Vec::new();
        let mut stop = Stop::new(policy);
        stop.step(Moment::ZERO, StopInput::Ask, &mut sent);
        stop.step(Moment::ZERO + SECOND, StopInput::Gone, &mut sent);
        let end = stop.clone();
        for input in INPUTS {
            stop.step(Moment::MAX, input, &mut sent);
            assert_eq!(stop, end);
        }
        assert_eq!(sent, [policy.polite]);
        assert_eq!(stop.outcome().unwrap().waited, SECOND);
    }
}

#[test]
fn a_usual_course() {
    let mut stop = Stop::new(StopPolicy::default());
    let mut course = Vec::new();
    let mut now = Moment::ZERO;
    stop.step(now, StopInput::Ask, &mut course);
    for _ in 0..3 {
        now = stop.deadline().unwrap();
        stop.step(now, StopInput::Tick, &mut course);
    }
    assert_eq!(course, [Signal::TERM, Signal::KILL, Signal::KILL, Signal::KILL]);
    stop.step(now, StopInput::Gone, &mut course);
    let stopped = Stopped { killed: true, waited: 20 * SECOND };
    assert_eq!(stop.outcome(), Some(stopped));
}
