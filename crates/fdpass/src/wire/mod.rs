//! The environment variables that name passed sockets, written and read (PURE).
//!
//! | variable | form | who |
//! |---|---|---|
//! | `SERVER_STARTER_PORT` | `name=fd;name=fd`, empty for no sockets | Server::Starter |
//! | `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES` | count from descriptor 3, reader's pid, `name:name` | sd_listen_fds(3) |
//! | `EINHORN_FDS`; `EINHORN_FD_COUNT`, `EINHORN_FD_0`, ... | `3 4`; one variable each | einhorn |
//! | `SUPERDAEMON_SOCKETS` | JSON, with type and address of each | this workspace |
//!
//! Nothing here touches a descriptor: numbers stay numbers until
//! [`Inherited::from_env`](crate::Inherited::from_env) has checked them.

mod json;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub use json::{SocketInfo, encode_sockets_json, push_json_string};

use crate::spec::MAX_FD;
use crate::text::{decimal, one_line};

/// The first descriptor of the `LISTEN_FDS` convention.
pub const LISTEN_FDS_START: i32 = 3;

/// The name sd_listen_fds_with_names(3) gives to sockets without one.
const UNNAMED: &str = "unknown";

/// One passed socket: what it is called and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The name; two sockets may share one (Server::Starter does not mark UDP, so `53` over TCP and
    /// UDP are both `53`). Empty where the convention has no names.
    pub name: OsString,
    /// The descriptor number, `0..=1048575`; never twice in one list.
    pub fd: i32,
}

/// Writes the value of `SERVER_STARTER_PORT`. No sockets give the empty text, which is still to be
/// set: workers tell by its presence that they run under a starter.
///
/// The format has no way to quote: an entry whose name contains `;` or NUL is left out, so that it
/// cannot spoil the others. [`ListenSpec`](crate::ListenSpec) refuses such names from the start.
///
/// ```
/// use std::ffi::OsStr;
/// let sockets = [(OsStr::new("8080"), 4), (OsStr::new("/run/app.sock"), 5)];
/// assert_eq!(fdpass::wire::encode_server_starter(&sockets), "8080=4;/run/app.sock=5");
/// ```
#[must_use]
pub fn encode_server_starter(sockets: &[(&OsStr, i32)]) -> OsString {
    let mut text = Vec::new();
    for (name, fd) in sockets {
        if name.as_bytes().iter().any(|byte| matches!(byte, b';' | 0)) {
            continue;
        }
        if !text.is_empty() {
            text.push(b';');
        }
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        text.extend_from_slice(fd.to_string().as_bytes());
    }
    OsString::from_vec(text)
}

/// Reads a `SERVER_STARTER_PORT` value. The last `=` of an entry separates the number, so names may
/// contain `=`; the empty text means no sockets.
///
/// ```
/// let entries = fdpass::wire::parse_server_starter("127.0.0.1:80=4;/a=b=5".as_ref())?;
/// assert_eq!((entries[1].name.to_str(), entries[1].fd), (Some("/a=b"), 5));
/// # Ok::<(), fdpass::WireError>(())
/// ```
///
/// # Errors
///
/// Names the first entry that is not `name=fd` or whose descriptor an earlier entry has.
pub fn parse_server_starter(value: &OsStr) -> Result<Vec<Entry>, WireError> {
    const VARIABLE: &str = "SERVER_STARTER_PORT";
    let mut entries = Vec::new();
    if value.is_empty() {
        return Ok(entries);
    }
    for part in value.as_bytes().split(|byte| *byte == b';') {
        let mut halves = part.rsplitn(2, |byte| *byte == b'=');
        let (number, name) = (halves.next().unwrap_or_default(), halves.next());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(WireError::entry(VARIABLE, part, "should be `NAME=FD'"));
        };
        let fd = descriptor(VARIABLE, part, number)?;
        push(VARIABLE, part, &mut entries, Entry { name: OsStr::from_bytes(name).into(), fd })?;
    }
    Ok(entries)
}

