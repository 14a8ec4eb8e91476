//! What single values mean: supervisord's types, with its error texts.
//!
//! Nothing here looks at the system: whether a directory or a user exists is for the caller.

use std::time::Duration;

use sigpolicy::Signal;

use super::model::{AutoRestart, Level, LogFile, SocketAddress};
use super::python;

/// `yes`, `true`, `on`, `1`, or `no`, `false`, `off`, `0`, in any case.
///
/// # Errors
/// `not a valid boolean value: 't'`.
pub fn boolean(value: &str) -> Result<bool, String> {
    truth(&value.to_lowercase())
        .ok_or_else(|| format!("not a valid boolean value: {}", python::repr(value)))
}

fn truth(lower: &str) -> Option<bool> {
    match lower {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// What Python's `int()` reads, if it fits 64 bits: `-1`, ` 3 `, `1_000`.
///
/// # Errors
/// `invalid literal for int() with base 10: '1.5'`.
pub fn integer(value: &str) -> Result<i64, String> {
    python::int(value)
}

/// An [`integer`], or one before `KB`, `MB` or `GB` in any case: bytes.
///
/// # Errors
/// As for an [`integer`], of the part that should be one.
pub fn byte_size(value: &str) -> Result<i64, String> {
    let lower = value.to_lowercase();
    let units = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
    let unit = units.iter().find_map(|(name, unit)| Some((lower.strip_suffix(name)?, *unit)));
    let (number, unit) = unit.unwrap_or((&lower, 1));
    let bytes = python::int(number)?.checked_mul(unit);
    bytes.ok_or_else(|| format!("the size {} is too large", python::repr(value)))
}

/// A [`boolean`], or `unexpected`.
///
/// # Errors
/// `invalid 'autorestart' value 'always'`.
pub fn autorestart(value: &str) -> Result<AutoRestart, String> {
    let lower = value.to_lowercase();
    match truth(&lower) {
        Some(true) => Ok(AutoRestart::Always),
        Some(false) => Ok(AutoRestart::Never),
        None if lower == "unexpected" => Ok(AutoRestart::Unexpected),
        None => Err(format!("invalid 'autorestart' value {}", python::repr(&lower))),
    }
}

/// Numbers from 0 to 255 between commas; nothing is no code at all.
///
/// # Errors
/// `not a valid list of exit codes: '256'`.
pub fn exit_codes(value: &str) -> Result<Vec<u8>, String> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let code = |text: &str| python::int(text).ok().and_then(|code| u8::try_from(code).ok());
    let codes: Option<Vec<u8>> = value.split(',').map(code).collect();
    codes.ok_or_else(|| format!("not a valid list of exit codes: {}", python::repr(value)))
}

/// A signal by name, with or without `SIG` and in any case, or by number; as Python has them, also
/// `SIG_DFL` (0) and `SIG_IGN` (1). Beyond supervisord: `RTMIN+1` and the like, 35 to 63.
///
/// # Errors
/// `value 'FOO' is not a valid signal name`, `value '99' is not a valid signal number`.
pub fn signal(value: &str) -> Result<i32, String> {
    if let Some(number) = python::digits(value, 10) {
        // 32 and 33 belong to the threads of the C library.
        return number
            .and_then(|number| i32::try_from(number).ok())
            .filter(|number| matches!(number, 0..=31 | 34..=64))
            .ok_or_else(|| format!("value {} is not a valid signal number", python::repr(value)));
    }
    let upper = python::strip(value).to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match name {
        "_DFL" | "_BLOCK" => Ok(0),
        "_IGN" | "_UNBLOCK" => Ok(1),
        "_SETMASK" => Ok(2),
        _ => {
            let named =
                name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.starts_with("SIG");
            let signal = named.then(|| name.parse::<Signal>().ok()).flatten();
            signal
                .map(Signal::as_raw)
                .ok_or_else(|| format!("value {} is not a valid signal name", python::repr(value)))
        }
    }
}

/// An octal number: `022`, `22`, `0o22`; supervisord takes negative ones, too.
///
/// # Errors
/// `abc can not be converted to an octal type`.
pub fn octal(value: &str) -> Result<i64, String> {
    python::digits(value, 8)
        .flatten()
        .ok_or_else(|| format!("{value} can not be converted to an octal type"))
}

/// `NONE`, `off`, `AUTO` and `syslog`, in any case, or a path; nothing is an empty path. Whether
/// the path's directory exists is not asked.
#[must_use]
pub fn logfile(value: &str) -> LogFile {
    match value.to_lowercase().as_str() {
        "none" | "off" => LogFile::None,
        "auto" => LogFile::Auto,
        "syslog" => LogFile::Syslog,
        _ => LogFile::Path(value.to_owned()),
    }
}

/// The name of a program, process or group: no blank, colon or slash inside.
///
/// # Errors
/// `Invalid name: 'a b' because of character: ' '`.
pub fn name(value: &str) -> Result<String, String> {
    let name = python::strip(value);
    match [" ", ":", "/"].into_iter().find(|bad| name.contains(bad)) {
        None => Ok(name.to_owned()),
        Some(bad) => {
            Err(format!("Invalid name: {} because of character: '{bad}'", python::repr(value)))
        }
    }
}

/// `9001`, `:9001`, `*:9001` or `host:9001`: a host in lower case, empty for every address, and a
/// port.
///
/// # Errors
/// `not a valid port number: '70000' ` without a host, blank and all; what is wrong with the
/// number otherwise.
pub fn inet_address(value: &str) -> Result<(String, u16), String> {
    let Some((host, number)) = value.rsplit_once(':') else {
        let port = port(value);
        let port =
            port.map_err(|_| format!("not a valid port number: {} ", python::repr(value)))?;
        return Ok((String::new(), port));
    };
    if number.is_empty() {
        return Err("no port number specified in ''".to_owned());
    }
    let port = port(number)?;
    Ok((if host == "*" { String::new() } else { host.to_lowercase() }, port))
}

/// A port number, 1 to 65535.
///
/// # Errors
/// As for an [`integer`], or `70000 is above upper bound (65535)`.
pub fn port(value: &str) -> Result<u16, String> {
    let number = python::int(value)?;
    match u16::try_from(number) {
        Ok(0) => Err("0 is below lower bound (1)".to_owned()),
        Ok(port) => Ok(port),
        Err(_) if number < 0 => Err(format!("{number} is below lower bound (1)")),
        Err(_) => Err(format!("{number} is above upper bound (65535)")),
    }
}

/// `tcp://host:port` or `unix:///absolute/path`, for `socket=`; `unix_only` says that
/// `socket_owner=` or `socket_mode=` is given.
///
/// # Errors
/// supervisord's texts, two of which are the written form of a Python tuple.
pub fn socket(value: &str, unix_only: bool) -> Result<SocketAddress, String> {
    if let Some(path) = value.strip_prefix("unix://") {
        if path.starts_with('/') {
            return Ok(SocketAddress::Unix(path.to_owned()));
        }
        let path = python::repr(path);
        return Err(format!("('Unix socket path %s is not an absolute path', {path})"));
    }
    if unix_only {
        return Err("socket_owner and socket_mode params should only be used with a Unix domain \
                    socket"
            .to_owned());
    }
    let parts = value.strip_prefix("tcp://").and_then(|rest| rest.split_once(':'));
    let fits = |(host, number): &(&str, &str)| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && !host.is_empty() && !host.contains(python::is_space)
    };
    let Some((host, number)) = parts.filter(fits) else {
        return Err(format!("('Bad socket format %s', {})", python::repr(value)));
    };
    Ok(SocketAddress::Tcp { host: host.to_lowercase(), port: port(number)? })
}

