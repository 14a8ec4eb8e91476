//! Values of options, each looked at by itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use fdpass::ListenSpec;
use sigpolicy::Signal;

use crate::cli::{At, Kind, LONGEST, Value, Values, one_line, parse_value};
use crate::log::LogTarget;
use crate::prefork::config::{ClientGone, Orphans, Reload, Trap};

/// Reads values and collects what is wrong with them, so that one run shows everything.
#[derive(Debug)]
pub(super) struct Reader<'v> {
    pub(super) values: &'v Values,
    pub(super) problems: Vec<String>,
}

impl Reader<'_> {
    fn wrong<T>(&mut self, option: &str, wanted: &str, text: &OsStr) -> Option<T> {
        self.problems.push(format!("--{option} takes {wanted}, not \"{}\"", one_line(text)));
        None
    }

    /// In the order of the command line.
    pub(super) fn listeners(&mut self, ports: &[At], paths: &[At]) -> Vec<ListenSpec> {
        let values = self.values;
        let port = |at: &At| {
            let text = values.text(Some(*at)).unwrap_or_default();
            let text = text.to_str().ok_or_else(|| {
                format!(
                    "--listen takes a port or an address and a port, not \"{}\"",
                    one_line(text)
                )
            })?;
            ListenSpec::from_port(text).map_err(|error| error.to_string())
        };
        let path = |at: &At| {
            let text = values.text(Some(*at)).unwrap_or_default();
            ListenSpec::from_path(text).map_err(|error| error.to_string())
        };
        let mut all: Vec<(At, Result<ListenSpec, String>)> =
            ports.iter().map(|at| (*at, port(at))).collect();
        all.extend(paths.iter().map(|at| (*at, path(at))));
        all.sort_by_key(|(at, _)| *at);
        let mut listeners = Vec::new();
        for (_, spec) in all {
            match spec {
                Ok(spec) => listeners.push(spec),
                Err(line) => self.problems.push(line),
            }
        }
        listeners
    }

    pub(super) fn file(&self, at: Option<At>) -> Option<PathBuf> {
        self.values.text(at).map(PathBuf::from)
    }

    pub(super) fn command(&self, at: Option<At>) -> Option<OsString> {
        self.values.text(at).map(OsString::from)
    }

    pub(super) fn log(&mut self, option: &str, at: Option<At>) -> Option<LogTarget> {
        let text = self.values.text(at)?;
        let Some(command) = text.as_bytes().strip_prefix(b"|") else {
            return Some(LogTarget::File(PathBuf::from(text)));
        };
        let command = command.trim_ascii();
        if command.is_empty() {
            return self.wrong(option, "a file, or a command after \"|\"", text);
        }
        Some(LogTarget::Command(OsString::from_vec(command.to_vec())))
    }

    /// The name or number of a user or group; whether there is one is not known here.
    pub(super) fn name(&mut self, option: &str, at: Option<At>) -> Option<String> {
        let text = self.values.text(at)?;
        match text.to_str() {
            Some(name) if !name.contains(':') => Some(name.to_owned()),
            _ => self.wrong(option, &format!("a {option} name or number"), text),
        }
    }

    pub(super) fn owner(&mut self, at: Option<At>) -> Option<String> {
        let text = self.values.text(at)?;
        let owner = text.to_str().filter(|owner| match owner.split_once(':') {
            Some((_, group)) => !group.is_empty() && !group.contains(':'),
            None => true,
        });
        match owner {
            Some(owner) => Some(owner.to_owned()),
            None => self.wrong("path-owner", "USER, USER:GROUP or :GROUP", text),
        }
    }

    /// For lists of processes, where one line is one process.
    pub(super) fn title(&mut self, at: Option<At>) -> Option<String> {
        let text = self.values.text(at)?;
        match text.to_str().filter(|title| !title.contains(char::is_control)) {
            Some(title) => Some(title.to_owned()),
            None => self.wrong("title", "one line of text", text),
        }
    }

    pub(super) fn signal(&mut self, option: &str, at: Option<At>) -> Option<Signal> {
        let text = self.values.text(at)?;
        match signal(text) {
            Some(signal) => Some(signal),
            None => self.wrong(option, SIGNAL, text),
        }
    }

    /// One that makes a process leave, which these never do.
    pub(super) fn leaving(&mut self, option: &str, at: Option<At>) -> Option<Signal> {
        let signal = self.signal(option, at)?;
        if [Signal::STOP, Signal::CONT, Signal::CHLD, Signal::WINCH, Signal::URG].contains(&signal)
        {
            self.problems.push(format!(
                "--{option}={signal} would not make a worker leave: take TERM, QUIT, INT, USR1 or \
                 whatever it leaves on"
            ));
        }
        Some(signal)
    }

    /// Not 0, which stands for no limit.
    pub(super) fn limit(&self, at: Option<At>) -> Option<Duration> {
        self.values.seconds(at).filter(|time| !time.is_zero())
    }

    /// Not 0, which stands for no limit.
    pub(super) fn size(&self, at: Option<At>) -> Option<u64> {
        self.values.size(at).filter(|bytes| *bytes > 0)
    }

    /// 0 waits for as long as the machine will run.
    pub(super) fn patience(&self, at: Option<At>, default: Duration) -> Duration {
        match self.values.seconds(at) {
            Some(Duration::ZERO) => LONGEST,
            Some(time) => time,
            None => default,
        }
    }

    pub(super) fn percent(&mut self, option: &str, at: Option<At>) -> Option<u32> {
        let number = self.values.count(at)?;
        if number > 100 {
            self.problems
                .push(format!("--{option} takes a percentage from 0 to 100, not {number}"));
        }
        Some(number)
    }

    /// An interval at which something is done again and again.
    pub(super) fn interval(&mut self, option: &str, at: Option<At>) -> Option<Duration> {
        let time = self.values.seconds(at)?;
        if time < SHORTEST {
            self.problems
                .push(format!("--{option} takes 0.1 seconds or more, not {}", time.as_secs_f64()));
        }
        Some(time)
    }

    /// `SOFT[:GRACE]`.
    pub(super) fn request_timeout(&mut self, at: Option<At>) -> (Option<Duration>, Duration) {
        let Some(text) = self.values.text(at) else { return (None, super::REQUEST_GRACE) };
        let (soft, grace) = split_once(text, b':');
        let soft = seconds(soft);
        let grace = grace.map_or(Some(super::REQUEST_GRACE), seconds);
        match (soft, grace) {
            (Some(soft), Some(grace)) => (Some(soft).filter(|soft| !soft.is_zero()), grace),
            _ => {
                let wanted = "seconds, and perhaps more seconds until KILL, such as 30 or 30:5";
                (self.wrong("request-timeout", wanted, text), super::REQUEST_GRACE)
            }
        }
    }

    pub(super) fn reload(&mut self, at: Option<At>) -> Reload {
        let chosen = self.choice(
            "reload",
            at,
            &[("all", Reload::All), ("rolling", Reload::Rolling), ("replace", Reload::Replace)],
        );
        chosen.unwrap_or_default()
    }

    pub(super) fn orphans(&mut self, at: Option<At>) -> Orphans {
        let ways = [("leave", Orphans::Leave), ("stay", Orphans::Stay)];
        self.choice("orphans", at, &ways).unwrap_or_default()
    }

    fn choice<T: Copy>(&mut self, option: &str, at: Option<At>, all: &[(&str, T)]) -> Option<T> {
        let text = self.values.text(at)?;
        if let Some((_, chosen)) = all.iter().find(|(name, _)| text == *name) {
            return Some(*chosen);
        }
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let (last, others) = names.split_last()?;
        self.wrong(option, &format!("{} or {last}", others.join(", ")), text)
    }

    pub(super) fn traps(&mut self, all: &[At]) -> Vec<Trap> {
        let mut traps: Vec<Trap> = Vec::new();
        for at in all {
            let Some(text) = self.values.text(Some(*at)) else { continue };
            let Some(trap) = trap(text) else {
                let wanted = "SIG=SIG, SIG=SIG:SECONDS or SIG=none, such as HUP=TERM:0.5";
                let _: Option<()> = self.wrong("trap", wanted, text);
                continue;
            };
            let received = trap.received;
            if UNTRAPPABLE.contains(&received) {
                self.problems.push(format!(
                    "--trap: a manager cannot be told anything by {received}: take HUP, USR2 or the \
                     like"
                ));
            } else if received == Signal::TERM && trap.sent.is_none() {
                self.problems.push(
                    "--trap=TERM=none would leave no way to stop: name the signal that workers get"
                        .to_owned(),
                );
            } else if traps.iter().any(|other| other.received == received) {
                self.problems.push(format!("--trap says twice what {received} does: leave one"));
            }
            traps.push(trap);
        }
        traps
    }

    pub(super) fn client_gone(&mut self, at: Option<At>) -> Option<ClientGone> {
        let text = self.values.text(at)?;
        if text == "log" {
            return Some(ClientGone::Log);
        }
        let Some(name) = text.as_bytes().strip_prefix(b"signal:") else {
            return Some(ClientGone::Command(text.to_owned()));
        };
        match signal(OsStr::from_bytes(name)) {
            Some(signal) => Some(ClientGone::Signal(signal)),
            None => {
                let wanted = "log, signal:SIG (a name such as USR1) or a shell command";
                self.wrong("on-client-disconnect", wanted, text)
            }
        }
    }
}

