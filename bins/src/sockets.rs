//! The listeners: taken over from a service manager or bound, numbered for the
//! workers, and told to them under every convention.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;

use fdpass::wire::{SocketInfo, encode_server_starter, encode_sockets_json};
use fdpass::{BindOptions, FdPlan, Inherited, ListenSpec, Listener, PlanError, bind};
use reaper::{Limit, Resource, group_id, user_id};

use crate::files::Failed;

/// The first number of LISTEN_FDS (sd_listen_fds(3)).
const FIRST: i32 = 3;
/// Standard output and error, which go to a worker as descriptors, too.
const STREAMS: u64 = 2;

/// A listener and its number in the workers.
#[derive(Debug)]
struct Numbered {
    listener: Listener,
    at: i32,
    /// Its name in LISTEN_FDNAMES, when a service manager gave it one.
    given: Option<OsString>,
}

/// All listeners of one server.
#[derive(Debug)]
pub struct Sockets {
    all: Vec<Numbered>,
    /// Numbers that were open when the server started and go on to the workers untouched.
    keep_open: Vec<i32>,
}

/// What [`Sockets::open`] has to say besides errors, in order.
pub type Notes = Vec<String>;

impl Sockets {
    /// Adopts the sockets of LISTEN_FDS, binds the others, and gives each its number.
    ///
    /// A socket from the service manager stands for the `--port` or `--path` that
    /// names its address; the rest of them come last, under their addresses.
    ///
    /// # Errors
    /// When a socket cannot be bound or a number is taken; whatever was bound by
    /// then is gone again.
    pub fn open(
        specs: &[ListenSpec],
        options: &BindOptions,
        inherited: Inherited,
        passing: &[i32],
    ) -> Result<(Self, Notes), Failed> {
        let mut notes = Vec::new();
        let mut handed: Vec<Listener> = inherited.into_listeners();
        let mut listeners: Vec<Listener> = Vec::new();
        let mut given: Vec<Option<OsString>> = Vec::new();
        for spec in specs {
            let listener = match handed.iter().position(|listener| listener.matches(spec)) {
                Some(index) => {
                    let listener = handed.remove(index);
                    given.push(Some(listener.name().to_owned()));
                    listener.with_name(spec.name()).with_wanted_fd(spec.fd())
                }
                None => match bind(spec, options) {
                    Ok(listener) => {
                        given.push(None);
                        listener
                    }
                    Err(error) => {
                        unlink(&listeners);
                        let code = error.errno().and_then(|errno| u8::try_from(errno).ok());
                        return Err(Failed::new(error.to_string(), code.unwrap_or(255)));
                    }
                },
            };
            if listener.replaced_stale() {
                let name = listener.name().to_string_lossy();
                notes.push(format!("removing existing socket file:{name}"));
            }
            if let Some(fd) = listener.wanted_fd() {
                notes.push(format!("socket is duplicated to file descriptor {fd}"));
            }
            listeners.push(listener);
        }
        for listener in handed {
            given.push(Some(listener.name().to_owned()));
            let name = listener.local_addr().to_name();
            listeners.push(listener.with_name(name));
        }
        match number(&listeners, passing) {
            Ok(numbers) => {
                let all = listeners.into_iter().zip(numbers).zip(given);
                let all =
                    all.map(|((listener, at), given)| Numbered { listener, at, given }).collect();
                Ok((Self { all, keep_open: passing.to_vec() }, notes))
            }
            Err(failed) => {
                unlink(&listeners);
                Err(failed)
            }
        }
    }

