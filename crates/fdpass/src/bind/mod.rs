//! From a [`ListenSpec`] to a socket that listens.

pub(crate) mod resolve;
#[cfg(test)]
mod tests;
mod unix;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with, sockopt};

use crate::address::SocketKind;
use crate::listener::{Listener, OwnFile, local_addr};
use crate::spec::{Host, ListenSpec, Port, Target};
use crate::text::one_line_os;

/// The backlog when none is asked for: `SOMAXCONN` of current C libraries, which is also the
/// default of `net.core.somaxconn`, the ceiling that the kernel lowers any backlog to.
const DEFAULT_BACKLOG: i32 = 4096;

/// The mode of a unix socket's file when none is asked for: Perl's `start_server` makes them open
/// to everybody.
const DEFAULT_PATH_MODE: u32 = 0o777;

/// How to bind; the defaults are those of Perl's `start_server`.
///
/// ```
/// let options = fdpass::BindOptions::default().backlog(128).path_mode(0o660);
/// assert_eq!(options.path_mode, Some(0o660));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BindOptions {
    /// Connections that may wait to be accepted; none or 0: 4096. The kernel lowers it to
    /// `net.core.somaxconn`.
    pub backlog: Option<i32>,
    /// Permissions of a unix socket's file, e.g. `0o660`; none: `0o777`. At no moment is the file
    /// more open than this, and the process's umask has no effect.
    pub path_mode: Option<u32>,
    /// User id the file of a unix socket is given to.
    pub path_owner: Option<u32>,
    /// Group id the file of a unix socket is given to.
    pub path_group: Option<u32>,
}

impl BindOptions {
    /// These options with another backlog.
    #[must_use]
    pub fn backlog(mut self, backlog: i32) -> BindOptions {
        self.backlog = Some(backlog);
        self
    }

    /// These options with other permissions for a unix socket's file.
    #[must_use]
    pub fn path_mode(mut self, mode: u32) -> BindOptions {
        self.path_mode = Some(mode);
        self
    }

    /// These options with an owner for a unix socket's file.
    #[must_use]
    pub fn path_owner(mut self, uid: u32) -> BindOptions {
        self.path_owner = Some(uid);
        self
    }

    /// These options with a group for a unix socket's file.
    #[must_use]
    pub fn path_group(mut self, gid: u32) -> BindOptions {
        self.path_group = Some(gid);
        self
    }
}

/// Makes the socket that `spec` describes and has it listen.
///
/// The socket is blocking and close-on-exec. Ports get SO_REUSEADDR, but not for UDP, where it
/// would let a second server share the port in silence. A host name means its first IPv4 address,
/// never IPv6; an IPv6 address serves IPv6 only.
///
/// At the path of a unix socket, the file of a socket that nobody serves any more is replaced
/// ([`Listener::replaced_stale`]). Nothing else is ever removed: a socket that somebody serves is
/// "address in use", any other file is in the way.
///
/// ```
/// use fdpass::{BindOptions, bind};
/// let listener = bind(&"127.0.0.1:0".parse()?, &BindOptions::default())?;
/// let port = listener.local_addr().as_inet().map(|address| address.port());
/// assert_ne!(port, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// One line such as `failed to bind to 127.0.0.1:80: Permission denied (os error 13)`. What was made
/// on the way is removed again.
pub fn bind(spec: &ListenSpec, options: &BindOptions) -> Result<Listener, BindError> {
    let backlog = options.backlog.filter(|backlog| *backlog != 0).unwrap_or(DEFAULT_BACKLOG);
    match &spec.target {
        Target::Inet { host, port, udp } => inet(spec, host, port, *udp, backlog),
        Target::Path(path) => {
            let bound = unix::bind(path, options, backlog)?;
            finish(spec, bound.fd, Some(bound.file), bound.replaced_stale)
        }
        Target::Abstract(name) => abstract_unix(spec, name, backlog),
    }
}

fn inet(
    spec: &ListenSpec,
    host: &Host,
    port: &Port,
    udp: bool,
    backlog: i32,
) -> Result<Listener, BindError> {
    let address = resolve::address(host, port.number).map_err(|error| {
        let host = match host {
            Host::AnyV4 => "0.0.0.0",
            Host::Name(name) => name,
            Host::V6 { text, .. } => text,
        };
        BindError::new(&format!("failed to resolve host:{host}"), error)
    })?;
    let fail = |error: rustix::io::Errno| {
        BindError::new(&format!("failed to bind to {}", show(spec)), error.into())
    };
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = if udp { SocketType::DGRAM } else { SocketType::STREAM };
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC, None)
        .map_err(|error| BindError::new("failed to create socket", error.into()))?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&fd, true).map_err(fail)?;
    }
    if !udp {
        sockopt::set_socket_reuseaddr(&fd, true).map_err(fail)?;
    }
    rustix::net::bind(&fd, &address).map_err(fail)?;
    if !udp {
        rustix::net::listen(&fd, backlog).map_err(fail)?;
    }
    finish(spec, fd, None, false)
}

fn abstract_unix(spec: &ListenSpec, name: &OsStr, backlog: i32) -> Result<Listener, BindError> {
    let fail = |error: rustix::io::Errno| {
        BindError::new(&format!("failed to bind to {}", show(spec)), error.into())
    };
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(fail)?;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| BindError::new("failed to create socket", error.into()))?;
    rustix::net::bind(&fd, &address).map_err(fail)?;
    rustix::net::listen(&fd, backlog).map_err(fail)?;
    finish(spec, fd, None, false)
}

fn finish(
    spec: &ListenSpec,
    fd: OwnedFd,
    file: Option<OwnFile>,
    replaced_stale: bool,
) -> Result<Listener, BindError> {
    let local = local_addr(fd.as_fd()).map_err(|error| {
        if let Some(file) = &file {
            // The first error is the one to report.
            let _ = file.unlink();
        }
        BindError::new(&format!("cannot tell the address of {}", show(spec)), error.into())
    })?;
    Ok(Listener {
        fd,
        name: spec.name(),
        kind: spec.kind(),
        local,
        wanted_fd: spec.fd(),
        replaced_stale,
        file,
    })
}

/// A specification for a message: the name, with a mark on UDP ports.
fn show(spec: &ListenSpec) -> String {
    let name = one_line_os(&spec.name());
    if spec.kind() == SocketKind::Udp { format!("{name} (udp)") } else { name }
}

/// Why a socket could not be bound; displays as one line that says which.
#[derive(Debug)]
pub struct BindError {
    what: String,
    cause: Option<io::Error>,
    errno: Option<i32>,
}

impl BindError {
    fn new(what: &str, cause: io::Error) -> BindError {
        BindError { what: what.to_owned(), errno: cause.raw_os_error(), cause: Some(cause) }
    }

    /// An error found here rather than by the kernel, classed by the number the kernel would use.
    fn found(what: String, errno: i32) -> BindError {
        BindError { what, errno: Some(errno), cause: None }
    }

    /// The number of the system's error, for an exit code or a decision to try again, e.g.
    /// `EADDRINUSE`; `None` when a name could not be resolved.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
