//! Workers that are programs: their command line, environment and descriptors.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use fdpass::FdPlan;
use reaper::{Child, Credentials, Image, Setup, Stage, spawn};
use sigpolicy::Signal;

use super::machine::StartError;
use super::maker::{Maker, Order};
use crate::birth::PRIVATE;
use crate::sockets::Sockets;

/// What every worker's process has in common.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) umask: Option<u32>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) no_new_privs: bool,
    /// The first listener is standard input, too.
    pub(crate) fcgi: bool,
    /// What the worker gets when the manager dies.
    pub(crate) death_signal: Option<Signal>,
    /// The manager's own environment.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// Whether the user was named, so that HOME and USER are theirs.
    pub(crate) as_user: bool,
}

impl Maker for Program {
    fn make(&mut self, order: &Order<'_>) -> Result<Child, StartError> {
        let (image, setup) = self.prepare(order).map_err(permanent)?;
        spawn(&image, &setup.process_group()).map_err(|error| StartError {
            text: error.to_string(),
            transient: error.stage() == Stage::Clone || passes(error.errno()),
        })
    }
}

/// What goes away by itself: no memory, too many processes, a program that is being written.
fn passes(errno: i32) -> bool {
    [libc::EAGAIN, libc::ENOMEM, libc::ETXTBSY, libc::EMFILE, libc::ENFILE].contains(&errno)
}

fn permanent(text: String) -> StartError {
    StartError { text, transient: false }
}

impl Program {
    /// What to execute and what the process is before that.
    pub(crate) fn prepare<'m>(&self, order: &Order<'m>) -> Result<(Image, Setup<'m>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let sockets = order.sockets;
        let mut plan = sockets.plan().map_err(|error| text(&error))?;
        let mut own = sockets.variables();
        // gunicorn 20.1 takes the same descriptor twice if it is told twice.
        let told = self.args.iter().any(|arg| names_a_descriptor(arg));
        if told {
            own.retain(|(name, _)| !name.starts_with("LISTEN_"));
        }
        own.extend(einhorn(sockets));
        own.push(("PREFORK_SLOT", order.slot.to_string().into()));
        own.push(("PREFORK_GENERATION", order.generation.to_string().into()));
        own.push(("PREFORK_WORKER", order.id.to_string().into()));
        own.extend(order.notify.map(|address| ("NOTIFY_SOCKET", address.into())));
        let mut free = free_numbers(sockets);
        let extra = [
            ("SCOREBOARD_FD", order.board),
            ("ACCESS_LOG_FD", order.access_log),
            ("LIFE_FD", order.life),
        ];
        for (name, fd) in extra {
            if let (Some(fd), Some(at)) = (fd, free.next()) {
                plan.pass(fd, at).map_err(|error| text(&error))?;
                own.push((name, at.to_string().into()));
                if name == "SCOREBOARD_FD" {
                    own.push(("SCOREBOARD_SLOT", order.slot.to_string().into()));
                }
            }
        }
        drop(free);
        if self.fcgi {
            on_stdin(&mut plan, sockets).map_err(|error| text(&error))?;
        }
        let args = fill(&self.args, sockets, order.slot)?;
        let mut image =
            Image::new(&self.program, args, self.environment(own)).map_err(|error| text(&error))?;
        if sockets.speaks_systemd() && !told {
            image = image.env_own_pid("LISTEN_PID");
        }
        let mut setup = Setup::new()
            .fds(plan)
            .keep_open(sockets.keep_open())
            .ignored(order.ignored)
            .mask(order.mask);
        if let Some(dir) = &self.dir {
            setup = setup.dir(dir).map_err(|error| text(&error))?;
        }
        if let Some(umask) = self.umask {
            setup = setup.umask(umask);
        }
        if let Some(credentials) = &self.credentials {
            setup = setup.credentials(credentials.clone());
        }
        if let Some(signal) = self.death_signal {
            setup = setup.death_signal(signal);
        }
        if let Some(limit) = order.open_files {
            setup = setup.restore_nofile(limit);
        }
        if self.no_new_privs {
            setup = setup.no_new_privs();
        }
        Ok((image, setup))
    }

    fn environment(&self, own: Vec<(&'static str, OsString)>) -> Vec<(OsString, OsString)> {
        let ours = |name: &OsStr| {
            PRIVATE.iter().chain(&CONVENTIONS).any(|private| name == *private)
                || name.as_bytes().starts_with(b"EINHORN_FD")
        };
        let mut all: Vec<(OsString, OsString)> =
            self.variables.iter().filter(|(name, _)| !ours(name)).cloned().collect();
        if let (true, Some(credentials)) = (self.as_user, &self.credentials) {
            let name = credentials.name().map(OsString::from);
            let home = credentials.home().map(OsString::from);
            for (variable, value) in [("HOME", home), ("USER", name.clone()), ("LOGNAME", name)] {
                if let Some(value) = value {
                    all.retain(|(present, _)| present != variable);
                    all.push((variable.into(), value));
                }
            }
        }
        all.extend(own.into_iter().map(|(name, value)| (name.into(), value)));
        all
    }
}

