//! Unix sockets with a file: what may be at the path before, and who may connect after.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use super::{BindError, BindOptions, DEFAULT_PATH_MODE};
use crate::listener::OwnFile;
use crate::text::one_line_os;

pub(super) struct Bound {
    pub(super) fd: OwnedFd,
    pub(super) file: OwnFile,
    pub(super) replaced_stale: bool,
}

pub(super) fn bind(path: &Path, options: &BindOptions, backlog: i32) -> Result<Bound, BindError> {
    let shown = one_line_os(path.as_os_str());
    let fail = |error: Errno| {
        BindError::new(&format!("failed to listen to file {shown}"), io::Error::from(error))
    };
    let address = SocketAddrUnix::new(path).map_err(fail)?;
    let replaced_stale = clear(path, &shown, &address)?;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| BindError::new("failed to create socket", error.into()))?;

    // bind(2) makes the file with the mode of the socket itself, less the umask. Setting that
    // first leaves no moment at which the file is more open than asked for, and no need to change
    // the umask, which other threads would notice. With a new owner to come, nobody may enter yet.
    let wanted = Mode::from_raw_mode(options.path_mode.unwrap_or(DEFAULT_PATH_MODE) & 0o7777);
    let chown = options.path_owner.is_some() || options.path_group.is_some();
    let first = if chown { Mode::empty() } else { wanted & Mode::from_raw_mode(0o777) };
    rustix::fs::fchmod(&fd, first).map_err(fail)?;
    // Below, a lack of descriptors would leave a file that nobody can remove: have one in hand.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let spare = rustix::fs::open("/", flags, Mode::empty()).map_err(fail)?;
    rustix::net::bind(&fd, &address).map_err(fail)?;

    drop(spare);
    let made = match own(path) {
        Ok(made) => made,
        // Without its identity the file cannot be told from somebody else's: leave it.
        Err(error) => return Err(fail(error)),
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = OwnFile { path: absolute, identity: identity(&made.stat) };
    // Listening follows at once: until then others would take the socket for a stale one.
    let result = rustix::net::listen(&fd, backlog)
        .and_then(|()| if chown { change_owner(&made, options) } else { Ok(()) })
        .and_then(|()| change_mode(path, &made, wanted));
    if let Err(error) = result {
        // The first error is the one to report.
        let _ = file.unlink();
        return Err(fail(error));
    }
    Ok(Bound { fd, file, replaced_stale })
}

/// Makes room at `path` if a dead socket is there; `true` if so.
fn clear(path: &Path, shown: &str, address: &SocketAddrUnix) -> Result<bool, BindError> {
    let fail = |error: Errno| {
        BindError::new(&format!("failed to listen to file {shown}"), io::Error::from(error))
    };
    let in_the_way = |what: &str, errno| {
        let line = format!("failed to listen to file {shown}: {what}");
        Err(BindError::found(line, errno))
    };
    let there = match rustix::fs::lstat(path) {
        Ok(there) => there,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(fail(error)),
    };
    let what = match FileType::from_raw_mode(there.st_mode) {
        FileType::Socket => None,
        FileType::RegularFile => Some("a regular file"),
        FileType::Directory => Some("a directory"),
        FileType::Symlink => Some("a symbolic link"),
        FileType::Fifo => Some("a fifo"),
        _ => Some("a file that is no socket"),
    };
    if let Some(what) = what {
        let line = format!("{what} is in the way and will not be removed (os error 17)");
        return in_the_way(&line, libc::EEXIST);
    }
    match probe(address) {
        // Nobody has the socket open.
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(false),
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE | Errno::INPROGRESS | Errno::ISCONN) => {
            let line =
                "another process is serving this socket: Address already in use (os error 98)";
            return in_the_way(line, libc::EADDRINUSE);
        }
        Err(error) => {
            let what = format!("failed to find out whether socket file {shown} is in use");
            return Err(BindError::new(&what, error.into()));
        }
    }
    // Somebody may have replaced it while we asked.
    match rustix::fs::lstat(path) {
        Ok(now) if identity(&now) == identity(&there) => {}
        Ok(_) => {
            let line = "another process has just bound it: Address already in use (os error 98)";
            return in_the_way(line, libc::EADDRINUSE);
        }
        Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(fail(error)),
    }
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => {
            let what = format!("failed to remove existing socket file {shown}");
            Err(BindError::new(&what, error.into()))
        }
    }
}

/// Asks for a connection without waiting for it. A full queue answers EAGAIN, a socket of another
/// type EPROTOTYPE: both are alive.
fn probe(address: &SocketAddrUnix) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let asking = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&asking, address)
}

/// The file just made, held so that later changes go to it and to nothing put in its place.
struct Made {
    held: OwnedFd,
    stat: Stat,
}

fn own(path: &Path) -> Result<Made, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&held)?;
    // A swap between bind and open takes rights to the directory; at least nothing but a socket is
    // ever changed or removed.
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(Errno::EXIST);
    }
    Ok(Made { held, stat })
}

fn change_owner(made: &Made, options: &BindOptions) -> Result<(), Errno> {
    let owner = options.path_owner.map(Uid::from_raw);
    let group = options.path_group.map(Gid::from_raw);
    rustix::fs::chownat(made.held.as_fd(), "", owner, group, AtFlags::EMPTY_PATH)
}

fn change_mode(path: &Path, made: &Made, wanted: Mode) -> Result<(), Errno> {
    if Mode::from_raw_mode(rustix::fs::fstat(&made.held)?.st_mode) == wanted {
        return Ok(());
    }
    // fchmod refuses O_PATH descriptors, and fchmodat learned AT_EMPTY_PATH late (6.6).
    let by_number = format!("/proc/self/fd/{}", made.held.as_raw_fd());
    match rustix::fs::chmod(by_number.as_str(), wanted) {
        Err(Errno::NOENT) => rustix::fs::chmodat(CWD, path, wanted, AtFlags::empty()),
        done => done,
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    // The field types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    (stat.st_dev as u64, stat.st_ino as u64)
}
