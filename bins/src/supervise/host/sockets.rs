//! The listening sockets of FastCGI and hot programs: bound once, held while
//! anybody of the configuration wants them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fdpass::{BindOptions, ListenSpec, Listener, bind};

use crate::supervise::config::model::{Kind, Socket, SocketAddress};

use super::plan::Spec;

/// The sockets that are open, by address.
#[derive(Default)]
pub(super) struct Sockets(BTreeMap<String, (Listener, Socket)>);

/// The socket that a program wants, if it wants one.
pub(super) fn wanted(spec: &Spec) -> Option<&Socket> {
    match &*spec.kind {
        Kind::Fcgi(socket) => Some(socket),
        Kind::Program | Kind::Listener(_) => spec.process.extra.socket.as_ref(),
    }
}

/// `tcp://host:port` or `unix:///path`, as supervisord writes it.
pub(super) fn url(socket: &Socket) -> String {
    match &socket.address {
        SocketAddress::Tcp { host, port } => format!("tcp://{host}:{port}"),
        SocketAddress::Unix(path) => format!("unix://{path}"),
    }
}

impl Sockets {
    /// Binds the socket unless it is open already; its name to a worker, as start_server gives it,
    /// and whether it is new.
    ///
    /// # Errors
    /// One line in supervisord's words.
    pub(super) fn open(&mut self, socket: &Socket) -> Result<(String, bool), String> {
        let url = url(socket);
        let failed = |error: String| format!("Could not create FastCGI socket {url}: {error}");
        if let Some((listener, former)) = self.0.get_mut(&url) {
            if former != socket {
                adjust(listener, socket).map_err(|error| failed(error.to_string()))?;
                *former = socket.clone();
            }
            return Ok((listener.name().to_string_lossy().into_owned(), false));
        }
        let spec = spec(&socket.address).map_err(|error| failed(error.to_string()))?;
        let listener = bind(&spec, &options(socket)).map_err(|error| failed(error.to_string()))?;
        let name = listener.name().to_string_lossy().into_owned();
        self.0.insert(url, (listener, socket.clone()));
        Ok((name, true))
    }

    /// The descriptor of an open socket.
    pub(super) fn get(&self, socket: &Socket) -> Option<BorrowedFd<'_>> {
        self.0.get(&url(socket)).map(|(listener, _)| listener.as_fd())
    }

    /// Closes what nobody of `specs` wants any more; the addresses of that.
    pub(super) fn keep<'a>(&mut self, specs: impl Iterator<Item = &'a Spec>) -> Vec<String> {
        let mut closed = Vec::new();
        if self.0.is_empty() {
            return closed;
        }
        let urls: Vec<String> = specs.filter_map(wanted).map(url).collect();
        self.0.retain(|url, (listener, _)| {
            let keep = urls.contains(url);
            if !keep {
                let _ = listener.unlink_path();
                closed.push(url.clone());
            }
            keep
        });
        closed
    }

    /// Closes all, and removes the files of unix sockets.
    pub(super) fn close(&mut self) {
        for (listener, _) in std::mem::take(&mut self.0).into_values() {
            let _ = listener.unlink_path();
        }
    }
}

fn spec(address: &SocketAddress) -> Result<ListenSpec, fdpass::SpecError> {
    match address {
        SocketAddress::Tcp { host, port } if host.is_empty() || host == "*" => {
            ListenSpec::from_port(&port.to_string())
        }
        SocketAddress::Tcp { host, port } => ListenSpec::from_port(&format!("{host}:{port}")),
        SocketAddress::Unix(path) => ListenSpec::from_path(Path::new(path).as_os_str()),
    }
}

/// Gives an open socket what another configuration says of it, without closing it.
fn adjust(listener: &Listener, socket: &Socket) -> io::Result<()> {
    rustix::net::listen(listener, backlog(socket))?;
    if let SocketAddress::Unix(path) = &socket.address {
        fs::set_permissions(path, fs::Permissions::from_mode(mode(socket)))?;
        if let Some((uid, gid)) = socket.owner {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}

fn backlog(socket: &Socket) -> i32 {
    let backlog = socket.backlog.and_then(|backlog| i32::try_from(backlog).ok());
    backlog.unwrap_or(libc::SOMAXCONN)
}

fn mode(socket: &Socket) -> u32 {
    socket.mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o700) & 0o7777
}

/// SOMAXCONN unless the file says otherwise, and 0700 for a path, as supervisord.
fn options(socket: &Socket) -> BindOptions {
    let mut options = BindOptions::default().backlog(backlog(socket));
    if let SocketAddress::Unix(_) = socket.address {
        options = options.path_mode(mode(socket));
        if let Some((uid, gid)) = socket.owner {
            options = options.path_owner(uid).path_group(gid);
        }
    }
    options
}
