//! Users and groups: from what an administrator wrote to numbers.
//!
//! The look-ups go through the C library, so that they see what NSS sees
//! (files, LDAP ...); they may block and allocate, and therefore happen in the
//! parent, before anything starts.
#![allow(unsafe_code)]

use std::error::Error;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr;

#[cfg(test)]
mod tests;

/// `setresuid(2)` and `chown(2)` read this id as "leave it as it is".
const NO_ID: u32 = u32::MAX;
/// Where growing a buffer for one passwd or group entry ends: 16 MiB.
const LARGEST_ENTRY: usize = 1 << 24;

/// The user, group and supplementary groups that a child gets.
///
/// This is only data; [`Setup::credentials`](crate::Setup::credentials) makes
/// a child take them on.
///
/// ```
/// use reaper::Credentials;
/// let root = Credentials::lookup(Some("root"), None)?;
/// assert_eq!((root.uid(), root.gid()), (0, 0));
/// assert!(Credentials::lookup(Some("no such user"), None).is_err());
/// # Ok::<(), reaper::UserError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: Option<OsString>,
    home: Option<PathBuf>,
    shell: Option<PathBuf>,
}

impl Credentials {
    /// Looks up a user, a group or both; each is a name or a number (a name
    /// made of digits is tried as a name first, as `chown(1)` does).
    ///
    /// With a user alone, the group is the user's own. The supplementary
    /// groups are those of the user's `initgroups(3)` list; a user id without
    /// a passwd entry, and a group alone, have none besides the group itself.
    /// With a group alone, the user stays the caller's effective one.
    ///
    /// # Errors
    ///
    /// An unknown name; a user id that has no passwd entry, when no group is
    /// given; neither user nor group; failure of the user database.
    pub fn lookup(user: Option<&str>, group: Option<&str>) -> Result<Credentials, UserError> {
        let gid = group.map(group_id).transpose()?;
        let Some(user) = user else {
            let Some(gid) = gid else {
                return Err(UserError(Problem::Nothing));
            };
            let uid = rustix::process::geteuid().as_raw();
            return Ok(Credentials::from_ids(uid, gid));
        };
        match find_user(user)? {
            FoundUser::Entry(entry) => {
                let gid = gid.unwrap_or(entry.gid);
                let groups = group_list(&entry.name, gid)?;
                Ok(Credentials {
                    uid: entry.uid,
                    gid,
                    groups,
                    name: Some(OsString::from_vec(entry.name.into_bytes())),
                    home: Some(PathBuf::from(entry.home)),
                    shell: Some(PathBuf::from(entry.shell)),
                })
            }
            FoundUser::Number(uid) => match gid {
                Some(gid) => Ok(Credentials::from_ids(uid, gid)),
                None => Err(UserError(Problem::NoGroupFor(uid))),
            },
        }
    }

    /// Credentials from numbers; the only supplementary group is `gid`.
    #[must_use]
    pub fn from_ids(uid: u32, gid: u32) -> Credentials {
        Credentials { uid, gid, groups: vec![gid], name: None, home: None, shell: None }
    }

    /// The user id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group id.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The supplementary groups.
    #[must_use]
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The user's name, when there is a passwd entry.
    #[must_use]
    pub fn name(&self) -> Option<&OsStr> {
        self.name.as_deref()
    }

    /// The user's home directory, when there is a passwd entry.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The user's login shell, when there is a passwd entry.
    #[must_use]
    pub fn shell(&self) -> Option<&Path> {
        self.shell.as_deref()
    }
}

/// The id of a user given by name or number, for `chown(2)`.
///
/// # Errors
///
/// An unknown name, or failure of the user database.
pub fn user_id(user: &str) -> Result<u32, UserError> {
    match find_user(user)? {
        FoundUser::Entry(entry) => Ok(entry.uid),
        FoundUser::Number(uid) => Ok(uid),
    }
}

/// The id of a group given by name or number, for `chown(2)`.
///
/// # Errors
///
/// An unknown name, or failure of the group database.
pub fn group_id(group: &str) -> Result<u32, UserError> {
    let unknown = || UserError(Problem::UnknownGroup(group.to_owned()));
    let name = CString::new(group).map_err(|_| unknown())?;
    match group_by_name(&name) {
        Ok(Some(gid)) => Ok(gid),
        Ok(None) => number(group).ok_or_else(unknown),
        Err(error) => Err(UserError(Problem::Failed(group.to_owned(), error))),
    }
}

/// Why a user or group cannot be used.
#[derive(Debug)]
pub struct UserError(Problem);

#[derive(Debug)]
enum Problem {
    UnknownUser(String),
    UnknownGroup(String),
    NoGroupFor(u32),
    Nothing,
    Failed(String, io::Error),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::UnknownUser(name) => write!(f, "unknown user {name:?}"),
            Problem::UnknownGroup(name) => write!(f, "unknown group {name:?}"),
            Problem::NoGroupFor(uid) => {
                write!(f, "user id {uid} has no passwd entry; name a group as well")
            }
            Problem::Nothing => f.write_str("neither a user nor a group is given"),
            Problem::Failed(name, error) => write!(f, "failed to look up {name:?}: {error}"),
        }
    }
}

