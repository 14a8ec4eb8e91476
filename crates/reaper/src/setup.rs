//! What the child becomes between fork and exec.

use std::error::Error;
use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fdpass::FdPlan;
use sigpolicy::{Signal, SignalSet};

use crate::{Credentials, Limit, Resource};

/// Everything about a child that is not its program: a builder.
///
/// Without any call the child keeps the manager's working directory, umask,
/// limits and credentials, while signals and descriptors are made definite:
///
/// * every signal has its default disposition (also SIGPIPE, which Rust
///   programs ignore) and none is blocked;
/// * descriptors 0, 1 and 2 pass; every other is closed, unless
///   [`fds`](Setup::fds) or [`keep_open`](Setup::keep_open) names it.
///
/// The child takes these steps, in this order: session or process group,
/// umask, resource limits, nice value, descriptors, limit of open descriptors,
/// chroot, supplementary groups, group id, user id, parent-death signal,
/// no_new_privs, working directory, signals, exec.
///
/// ```
/// use reaper::{Credentials, Setup};
/// use std::path::Path;
///
/// let setup = Setup::new()
///     .dir(Path::new("/"))?
///     .umask(0o022)
///     .session()
///     .no_new_privs();
/// # Ok::<(), reaper::SetupError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Setup<'fd> {
    pub(crate) dir: Option<CString>,
    pub(crate) chroot: Option<CString>,
    pub(crate) umask: Option<u32>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) no_new_privs: bool,
    pub(crate) ignored: SignalSet,
    pub(crate) mask: SignalSet,
    pub(crate) fds: FdPlan<'fd>,
    pub(crate) keep_open: Vec<i32>,
    pub(crate) keep_others: bool,
    pub(crate) fork_keeps: Option<Vec<i32>>,
    pub(crate) group: Group,
    pub(crate) nice: Option<i32>,
    pub(crate) limits: Vec<(Resource, Limit)>,
    pub(crate) death_signal: Option<Signal>,
    pub(crate) method: Method,
}

/// The session and process group of a child.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub(crate) enum Group {
    #[default]
    Inherited,
    Own,
    Session,
}

/// How a child process is made.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Method {
    /// Share the manager's memory until the exec (`vfork(2)`), which takes the
    /// same time whatever the manager's size; where the system forbids that,
    /// as `Fork`.
    #[default]
    Auto,
    /// Copy the manager as `fork(2)` does. Slower, but sanitizers, emulators
    /// (qemu user mode) and debuggers understand it.
    Fork,
}