/// The level of a log by its name in any case.
///
/// # Errors
/// `bad logging level name 'warning'`.
pub fn level(value: &str) -> Result<Level, String> {
    Ok(match value.to_lowercase().as_str() {
        "critical" => Level::Critical,
        "error" => Level::Error,
        "warn" => Level::Warn,
        "info" => Level::Info,
        "debug" => Level::Debug,
        "trace" => Level::Trace,
        "blather" => Level::Blather,
        _ => return Err(format!("bad logging level name {}", python::repr(value))),
    })
}

/// What stands between commas, without blanks around; nothing is an empty list.
#[must_use]
pub fn list(value: &str) -> Vec<String> {
    if value.is_empty() {
        return Vec::new();
    }
    value.split(',').map(|item| python::strip(item).to_owned()).collect()
}

/// A duration, for keys that supervisord does not have: seconds, or a number with `ms`, `s`, `m`,
/// `h` or `d`; it may have a fraction: `10`, `1.5`, `500ms`, `2m`.
///
/// # Errors
/// `not a valid duration: '2 weeks' (such as 10, 1.5, 500ms or 2m)`.
pub fn duration(value: &str) -> Result<Duration, String> {
    read_duration(python::strip(value)).ok_or_else(|| {
        let value = python::repr(value);
        format!("not a valid duration: {value} (such as 10, 1.5, 500ms or 2m)")
    })
}

fn read_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let nanos_per_unit: u128 = match python::strip(unit) {
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let mut nanos = whole.parse::<u128>().ok()?.checked_mul(nanos_per_unit)?;
    let mut weight = nanos_per_unit;
    if fraction.is_empty() {
        return None;
    }
    for digit in fraction.chars() {
        weight = weight.checked_div(10)?;
        nanos = nanos.checked_add(weight.checked_mul(u128::from(digit.to_digit(10)?))?)?;
    }
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests;
