//! The sockets by which the supervisor is controlled: bound, held by a lock, and made again when
//! something sweeps their files away.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fdpass::{BindOptions, ListenSpec, Listener, bind};
use reaper::Key;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::lock::{Lock, NoLock};
use crate::supervise::config::model::{Address, Server};
use crate::supervise::http::Login;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// What a client must know of the socket by which it came in.
pub(super) struct Entrance {
    pub(super) login: Option<Login>,
    pub(super) tcp: bool,
}

/// One socket.
pub(super) struct Door {
    pub(super) server: Server,
    pub(super) entrance: Rc<Entrance>,
    listener: Option<Listener>,
    /// Whoever holds it may replace the file of the socket.
    lock: Option<Lock>,
    /// Who may come in, where that is not for the mode of the file to say.
    only: Option<[u32; 2]>,
    pub(super) key: Option<Key>,
}

impl Door {
    /// Binds the socket.
    ///
    /// # Errors
    /// One line: what is wrong, and where.
    pub(super) fn open(server: Server) -> Result<Self, String> {
        let login = match (&server.username, &server.password) {
            (Some(username), Some(password)) => Some(Login::new(username, password)),
            _ => None,
        };
        let only = match &server.address {
            Address::Unix { chmod, chown, .. } if chmod & 0o077 == 0 => {
                let own = rustix::process::geteuid().as_raw();
                Some([own, u32::try_from(chown.0).unwrap_or(own)])
            }
            Address::Unix { .. } | Address::Inet { .. } => None,
        };
        let tcp = matches!(server.address, Address::Inet { .. });
        let entrance = Rc::new(Entrance { login, tcp });
        let mut door = Self { server, entrance, listener: None, lock: None, only, key: None };
        door.bind()?;
        Ok(door)
    }

    fn bind(&mut self) -> Result<(), String> {
        let listener = match &self.server.address {
            Address::Unix { file, chmod, chown } => {
                let path = Path::new(file);
                if self.lock.is_none() {
                    self.lock = Some(lock(path)?);
                }
                let mut options = BindOptions::default().backlog(BACKLOG);
                options = options.path_mode(u32::try_from(*chmod).unwrap_or(0o700) & 0o7777);
                if let Ok(uid) = u32::try_from(chown.0) {
                    options = options.path_owner(uid);
                }
                if let Ok(gid) = u32::try_from(chown.1) {
                    options = options.path_group(gid);
                }
                let spec = ListenSpec::from_path(path.as_os_str()).map_err(|e| e.to_string())?;
                bind(&spec, &options)
            }
            Address::Inet { host, port } => {
                let everywhere = host.is_empty() || host == "*";
                if self.entrance.login.is_none() && (everywhere || !is_loopback(host)) {
                    return Err(format!(
                        "[{}] port={}:{port} without username and password would let anybody who \
                         reaches it run programs; give both, or listen on 127.0.0.1",
                        self.server.section,
                        if everywhere { "*" } else { host },
                    ));
                }
                let port = match host {
                    _ if everywhere => port.to_string(),
                    host if host.contains(':') && !host.starts_with('[') => {
                        format!("[{host}]:{port}")
                    }
                    host => format!("{host}:{port}"),
                };
                let spec = ListenSpec::from_port(&port).map_err(|error| error.to_string())?;
                bind(&spec, &BindOptions::default().backlog(BACKLOG))
            }
        };
        let listener =
            listener.map_err(|error| match error.errno().map(Errno::from_raw_os_error) {
                Some(Errno::ADDRINUSE) => taken(&error.to_string()),
                _ => format!("Cannot open an HTTP server: {error}"),
            })?;
        rustix::io::ioctl_fionbio(&listener, true)
            .map_err(|error| format!("Cannot open an HTTP server: {error}"))?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Whether it is bound.
    pub(super) fn is_open(&self) -> bool {
        self.listener.is_some()
    }

    /// What the loop is to watch.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        match &self.listener {
            Some(listener) => listener.as_fd().try_clone_to_owned(),
            None => Err(Errno::BADF.into()),
        }
    }

    /// Whether somebody of this user may come in.
    pub(super) fn lets_in(&self, fd: impl AsFd) -> bool {
        let Some(only) = self.only else { return true };
        fdpass::peer::peer(fd).is_ok_and(|peer| peer.uid == 0 || only.contains(&peer.uid))
    }

    /// The directory in which the file of the socket is.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        match &self.server.address {
            Address::Unix { file, .. } => Path::new(file).parent().map(Path::to_owned),
            Address::Inet { .. } => None,
        }
    }

    /// Makes the file of the socket again if it is not there any more; whether it was not, and what
    /// came of it.
    pub(super) fn renew(&mut self) -> Option<Result<(), String>> {
        let Address::Unix { file, .. } = &self.server.address else { return None };
        let there = match fs::symlink_metadata(file) {
            Ok(meta) => Some((meta.dev(), meta.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return None,
        };
        let own = self.listener.as_ref().and_then(Listener::path_identity);
        // The lock may have been swept away, with the socket or alone.
        let locked = self.lock.as_ref().is_some_and(Lock::is_sound);
        if own.is_some() && there == own && locked {
            return None;
        }
        if !locked {
            self.lock = None;
        }
        if own.is_some() && there == own {
            return match lock(Path::new(file)) {
                Ok(lock) => {
                    self.lock = Some(lock);
                    None
                }
                Err(text) => Some(Err(text)),
            };
        }
        self.listener = None;
        Some(self.bind())
    }

    /// Closes it and removes its file.
    pub(super) fn close(self) {
        if let Some(listener) = &self.listener {
            let _ = listener.unlink_path();
        }
        if let Some(lock) = self.lock {
            lock.release();
        }
    }
}

fn lock(path: &Path) -> Result<Lock, String> {
    Lock::take(path).map_err(|why| match why {
        NoLock::Held(text) => taken(&text),
        NoLock::Bad(text) => format!("Cannot open an HTTP server: {text}"),
    })
}

/// supervisord's words, and where.
fn taken(place: &str) -> String {
    format!(
        "Another program is already listening on a port that one of our HTTP servers is configured \
         to use.  Shut this program down first before starting supervisord. ({place})"
    )
}

/// Only this machine reaches it.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Watches directories for files that go.
pub(super) fn watch(directories: &[PathBuf]) -> io::Result<OwnedFd> {
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    for directory in directories {
        inotify::add_watch(&fd, directory, what | WatchFlags::ONLYDIR)?;
    }
    Ok(fd)
}

/// Takes what was reported; whether a directory itself has gone.
pub(super) fn take_reports(fd: impl AsFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(fd, &mut buffer);
    let mut gone = false;
    while let Ok(event) = reader.next() {
        use inotify::ReadFlags;
        gone |= event
            .events()
            .intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED);
    }
    gone
}