const SIGNAL: &str = "a signal's name, such as TERM or RTMIN+3, or its number, 1 to 64";

/// What happens again and again should leave the machine some time for itself.
const SHORTEST: Duration = Duration::from_millis(100);

/// They cannot be caught, tell of a fault, or come for reasons of the manager's own.
const UNTRAPPABLE: [Signal; 11] = [
    Signal::KILL,
    Signal::STOP,
    Signal::CHLD,
    Signal::PIPE,
    Signal::SEGV,
    Signal::BUS,
    Signal::ILL,
    Signal::FPE,
    Signal::ABRT,
    Signal::TRAP,
    Signal::SYS,
];

pub(super) fn signal(text: &OsStr) -> Option<Signal> {
    text.to_str()?.parse().ok()
}

fn seconds(text: &OsStr) -> Option<Duration> {
    match parse_value(Kind::Seconds, text) {
        Some(Value::Seconds(time)) => Some(time),
        _ => None,
    }
}

fn trap(text: &OsStr) -> Option<Trap> {
    let (received, rest) = split_once(text, b'=');
    let received = signal(received)?;
    let rest = rest?;
    if rest == "none" {
        return Some(Trap { received, sent: None, interval: Duration::ZERO });
    }
    let (sent, interval) = split_once(rest, b':');
    let interval = interval.map_or(Some(Duration::ZERO), seconds)?;
    Some(Trap { received, sent: Some(signal(sent)?), interval })
}

fn split_once(text: &OsStr, mark: u8) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    let cut = bytes.iter().position(|byte| *byte == mark).and_then(|at| bytes.split_at_checked(at));
    match cut {
        Some((before, [_, after @ ..])) => {
            (OsStr::from_bytes(before), Some(OsStr::from_bytes(after)))
        }
        _ => (text, None),
    }
}
