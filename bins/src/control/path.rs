//! A control socket with a path.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use fdpass::{BindOptions, ListenSpec, Listener};
use rustix::net::{SocketAddrUnix, connect};

use super::socket;
use crate::files::Failed;

/// The mode of the file: whoever may connect may stop the workers.
const MODE: u32 = 0o600;

/// The file of a control socket, for as long as the manager lives.
///
/// Nobody but its owner may ever connect to it. A file that a manager left behind is replaced, one
/// that somebody listens on, or that is no socket, is not.
#[derive(Debug)]
pub struct PathSocket {
    listener: Listener,
}

impl PathSocket {
    /// Binds it.
    ///
    /// # Errors
    /// When something stands in the way or the file cannot be made.
    pub fn open(path: &Path) -> Result<Self, Failed> {
        let fail = |error: &dyn std::fmt::Display| {
            Failed::new(format!("cannot open the control socket: {error}"), 255)
        };
        let spec = ListenSpec::from_path(path.as_os_str()).map_err(|error| fail(&error))?;
        let options = BindOptions::default().path_mode(MODE).backlog(16);
        let listener = fdpass::bind(&spec, &options).map_err(|error| fail(&error))?;
        let socket = Self { listener };
        if let Err(error) = rustix::io::ioctl_fionbio(&socket.listener, true) {
            socket.remove();
            return Err(fail(&error));
        }
        Ok(socket)
    }

    /// The descriptor to wait on and to [`accept`](super::accept) from.
    ///
    /// # Errors
    /// When there is no more room for one.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Removes the file if it is still this socket's.
    pub fn remove(self) {
        let _ = self.listener.unlink_path();
    }
}

/// Connects to the manager at a path.
///
/// # Errors
/// What connect(2) says: nobody is there, or it is not permitted.
pub fn dial_path(path: &Path) -> io::Result<OwnedFd> {
    let fd = socket()?;
    connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}
