//! The listening sockets of FastCGI and hot programs: bound once, held while
//! anybody of the configuration wants them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use fdpass::{BindOptions, ListenSpec, Listener, bind};

use crate::supervise::config::model::{Kind, Socket, SocketAddress};

use super::plan::Spec;

/// The sockets that are open, by address.
#[derive(Default)]
pub(super) struct Sockets(BTreeMap<String, Listener>);

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
    /// Binds the socket unless it is open already; its name to a worker, as start_server gives it.
    ///
    /// # Errors
    /// One line in supervisord's words.
    pub(super) fn open(&mut self, socket: &Socket) -> Result<String, String> {
        let url = url(socket);
        if let Some(listener) = self.0.get(&url) {
            return Ok(listener.name().to_string_lossy().into_owned());
        }
        let failed = |error: String| format!("Could not create FastCGI socket {url}: {error}");
        let spec = spec(&socket.address).map_err(|error| failed(error.to_string()))?;
        let listener = bind(&spec, &options(socket)).map_err(|error| failed(error.to_string()))?;
        let name = listener.name().to_string_lossy().into_owned();
        self.0.insert(url, listener);
        Ok(name)
    }

    /// The descriptor of an open socket.
    pub(super) fn get(&self, socket: &Socket) -> Option<BorrowedFd<'_>> {
        self.0.get(&url(socket)).map(AsFd::as_fd)
    }

    /// Closes what nobody of `specs` wants any more.
    pub(super) fn keep<'a>(&mut self, specs: impl Iterator<Item = &'a Spec>) {
        if self.0.is_empty() {
            return;
        }
        let urls: Vec<String> = specs.filter_map(wanted).map(url).collect();
        self.0.retain(|url, listener| {
            let keep = urls.contains(url);
            if !keep {
                let _ = listener.unlink_path();
            }
            keep
        });
    }

    /// Closes all, and removes the files of unix sockets.
    pub(super) fn close(&mut self) {
        for listener in std::mem::take(&mut self.0).into_values() {
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

/// SOMAXCONN unless the file says otherwise, and 0700 for a path, as supervisord.
fn options(socket: &Socket) -> BindOptions {
    let backlog = socket.backlog.and_then(|backlog| i32::try_from(backlog).ok());
    let mut options = BindOptions::default().backlog(backlog.unwrap_or(libc::SOMAXCONN));
    if let SocketAddress::Unix(_) = socket.address {
        let mode = socket.mode.and_then(|mode| u32::try_from(mode).ok());
        options = options.path_mode(mode.unwrap_or(0o700) & 0o7777);
        if let Some((uid, gid)) = socket.owner {
            options = options.path_owner(uid).path_group(gid);
        }
    }
    options
}