    /// The variables that tell a worker of its sockets.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let pairs: Vec<(&OsStr, i32)> =
            self.all.iter().map(|socket| (socket.listener.name(), socket.at)).collect();
        let infos: Vec<SocketInfo<'_>> = self.all.iter().map(Numbered::info).collect();
        let mut variables = vec![
            ("SERVER_STARTER_PORT", encode_server_starter(&pairs)),
            ("SUPERDAEMON_SOCKETS", encode_sockets_json(&infos).into()),
        ];
        if let Some(names) = self.systemd_names() {
            variables.push(("LISTEN_FDS", self.all.len().to_string().into()));
            variables.push(("LISTEN_FDNAMES", names.into()));
        }
        variables
    }

    /// Whether LISTEN_FDS is among the [`variables`](Self::variables), so that LISTEN_PID must be set.
    #[must_use]
    pub fn speaks_systemd(&self) -> bool {
        self.systemd_names().is_some()
    }

    /// LISTEN_FDNAMES, when the numbers are 3, 4, 5 … without a gap: LISTEN_FDS can say no more.
    fn systemd_names(&self) -> Option<String> {
        let mut sorted: Vec<&Numbered> = self.all.iter().collect();
        sorted.sort_by_key(|socket| socket.at);
        let contiguous = (FIRST..).zip(&sorted).all(|(at, socket)| socket.at == at);
        if sorted.is_empty() || !contiguous {
            return None;
        }
        let name = |socket: &&Numbered| {
            let name = socket.given.as_deref().unwrap_or(socket.listener.name());
            let name = name.to_string_lossy();
            name.chars().map(|c| if c.is_ascii_graphic() && c != ':' { c } else { '-' }).collect()
        };
        Some(sorted.iter().map(name).collect::<Vec<String>>().join(":"))
    }

    /// Where each socket goes in a worker.
    ///
    /// # Errors
    /// Never for numbers that [`open`](Self::open) gave.
    pub fn plan(&self) -> Result<FdPlan<'_>, PlanError> {
        let mut plan = FdPlan::new();
        for socket in &self.all {
            plan.pass(socket.listener.as_fd(), socket.at)?;
        }
        Ok(plan)
    }

    /// Each listener and its number in the workers.
    pub fn listeners(&self) -> impl Iterator<Item = (&Listener, i32)> {
        self.all.iter().map(|socket| (&socket.listener, socket.at))
    }

    /// Numbers that pass through to workers.
    #[must_use]
    pub fn keep_open(&self) -> &[i32] {
        &self.keep_open
    }

    /// Each socket for the status.
    pub fn infos(&self) -> impl Iterator<Item = SocketInfo<'_>> {
        self.all.iter().map(Numbered::info)
    }

    /// These listeners, numbered from 3.
    #[cfg(test)]
    pub(crate) fn of(listeners: Vec<Listener>) -> Self {
        let all = listeners.into_iter().zip(FIRST..);
        let all = all.map(|(listener, at)| Numbered { listener, at, given: None }).collect();
        Self { all, keep_open: Vec::new() }
    }

    /// Removes the files of unix sockets that are still ours.
    pub fn unlink(&self) {
        for socket in &self.all {
            let _ = socket.listener.unlink_path();
        }
    }
}

impl Numbered {
    fn info(&self) -> SocketInfo<'_> {
        SocketInfo {
            name: self.listener.name(),
            fd: self.at,
            kind: self.listener.kind(),
            address: self.listener.local_addr(),
        }
    }
}

/// How to bind, from the options; the owner is `USER`, `USER:GROUP` or `:GROUP`.
///
/// # Errors
/// When there is no such user or group.
pub fn bind_options(
    backlog: Option<i32>,
    path_mode: Option<u32>,
    path_owner: Option<&str>,
) -> Result<BindOptions, Failed> {
    let mut bind = BindOptions { backlog, path_mode, ..BindOptions::default() };
    if let Some(owner) = path_owner {
        let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
        let fail =
            |error: reaper::UserError| Failed::new(format!("--path-owner={owner}: {error}"), 255);
        if !user.is_empty() {
            bind.path_owner = Some(user_id(user).map_err(fail)?);
        }
        if !group.is_empty() {
            bind.path_group = Some(group_id(group).map_err(fail)?);
        }
    }
    Ok(bind)
}

fn unlink(listeners: &[Listener]) {
    for listener in listeners {
        let _ = listener.unlink_path();
    }
}

/// The wanted numbers as they are, all others from 3 upwards in order.
fn number(listeners: &[Listener], passing: &[i32]) -> Result<Vec<i32>, Failed> {
    let mut taken: BTreeSet<i32> = passing.iter().copied().collect();
    let limit = Limit::of(Resource::OpenFiles).soft.unwrap_or(u64::MAX);
    // On its way to a worker, what changes places with others needs a number above all of them.
    let room = u64::try_from(listeners.len()).unwrap_or(u64::MAX).saturating_add(STREAMS);
    for listener in listeners {
        let Some(fd) = listener.wanted_fd() else { continue };
        let name = listener.name().to_string_lossy();
        if u64::try_from(fd).is_ok_and(|fd| fd.saturating_add(room) >= limit) {
            let text = format!(
                "descriptor {fd} for {name} is out of range: the limit (ulimit -n) is {limit}, \
                 and {room} numbers above it must be free"
            );
            return Err(Failed::new(text, 9));
        }
        if !taken.insert(fd) {
            let text = format!("descriptor {fd} for {name} is taken already: choose another");
            return Err(Failed::new(text, 9));
        }
    }
    let mut free = (FIRST..i32::MAX).filter(|fd| !taken.contains(fd));
    let numbers = listeners.iter().map(|listener| listener.wanted_fd().or_else(|| free.next()));
    numbers.collect::<Option<_>>().ok_or_else(|| Failed::new("too many sockets", 24))
}