/// What another manager, start_server for example, told us and not the workers.
const CONVENTIONS: [&str; 8] = [
    "SERVER_STARTER_PORT",
    "SCOREBOARD_FD",
    "SCOREBOARD_SLOT",
    "ACCESS_LOG_FD",
    "LIFE_FD",
    "PREFORK_SLOT",
    "PREFORK_GENERATION",
    "PREFORK_WORKER",
];

/// Einhorn's variables: all numbers, how many, and each by its place.
fn einhorn(sockets: &Sockets) -> Vec<(&'static str, OsString)> {
    let numbers: Vec<String> = sockets.listeners().map(|(_, at)| at.to_string()).collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let mut variables = vec![
        ("EINHORN_FDS", numbers.join(" ").into()),
        ("EINHORN_FD_COUNT", numbers.len().to_string().into()),
    ];
    variables.extend(EINHORN_NAMES.into_iter().zip(numbers).map(|(name, at)| (name, at.into())));
    variables
}

/// More than that and EINHORN_FDS has to do.
const EINHORN_NAMES: [&str; 16] = [
    "EINHORN_FD_0",
    "EINHORN_FD_1",
    "EINHORN_FD_2",
    "EINHORN_FD_3",
    "EINHORN_FD_4",
    "EINHORN_FD_5",
    "EINHORN_FD_6",
    "EINHORN_FD_7",
    "EINHORN_FD_8",
    "EINHORN_FD_9",
    "EINHORN_FD_10",
    "EINHORN_FD_11",
    "EINHORN_FD_12",
    "EINHORN_FD_13",
    "EINHORN_FD_14",
    "EINHORN_FD_15",
];

/// Numbers that no listener has and nothing that passes through.
fn free_numbers(sockets: &Sockets) -> impl Iterator<Item = i32> {
    let taken = sockets.listeners().map(|(_, at)| at).chain(sockets.keep_open().iter().copied());
    let taken: BTreeSet<i32> = taken.collect();
    (3..i32::MAX).filter(move |number| !taken.contains(number))
}

fn on_stdin<'m>(plan: &mut FdPlan<'m>, sockets: &'m Sockets) -> Result<(), fdpass::PlanError> {
    match sockets.listeners().next() {
        Some((listener, at)) if at != 0 => plan.pass(listener.as_fd(), 0),
        Some(_) | None => Ok(()),
    }
}

/// `{fd}`, `{fd1}` …, `{port}`, `{port1}` … and `{slot}` filled in; `{{fd}}` is `{fd}`. Whatever else
/// stands in braces stays as it is: JSON and templates have their own.
fn fill(args: &[OsString], sockets: &Sockets, slot: u32) -> Result<Vec<OsString>, String> {
    let places: Vec<(i32, Option<u16>)> = sockets
        .listeners()
        .map(|(listener, at)| (at, port(&listener.local_addr().to_string())))
        .collect();
    args.iter().map(|arg| fill_one(arg, &places, slot)).collect()
}

fn port(address: &str) -> Option<u16> {
    if address.starts_with(['/', '@']) { None } else { address.rsplit_once(':')?.1.parse().ok() }
}

/// Whether an argument is to hold a listener's number.
fn names_a_descriptor(arg: &OsStr) -> bool {
    pieces(arg).iter().any(|piece| matches!(piece, Piece::Place(Place::Fd, _)))
}

fn fill_one(arg: &OsStr, places: &[(i32, Option<u16>)], slot: u32) -> Result<OsString, String> {
    let mut filled = Vec::with_capacity(arg.len());
    for piece in pieces(arg) {
        match piece {
            Piece::Literal(bytes) => filled.extend(bytes),
            Piece::Place(what, index) => {
                let text = value_of(what, index, places, slot).ok_or_else(|| {
                    format!("no listener for {{{}}} in the worker's arguments", shown(what, index))
                })?;
                filled.extend(text.into_bytes());
            }
        }
    }
    Ok(OsString::from_vec(filled))
}

