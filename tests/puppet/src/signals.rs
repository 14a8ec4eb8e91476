//! What the puppet does on a signal.

use std::collections::HashMap;

use rustix::event::{PollFd, PollFlags, poll};
use sigpolicy::{Policy, Signal};

use crate::steps::{exit, expand, fail, write_line};

#[derive(Clone)]
enum Reaction {
    Exit(i32),
    Ignore,
    Say(String),
}

/// Installs every `on` line, and the reaction to TERM, before the first step runs.
pub fn install(lines: &[&str]) {
    let mut reactions = HashMap::from([(Signal::TERM, None)]);
    for line in lines {
        let Some(rest) = line.strip_prefix("on ") else { continue };
        let (name, what) = rest.split_once(' ').unwrap_or((rest, "ignore"));
        let Ok(signal) = name.parse::<Signal>() else { fail(&format!("puppet: {line}")) };
        let reaction = match what.split_once(' ').unwrap_or((what, "")) {
            ("exit", code) => Reaction::Exit(code.parse().unwrap_or(0)),
            ("say", text) => Reaction::Say(text.to_owned()),
            ("default", _) => {
                reactions.remove(&signal);
                continue;
            }
            _ => Reaction::Ignore,
        };
        reactions.insert(signal, Some(reaction));
    }
    let caught: Vec<Signal> = reactions.keys().copied().collect();
    let mut signals = match Policy::new().catch(&caught).install() {
        Ok(signals) => signals,
        Err(error) => fail(&format!("puppet: {error}")),
    };
    std::thread::spawn(move || {
        let mut arrived = Vec::new();
        loop {
            let _ = poll(&mut [PollFd::new(&signals, PollFlags::IN)], None);
            signals.drain(&mut arrived);
            for signal in arrived.drain(..) {
                match reactions.get(&signal) {
                    Some(Some(Reaction::Exit(code))) => exit(*code),
                    Some(Some(Reaction::Say(text))) => write_line(1, &expand(text)),
                    Some(None) => {
                        write_line(1, &expand("bye $PID"));
                        exit(0);
                    }
                    Some(Some(Reaction::Ignore)) | None => {}
                }
            }
        }
    });
}
