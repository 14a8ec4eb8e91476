//! The worker's side: sockets that were open when the program started.
#![allow(unsafe_code)]

pub mod resolve;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::OpenOptions;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::{Address, SocketKind};
use crate::listener::{Listener, inspect};
use crate::text::one_line_os;
use crate::wire::{Entry, WireError};
use resolve::{Passed, Source, resolve};

/// Set by the first [`Inherited::from_env`] of the process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The sockets that this process was started with, each still to be taken by its user.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // SAFETY: first thing in main; nothing else has touched a descriptor or the environment.
/// let mut inherited = unsafe { fdpass::Inherited::from_env()? };
/// let listener: std::net::TcpListener = inherited.take_tcp()?;
/// # drop(listener); Ok(()) }
/// ```
///
/// Dropping it closes what was not taken.
#[derive(Debug)]
pub struct Inherited {
    source: Source,
    sockets: Vec<Listener>,
}

impl Inherited {
    /// Takes over the sockets that the environment names. The first of these that applies counts:
    /// `SERVER_STARTER_PORT` (even when empty: no sockets); `LISTEN_FDS` unless `LISTEN_PID` is
    /// another process; `EINHORN_FDS` or `EINHORN_FD_COUNT`; descriptor 0, if that is a listening
    /// socket.
    ///
    /// Every socket is checked (open, internet or unix, listening or bound) before any is taken, and
    /// made close-on-exec. One at 0 to 2 moves to a higher number and leaves `/dev/null` behind, so
    /// that no later `open` lands there. The environment is left as it is; remove the variables
    /// before starting programs that would believe them.
    ///
    /// # Safety
    ///
    /// Nothing else in the process may own, use or close the descriptors that these variables name.
    /// The way to be sure is to call it once, as the first thing in `main`, before any other thread
    /// exists and before anything is opened. This is also what makes reading the environment sound.
    ///
    /// # Errors
    ///
    /// A malformed variable, a descriptor that is no socket to serve, or a second call.
    pub unsafe fn from_env() -> Result<Inherited, InheritError> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(taken_before());
        }
        let passed = resolve(|name| std::env::var_os(name), std::process::id())?;
        // SAFETY: the caller vouches for the descriptors named by the environment.
        unsafe { adopt(passed) }
    }

    /// Takes over the sockets of `LISTEN_FDS` and nothing else: for a manager that hands sockets on
    /// to workers of its own, whatever it was started by.
    ///
    /// # Safety
    ///
    /// As for [`from_env`](Self::from_env).
    ///
    /// # Errors
    ///
    /// As for [`from_env`](Self::from_env).
    pub unsafe fn from_systemd() -> Result<Inherited, InheritError> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(taken_before());
        }
        let lookup = |name: &str| std::env::var_os(name).filter(|_| name.starts_with("LISTEN_"));
        let passed = resolve(lookup, std::process::id())?;
        if passed.source == Source::Nothing {
            return Ok(Inherited::none());
        }
        // SAFETY: the caller vouches for the descriptors named by the environment.
        unsafe { adopt(passed) }
    }

    /// No sockets: for a process that looks for none.
    #[must_use]
    pub fn none() -> Inherited {
        Inherited { source: Source::Nothing, sockets: Vec::new() }
    }

    /// Which convention the sockets came by.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The sockets not yet taken, in the order they were passed.
    pub fn iter(&self) -> std::slice::Iter<'_, Listener> {
        self.sockets.iter()
    }

    /// All sockets not yet taken.
    #[must_use]
    pub fn into_listeners(self) -> Vec<Listener> {
        self.sockets
    }

    /// The first TCP listener not yet taken.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_tcp(&mut self) -> Result<TcpListener, InheritError> {
        self.take(SocketKind::Tcp, None).map(|taken| TcpListener::from(taken.fd))
    }

    /// The TCP listener of that name, e.g. `8080` or `127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_tcp_named(&mut self, name: impl AsRef<OsStr>) -> Result<TcpListener, InheritError> {
        self.take(SocketKind::Tcp, Some(name.as_ref())).map(|taken| TcpListener::from(taken.fd))
    }

    /// The first unix stream listener not yet taken.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_unix(&mut self) -> Result<UnixListener, InheritError> {
        self.take(SocketKind::Unix, None).map(|taken| UnixListener::from(taken.fd))
    }

    /// The unix stream listener of that name, e.g. `/run/app.sock`.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_unix_named(
        &mut self,
        name: impl AsRef<OsStr>,
    ) -> Result<UnixListener, InheritError> {
        self.take(SocketKind::Unix, Some(name.as_ref())).map(|taken| UnixListener::from(taken.fd))
    }

    /// The first UDP socket not yet taken.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_udp(&mut self) -> Result<UdpSocket, InheritError> {
        self.take(SocketKind::Udp, None).map(|taken| UdpSocket::from(taken.fd))
    }

    /// The UDP socket of that name, e.g. `53`.
    ///
    /// # Errors
    ///
    /// There is none; the line says what there is.
    pub fn take_udp_named(&mut self, name: impl AsRef<OsStr>) -> Result<UdpSocket, InheritError> {
        self.take(SocketKind::Udp, Some(name.as_ref())).map(|taken| UdpSocket::from(taken.fd))
    }

    fn take(&mut self, kind: SocketKind, name: Option<&OsStr>) -> Result<Listener, InheritError> {
        let fits = |l: &Listener| l.kind() == kind && name.is_none_or(|name| l.name() == name);
        match self.sockets.iter().position(fits) {
            Some(index) => Ok(self.sockets.remove(index)),
            None => Err(self.missing(kind, name)),
        }
    }

    fn missing(&self, kind: SocketKind, name: Option<&OsStr>) -> InheritError {
        let name = name.map_or(String::new(), |name| format!(" named {}", one_line_os(name)));
        let there: Vec<String> = self
            .sockets
            .iter()
            .map(|there| format!("{} {}", there.kind(), one_line_os(there.name())))
            .collect();
        let there = match (there.is_empty(), self.source) {
            (true, Source::Nothing) => "was started without sockets".to_owned(),
            (true, _) => "has no sockets left".to_owned(),
            (false, _) => format!("has: {}", there.join(", ")),
        };
        InheritError::new(format!("no {kind} socket{name} was passed; the process {there}"))
    }
}

