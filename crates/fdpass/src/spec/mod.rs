//! Listen specifications: the text after `--port=` and `--path=`, understood (PURE).
//!
//! The accepted forms are those of Perl's `start_server` (Server::Starter 0.35), see
//! [`ListenSpec::from_port`] and [`ListenSpec::from_path`].

mod parse;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::address::{SocketKind, abstract_text};
use crate::text::one_line_os;

/// The highest descriptor number a specification or a plan may ask for.
///
/// It is the usual ceiling of `RLIMIT_NOFILE` (`fs.nr_open`). The limit in force is often much
/// lower; the caller checks that one.
pub const MAX_FD: i32 = 1_048_575;

/// Bytes a unix socket's name may have: `sun_path` holds 108, one is the terminating (or, for an
/// abstract name, the leading) NUL.
pub(crate) const MAX_PATH_BYTES: usize = 107;

/// One socket to listen on.
///
/// ```
/// use fdpass::{ListenSpec, SocketKind};
///
/// let spec = ListenSpec::from_port(" [::1]:u53 =7 ")?;
/// assert_eq!(spec.kind(), SocketKind::Udp);
/// assert_eq!(spec.name(), "[::1]:53"); // the key in SERVER_STARTER_PORT
/// assert_eq!(spec.fd(), Some(7));
/// assert_eq!(spec.to_string(), "[::1]:u53=7");
/// # Ok::<(), fdpass::SpecError>(())
/// ```
///
/// # Text form
///
/// [`Display`](fmt::Display) and [`FromStr`] round-trip. Text that starts with `/`, `./`, `../`,
/// `@` or `unix:` is a path, all else a port specification. A path that is not UTF-8 displays with
/// replacement characters and then does not come back as itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenSpec {
    pub(crate) target: Target,
    fd: Option<i32>,
}

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Inet {
        host: Host,
        udp: bool,
        port: Port,
    },
    Path(PathBuf),
    /// Without the leading `@`.
    Abstract(OsString),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// No host given: every IPv4 address.
    AnyV4,
    /// A name or an IPv4 address, looked up at bind time; never IPv6.
    Name(String),
    /// `text` as it was written, for the name; `zone` is the part after `%`.
    V6 { text: String, address: Ipv6Addr, zone: Option<String> },
}

/// A port with its text, leading zeros included: the text is the key a worker looks up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Port {
    pub(crate) text: String,
    pub(crate) number: u16,
}

impl ListenSpec {
    /// Understands the value of a `--port` option.
    ///
    /// | form | listens on |
    /// |---|---|
    /// | `8080` | TCP, every IPv4 address |
    /// | `127.0.0.1:8080`, `localhost:8080`, `[127.0.0.1]:8080` | TCP, IPv4 only |
    /// | `[::1]:8080`, `::1:8080`, `[fe80::1%eth0]:8080` | TCP, IPv6 only |
    /// | `u53`, `host:u53`, `[::1]:u53` | UDP |
    /// | any of these with `=N` | the worker finds the socket at descriptor `N` |
    ///
    /// Blanks around the whole, before `=N` and around a colon or bracket that separates are
    /// ignored. In an address without brackets the last colon separates the port.
    ///
    /// # Errors
    ///
    /// A line of the form ``invalid ``port'' value:SPEC: reason``. A port above 65535 is refused
    /// (Perl binds it modulo 65536), and so is descriptor 2, where error messages go.
    pub fn from_port(text: &str) -> Result<ListenSpec, SpecError> {
        parse::port(text)
            .map(|(target, fd)| ListenSpec { target, fd })
            .map_err(|reason| SpecError::new("port", OsStr::new(text), reason))
    }