/// A part of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t [u8]),
    Place(Place, usize),
}

fn pieces(arg: &OsStr) -> Vec<Piece<'_>> {
    let mut rest = arg.as_bytes();
    let mut pieces = Vec::new();
    while let Some((first, after)) = rest.split_at_checked(1) {
        let quoted = rest.strip_prefix(b"{{").and_then(|inner| cut(inner, b"}}"));
        let plain = rest.strip_prefix(b"{").and_then(|inner| cut(inner, b"}"));
        rest = match (quoted, plain) {
            (Some((word, _, left)), _) => {
                pieces.extend([b"{", word, b"}"].map(Piece::Literal));
                left
            }
            (None, Some((_, (what, index), left))) => {
                pieces.push(Piece::Place(what, index));
                left
            }
            (None, None) => {
                pieces.push(Piece::Literal(first));
                after
            }
        };
    }
    pieces
}

/// A word, what it stands for, and what follows it.
type Cut<'t> = (&'t [u8], (Place, usize), &'t [u8]);

/// The word up to the end mark, what it stands for, and the rest; `None` if it is no placeholder.
fn cut<'t>(text: &'t [u8], end: &[u8]) -> Option<Cut<'t>> {
    let at = text.iter().position(|byte| *byte == b'}')?;
    let (word, rest) = text.split_at_checked(at)?;
    let place = place_of(std::str::from_utf8(word).ok()?)?;
    Some((word, place, rest.strip_prefix(end)?))
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Place {
    Fd,
    Port,
    Slot,
}

fn place_of(word: &str) -> Option<(Place, usize)> {
    let index = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    match word {
        "slot" => Some((Place::Slot, 0)),
        _ => match (word.strip_prefix("fd"), word.strip_prefix("port")) {
            (Some(digits), _) => index(digits).map(|index| (Place::Fd, index)),
            (_, Some(digits)) => index(digits).map(|index| (Place::Port, index)),
            (None, None) => None,
        },
    }
}

fn value_of(what: Place, index: usize, places: &[(i32, Option<u16>)], slot: u32) -> Option<String> {
    match what {
        Place::Slot => Some(slot.to_string()),
        Place::Fd => places.get(index).map(|(fd, _)| fd.to_string()),
        Place::Port => places.get(index).and_then(|(_, port)| *port).map(|port| port.to_string()),
    }
}

fn shown(what: Place, index: usize) -> String {
    let name = match what {
        Place::Fd => "fd",
        Place::Port => "port",
        Place::Slot => "slot",
    };
    if index == 0 { name.to_owned() } else { format!("{name}{index}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in() {
        let places = [(3, Some(8080)), (4, None)];
        let fill = |text: &str| {
            fill_one(OsStr::new(text), &places, 7).map(|text| text.into_string().unwrap())
        };
        for (text, filled) in [
            ("fd://{fd}", "fd://3"),
            ("{fd1}{fd0}", "43"),
            ("--port={port}", "--port=8080"),
            ("w{slot}", "w7"),
            ("{{fd}}", "{fd}"),
            ("{{fd}", "{3"),
            ("{{.Name}} {{}}", "{{.Name}} {{}}"),
            ("{\"a\": {\"b\": {fd}}}", "{\"a\": {\"b\": 3}}"),
            ("{}", "{}"),
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("{fd", "{fd"),
            ("fd}", "fd}"),
            ("{fdx}", "{fdx}"),
            ("", ""),
        ] {
            assert_eq!(fill(text).unwrap(), filled, "{text}");
        }
        assert_eq!(
            fill("{port1}").unwrap_err(),
            "no listener for {port1} in the worker's arguments"
        );
        assert!(fill("{fd2}").is_err());
        let odd = OsStr::from_bytes(b"\xff{slot}");
        assert_eq!(fill_one(odd, &places, 1).unwrap().as_bytes(), b"\xff1");
    }

    #[test]
    fn descriptors_that_are_named() {
        let named = |text: &str| names_a_descriptor(OsStr::new(text));
        assert!(named("fd://{fd}") && named("{fd7}"));
        assert!(!named("{{fd}}") && !named("{port}") && !named("fd"));
    }

    #[test]
    fn ports_of_addresses() {
        assert_eq!(port("127.0.0.1:80"), Some(80));
        assert_eq!(port("[::1]:443"), Some(443));
        assert_eq!(port("/run/a:80"), None);
        assert_eq!(port("@a:80"), None);
    }
}