impl<'a> IntoIterator for &'a Inherited {
    type Item = &'a Listener;
    type IntoIter = std::slice::Iter<'a, Listener>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The descriptors above 2 that are open now and stay open over an exec, in order: called before
/// anything is opened, what a process was started with. Without /proc there are none to be found.
#[must_use]
pub fn passing_through() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut passing: Vec<RawFd> = numbers
        .filter(|fd| {
            // SAFETY: fcntl with F_GETFD only looks, at any number.
            let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
            *fd > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0
        })
        .collect();
    passing.sort_unstable();
    passing
}

fn taken_before() -> InheritError {
    let line = "the inherited sockets were taken before; take them once and keep them";
    InheritError::new(line.to_owned())
}

/// Checks all, then takes all.
///
/// # Safety
///
/// Nothing else owns or closes the descriptors in `passed`, nor descriptor 0 if there are none.
unsafe fn adopt(passed: Passed) -> Result<Inherited, InheritError> {
    let Passed { mut source, mut entries } = passed;
    if source == Source::Nothing {
        // SAFETY: only numbers found open are borrowed, and nobody else closes 0 meanwhile.
        match unsafe { check(0) } {
            Ok((kind, _)) if kind.accepts() => {
                source = Source::Stdin;
                entries.push(Entry { name: OsString::new(), fd: 0 });
            }
            _ => return Ok(Inherited { source, sockets: Vec::new() }),
        }
    }
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        // SAFETY: as above, for the descriptors of the caller's contract.
        let (kind, local) = unsafe { check(entry.fd) }.map_err(|error| {
            let (fd, name) = (entry.fd, one_line_os(&entry.name));
            let name = if name.is_empty() { name } else { format!(" (named {name})") };
            InheritError::new(format!("descriptor {fd}{name} from {source} is {error}"))
        })?;
        found.push((entry, kind, local));
    }
    let mut sockets = Vec::with_capacity(found.len());
    for (Entry { name, fd }, kind, local) in found {
        // SAFETY: the descriptor is open, the lists name none twice, and by the caller's contract
        // nobody else owns it.
        let fd = unsafe { take_over(fd) }.map_err(|error| {
            InheritError::new(format!("cannot take over descriptor {fd}: {error}"))
        })?;
        let name = if name.is_empty() { local.to_name() } else { name };
        let (wanted_fd, replaced_stale, file) = (None, false, None);
        sockets.push(Listener { fd, name, kind, local, wanted_fd, replaced_stale, file });
    }
    Ok(Inherited { source, sockets })
}

/// # Safety
///
/// If `fd` is open, nobody closes it during the call.
unsafe fn check(fd: RawFd) -> Result<(SocketKind, Address), InheritError> {
    // SAFETY: fcntl with F_GETFD only looks, at any number.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(InheritError::new("not open".to_owned()));
    }
    // SAFETY: not -1, just found open, and the caller sees to it that it stays so.
    inspect(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Owns `fd` and makes it close-on-exec. A standard descriptor is copied upwards and replaced by
/// `/dev/null`: closing it later would let the next file opened become standard input or output.
///
/// # Safety
///
/// `fd` is open and owned by nobody else.
unsafe fn take_over(fd: RawFd) -> std::io::Result<OwnedFd> {
    if fd > 2 {
        // SAFETY: open and unowned by the caller's contract.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        return Ok(fd);
    }
    // SAFETY: open by the caller's contract, and only borrowed for this call.
    let lifted = rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(fd) }, 3)?;
    // Without a /dev/null the socket stays open there, which harms nobody.
    if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        // SAFETY: replaces what is open at `fd`, which the caller's contract gives to us.
        if unsafe { libc::dup2(null.as_raw_fd(), fd) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(lifted)
}

/// Why passed sockets could not be taken; displays as one line.
#[derive(Debug)]
pub struct InheritError {
    line: String,
}

impl InheritError {
    pub(crate) fn new(line: String) -> InheritError {
        InheritError { line }
    }
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for InheritError {}

impl From<WireError> for InheritError {
    fn from(error: WireError) -> InheritError {
        InheritError::new(error.to_string())
    }
}