    /// Understands the value of a `--path` option: a unix stream socket's file, or `@name` for a
    /// name in the abstract namespace.
    ///
    /// Perl's `start_server` has no abstract sockets and takes `@name` for a file; write `./@name`
    /// for that.
    ///
    /// # Errors
    ///
    /// A line of the form ``invalid ``path'' value:PATH: reason`` for a path that is empty, longer
    /// than 107 bytes, or contains a NUL, `;` or newline (which `SERVER_STARTER_PORT` cannot carry).
    pub fn from_path(path: &OsStr) -> Result<ListenSpec, SpecError> {
        parse::path(path)
            .map(|target| ListenSpec { target, fd: None })
            .map_err(|reason| SpecError::new("path", path, reason))
    }

    /// The key of this socket in `SERVER_STARTER_PORT`, exactly as Perl's `start_server` writes it:
    /// `8080`, `127.0.0.1:8080`, `[::1]:8080` (address text not normalised), the path; UDP is not
    /// marked.
    #[must_use]
    pub fn name(&self) -> OsString {
        match &self.target {
            Target::Inet { host: Host::AnyV4, port, .. } => port.text.clone().into(),
            Target::Inet { host: Host::Name(host), port, .. } => {
                format!("{host}:{}", port.text).into()
            }
            Target::Inet { host: Host::V6 { text, .. }, port, .. } => {
                format!("[{text}]:{}", port.text).into()
            }
            Target::Path(path) => path.clone().into_os_string(),
            Target::Abstract(name) => abstract_text(name),
        }
    }

    /// The descriptor number the worker is to find the socket at, if `=N` asked for one.
    #[must_use]
    pub fn fd(&self) -> Option<i32> {
        self.fd
    }

    /// The kind of socket this makes: TCP, UDP or unix stream.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        match &self.target {
            Target::Inet { udp: true, .. } => SocketKind::Udp,
            Target::Inet { udp: false, .. } => SocketKind::Tcp,
            Target::Path(_) | Target::Abstract(_) => SocketKind::Unix,
        }
    }

    /// Whether it is a UDP socket.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.kind() == SocketKind::Udp
    }

    /// Whether it is a unix socket, with a file or abstract.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        self.kind() == SocketKind::Unix
    }

    /// The port number; `None` for a unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.target {
            Target::Inet { port, .. } => Some(port.number),
            Target::Path(_) | Target::Abstract(_) => None,
        }
    }

    /// The unix socket's file; `None` for a port and for an abstract name.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::Path(path) => Some(path),
            Target::Inet { .. } | Target::Abstract(_) => None,
        }
    }
}

impl FromStr for ListenSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<ListenSpec, SpecError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return ListenSpec::from_path(OsStr::new(path));
        }
        if ["/", "./", "../", "@"].iter().any(|prefix| text.starts_with(prefix)) {
            return ListenSpec::from_path(OsStr::new(text));
        }
        ListenSpec::from_port(text)
    }
}

impl fmt::Display for ListenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Inet { host, udp, port } => {
                match host {
                    Host::AnyV4 => {}
                    // Bare, this would read as a path.
                    Host::Name(host) if host == "unix" => f.write_str("[unix]:")?,
                    Host::Name(host) => write!(f, "{host}:")?,
                    Host::V6 { text, .. } => write!(f, "[{text}]:")?,
                }
                f.write_str(if *udp { "u" } else { "" })?;
                f.write_str(&port.text)?;
            }
            Target::Path(path) => {
                let bytes = path.as_os_str().as_bytes();
                let marked = [&b"/"[..], b"./", b"../"].iter().any(|mark| bytes.starts_with(mark));
                write!(f, "{}{}", if marked { "" } else { "unix:" }, path.display())?;
            }
            Target::Abstract(name) => write!(f, "@{}", name.to_string_lossy())?,
        }
        match self.fd {
            Some(fd) => write!(f, "={fd}"),
            None => Ok(()),
        }
    }
}

/// Why a text is no listen specification; displays as one line that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    line: String,
}

impl SpecError {
    fn new(what: &str, value: &OsStr, reason: String) -> SpecError {
        SpecError { line: format!("invalid ``{what}'' value:{}: {reason}", one_line_os(value)) }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for SpecError {}