/// Reads the sd_listen_fds(3) variables. `pid` is `LISTEN_PID`, `names` is `LISTEN_FDNAMES`.
///
/// A missing or empty `LISTEN_PID` is accepted as "meant for whoever reads this" (sd_listen_fds
/// itself wants it; wrappers such as `sh -c` cannot provide it); the pid of another process gives
/// an empty list. Sockets without a name are called `unknown`, as systemd does.
///
/// # Errors
///
/// A count or pid that is no number, a count that runs past descriptor 1048575, or another number
/// of names than of sockets.
pub fn parse_listen_fds(
    fds: &OsStr,
    pid: Option<&OsStr>,
    names: Option<&OsStr>,
    own_pid: u32,
) -> Result<Vec<Entry>, WireError> {
    if let Some(pid) = pid.filter(|pid| !pid.is_empty()) {
        let Some(pid) = decimal::<u32>(pid.as_bytes()) else {
            return Err(WireError::value("LISTEN_PID", pid.as_bytes(), "should be a process id"));
        };
        if pid != own_pid {
            return Ok(Vec::new());
        }
    }
    let count = decimal::<i32>(fds.as_bytes())
        .filter(|count| *count <= MAX_FD.saturating_sub(LISTEN_FDS_START).saturating_add(1))
        .ok_or_else(|| {
            WireError::value("LISTEN_FDS", fds.as_bytes(), "should be the number of sockets")
        })?;
    let numbers = LISTEN_FDS_START..LISTEN_FDS_START.saturating_add(count);
    let Some(names) = names else {
        return Ok(numbers.map(|fd| Entry { name: UNNAMED.into(), fd }).collect());
    };
    let listed = match names.is_empty() {
        true => 0,
        false => names.as_bytes().split(|byte| *byte == b':').count(),
    };
    // One socket with an empty name and no socket at all are written alike.
    let wanted = numbers.len();
    if listed != wanted && !(names.is_empty() && wanted == 1) {
        let problem = format!("has {listed} names for {wanted} sockets");
        return Err(WireError::value("LISTEN_FDNAMES", names.as_bytes(), &problem));
    }
    Ok(names
        .as_bytes()
        .split(|byte| *byte == b':')
        .zip(numbers)
        .map(|(name, fd)| Entry { name: OsStr::from_bytes(name).into(), fd })
        .collect())
}

/// Reads an `EINHORN_FDS` value: descriptor numbers separated by spaces. The names are empty.
///
/// # Errors
///
/// Names the first word that is no descriptor number or repeats one.
pub fn parse_einhorn_fds(value: &OsStr) -> Result<Vec<Entry>, WireError> {
    const VARIABLE: &str = "EINHORN_FDS";
    let mut entries = Vec::new();
    let words = value.as_bytes().split(u8::is_ascii_whitespace);
    for word in words.filter(|word| !word.is_empty()) {
        let fd = descriptor(VARIABLE, word, word)?;
        push(VARIABLE, word, &mut entries, Entry { name: OsString::new(), fd })?;
    }
    Ok(entries)
}

/// Reads einhorn's newer form: `EINHORN_FD_COUNT` is `count`, and `lookup` gives the values of
/// `EINHORN_FD_0`, `EINHORN_FD_1` and so on. The names are empty.
///
/// # Errors
///
/// A count that is no number, a variable that is missing or holds no descriptor number, or the same
/// number twice.
pub fn parse_einhorn_count(
    count: &OsStr,
    mut lookup: impl FnMut(&str) -> Option<OsString>,
) -> Result<Vec<Entry>, WireError> {
    let Some(wanted) = decimal::<i32>(count.as_bytes()).filter(|count| *count <= MAX_FD) else {
        let problem = "should be the number of sockets";
        return Err(WireError::value("EINHORN_FD_COUNT", count.as_bytes(), problem));
    };
    let mut entries = Vec::new();
    for index in 0..wanted {
        let variable = format!("EINHORN_FD_{index}");
        let value = lookup(&variable).unwrap_or_default();
        let fd = descriptor(&variable, value.as_bytes(), value.as_bytes())?;
        push(&variable, value.as_bytes(), &mut entries, Entry { name: OsString::new(), fd })?;
    }
    Ok(entries)
}

fn descriptor(variable: &str, entry: &[u8], number: &[u8]) -> Result<i32, WireError> {
    decimal::<i32>(number)
        .filter(|fd| *fd <= MAX_FD)
        .ok_or_else(|| WireError::entry(variable, entry, "has no valid descriptor number"))
}

fn push(variable: &str, part: &[u8], to: &mut Vec<Entry>, entry: Entry) -> Result<(), WireError> {
    if to.iter().any(|earlier| earlier.fd == entry.fd) {
        return Err(WireError::entry(variable, part, "repeats the descriptor of an earlier entry"));
    }
    to.push(entry);
    Ok(())
}

/// A variable that does not follow its format; displays as one line that names variable and entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    line: String,
}

impl WireError {
    fn entry(variable: &str, entry: &[u8], problem: &str) -> WireError {
        let entry = one_line(&String::from_utf8_lossy(entry));
        WireError { line: format!("invalid {variable}: the entry `{entry}' {problem}") }
    }

    fn value(variable: &str, value: &[u8], problem: &str) -> WireError {
        let value = one_line(&String::from_utf8_lossy(value));
        WireError { line: format!("invalid {variable}: `{value}' {problem}") }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for WireError {}