impl Error for UserError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Problem::Failed(_, error) => Some(error),
            _ => None,
        }
    }
}

enum FoundUser {
    Entry(UserEntry),
    Number(u32),
}

struct UserEntry {
    uid: u32,
    gid: u32,
    name: CString,
    home: OsString,
    shell: OsString,
}

fn find_user(user: &str) -> Result<FoundUser, UserError> {
    let failed = |error| UserError(Problem::Failed(user.to_owned(), error));
    let unknown = || UserError(Problem::UnknownUser(user.to_owned()));
    let name = CString::new(user).map_err(|_| unknown())?;
    if let Some(entry) = user_entry(UserKey::Name(&name)).map_err(failed)? {
        return Ok(FoundUser::Entry(entry));
    }
    let uid = number(user).ok_or_else(unknown)?;
    Ok(match user_entry(UserKey::Id(uid)).map_err(failed)? {
        Some(entry) => FoundUser::Entry(entry),
        None => FoundUser::Number(uid),
    })
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id| plain && id != NO_ID)
}

enum UserKey<'a> {
    Name(&'a CStr),
    Id(u32),
}

fn user_entry(key: UserKey<'_>) -> io::Result<Option<UserEntry>> {
    with_buffer(|buffer| {
        // SAFETY: passwd is a plain C struct of integers and pointers, for
        // which all zero bytes are a valid value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found: *mut libc::passwd = ptr::null_mut();
        let (text, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        let result = match key {
            // SAFETY: the name ends in NUL; entry, buffer (with its true
            // length) and found outlive the call.
            UserKey::Name(name) => unsafe {
                libc::getpwnam_r(name.as_ptr(), &mut entry, text, size, &mut found)
            },
            // SAFETY: as above.
            UserKey::Id(uid) => unsafe {
                libc::getpwuid_r(uid, &mut entry, text, size, &mut found)
            },
        };
        if found.is_null() {
            return not_found(result);
        }
        // SAFETY: on success the strings of the entry are NUL-terminated and
        // lie in the buffer, which is still borrowed.
        let (name, home, shell) =
            unsafe { (owned(entry.pw_name), owned(entry.pw_dir), owned(entry.pw_shell)) };
        Ok(Some(UserEntry {
            uid: entry.pw_uid,
            gid: entry.pw_gid,
            name,
            home: OsString::from_vec(home.into_bytes()),
            shell: OsString::from_vec(shell.into_bytes()),
        }))
    })
}

fn group_by_name(name: &CStr) -> io::Result<Option<u32>> {
    with_buffer(|buffer| {
        // SAFETY: group is a plain C struct of integers and pointers, for
        // which all zero bytes are a valid value.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found: *mut libc::group = ptr::null_mut();
        let (text, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: the name ends in NUL; entry, buffer (with its true length)
        // and found outlive the call.
        let result = unsafe { libc::getgrnam_r(name.as_ptr(), &mut entry, text, size, &mut found) };
        if found.is_null() { not_found(result) } else { Ok(Some(entry.gr_gid)) }
    })
}

/// Calls with larger and larger buffers until the answer is not ERANGE.
fn with_buffer<T>(mut call: impl FnMut(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            Err(error)
                if error.raw_os_error() == Some(libc::ERANGE) && buffer.len() < LARGEST_ENTRY =>
            {
                buffer.resize(buffer.len().saturating_mul(4), 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// What a look-up without a result means. "No such entry" is 0, but NSS
/// modules also answer with the errors listed in getpwnam_r(3).
fn not_found<T>(result: libc::c_int) -> io::Result<Option<T>> {
    match result {
        0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => Ok(None),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// # Safety
///
/// `text` is null or points to a NUL-terminated string.
unsafe fn owned(text: *const libc::c_char) -> CString {
    if text.is_null() {
        return CString::default();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_owned()
}

/// The groups `initgroups(3)` would set.
fn group_list(user: &CStr, gid: u32) -> Result<Vec<u32>, UserError> {
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    loop {
        let room = i32::try_from(groups.len()).unwrap_or(i32::MAX);
        let mut count = room;
        // SAFETY: the name ends in NUL, groups has room for count entries and
        // both outlive the call.
        let result =
            unsafe { libc::getgrouplist(user.as_ptr(), gid, groups.as_mut_ptr(), &mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if result >= 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        // The kernel allows 65,536 groups (NGROUPS_MAX); musl does not report
        // the size it wants, so grow at least by doubling.
        if groups.len() >= 1 << 17 {
            let error = io::Error::from_raw_os_error(libc::ERANGE);
            return Err(UserError(Problem::Failed(user.to_string_lossy().into_owned(), error)));
        }
        groups.resize(groups.len().saturating_mul(2).max(count.min(1 << 17)), 0);
    }
}