impl<'fd> Setup<'fd> {
    /// A child with definite signals and descriptors, otherwise like its parent.
    #[must_use]
    pub fn new() -> Setup<'fd> {
        Setup::default()
    }

    /// The working directory, entered with the child's own user and groups
    /// (as systemd does) and looked up inside the new root, if there is one.
    ///
    /// The manager waits until the child has executed its program: a path on a
    /// network file system whose server is away makes it wait as well.
    ///
    /// # Errors
    ///
    /// A path with a NUL byte.
    pub fn dir(mut self, path: &Path) -> Result<Self, SetupError> {
        self.dir = Some(c_path(path)?);
        Ok(self)
    }

    /// The root directory; needs privileges. Without [`dir`](Setup::dir) the
    /// child works in the new root's `/`. The program is looked up inside.
    ///
    /// # Errors
    ///
    /// A path with a NUL byte.
    pub fn chroot(mut self, path: &Path) -> Result<Self, SetupError> {
        self.chroot = Some(c_path(path)?);
        Ok(self)
    }

    /// The file mode creation mask, for example `0o022`.
    #[must_use]
    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// The user and groups. Supplementary groups that the manager has already
    /// are not set again, so that an unprivileged manager can name itself.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the flag that keeps set-user-id and set-group-id programs from
    /// giving privileges, for the child and all that come from it.
    #[must_use]
    pub fn no_new_privs(mut self) -> Self {
        self.no_new_privs = true;
        self
    }

    /// Signals the program starts with ignored; all others have their default
    /// disposition. Default: none.
    #[must_use]
    pub fn ignored(mut self, signals: SignalSet) -> Self {
        self.ignored = signals;
        self
    }

    /// Signals the program starts with blocked. Default: none.
    #[must_use]
    pub fn mask(mut self, signals: SignalSet) -> Self {
        self.mask = signals;
        self
    }

    /// The descriptors and the numbers they get.
    #[must_use]
    pub fn fds(mut self, plan: FdPlan<'fd>) -> Self {
        self.fds = plan;
        self
    }

    /// Descriptors of the manager that pass under the number they have, even
    /// when they are close-on-exec. One that is not open makes the spawn fail.
    #[must_use]
    pub fn keep_open(mut self, numbers: &[i32]) -> Self {
        self.keep_open.extend_from_slice(numbers);
        self
    }

    /// Whether descriptors from 3 on that neither [`fds`](Setup::fds) nor
    /// [`keep_open`](Setup::keep_open) names are closed, also those which
    /// somebody left without close-on-exec. Default: true. Kernels before 5.11
    /// cannot do it; there the close-on-exec flags decide.
    #[must_use]
    pub fn close_others(mut self, close: bool) -> Self {
        self.keep_others = !close;
        self
    }

    /// The only descriptors from 3 on that a worker made by [`fork_worker`](crate::fork_worker()) does
    /// not close. Without this call it keeps all: also connections whose other end waits for their
    /// end, which then does not come before the worker leaves. Programs get only what is passed to
    /// them anyway.
    ///
    /// Nothing that the worker uses may be missing. Kernels before 5.9 cannot do it.
    #[must_use]
    pub fn fork_keeps(mut self, numbers: &[i32]) -> Self {
        self.fork_keeps.get_or_insert_default().extend_from_slice(numbers);
        self
    }

    /// Makes the child the leader of a new session (and process group),
    /// without a controlling terminal.
    #[must_use]
    pub fn session(mut self) -> Self {
        self.group = Group::Session;
        self
    }

    /// Makes the child the leader of a new process group in the manager's
    /// session, so that [`Child::signal_group`](crate::Child::signal_group)
    /// reaches it and its descendants. A new session includes that.
    #[must_use]
    pub fn process_group(mut self) -> Self {
        if self.group == Group::Inherited {
            self.group = Group::Own;
        }
        self
    }

    /// The nice value, from -20 (favoured; needs privileges) to 19.
    #[must_use]
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// A resource limit. The one of open descriptors is set after the
    /// descriptors have their places, all others before.
    #[must_use]
    pub fn rlimit(mut self, resource: Resource, limit: Limit) -> Self {
        self.limits.retain(|(other, _)| *other != resource);
        self.limits.push((resource, limit));
        self
    }

    /// Gives the child the limit of open descriptors that the manager had
    /// before it raised its own; see [`Limit::raise_open_files`].
    #[must_use]
    pub fn restore_nofile(self, limit: Limit) -> Self {
        self.rlimit(Resource::OpenFiles, limit)
    }

    /// The signal the kernel sends to the child when the *thread* that spawned
    /// it ends. Executing a set-user-id program clears it (`prctl(2)`).
    #[must_use]
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = Some(signal);
        self
    }

    /// How the process is made. Default: [`Method::Auto`].
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }
}

fn c_path(path: &Path) -> Result<CString, SetupError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| SetupError(()))
}

/// A path that no system call can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupError(());

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path contains a NUL byte, which no path can have")
    }
}

impl Error for SetupError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_in_a_path_is_refused() {
        assert!(Setup::new().dir(Path::new("/a\0b")).is_err());
        assert!(Setup::new().chroot(Path::new("\0")).is_err());
    }

    #[test]
    fn the_last_limit_of_a_resource_counts() {
        let limit = |soft| Limit { soft: Some(soft), hard: None };
        let setup = Setup::new()
            .rlimit(Resource::Core, limit(1))
            .restore_nofile(limit(2))
            .rlimit(Resource::Core, limit(3));
        assert_eq!(setup.limits, [(Resource::OpenFiles, limit(2)), (Resource::Core, limit(3))]);
    }

    #[test]
    fn a_session_includes_the_group() {
        assert_eq!(Setup::new().process_group().group, Group::Own);
        assert_eq!(Setup::new().process_group().session().group, Group::Session);
        assert_eq!(Setup::new().session().process_group().group, Group::Session);
    }
}
