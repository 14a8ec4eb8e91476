//! The grammar of port specifications and the rules for paths. Errors are reasons, to be put after
//! the offending text.

use std::ffi::{OsStr, OsString};
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Host, MAX_FD, MAX_PATH_BYTES, Port, Target};
use crate::text::{all_digits, decimal, one_line};

/// Longest interface name (`IFNAMSIZ` less the NUL); a zone may also be an interface's number.
const MAX_ZONE_BYTES: usize = 15;

const FORMS: &str =
    "expected PORT, HOST:PORT or [IPV6]:PORT, a `u' before the port for UDP, and optionally =FD";

/// Splits `host : u port = fd`, every part but the port optional.
pub(super) fn port(text: &str) -> Result<(Target, Option<i32>), String> {
    let (rest, fd) = split_fd(text.trim_ascii())?;
    let (host, port) = match rest.rsplit_once(':') {
        None => (Host::AnyV4, rest),
        Some((host, port)) => (self::host(host.trim_ascii_end())?, port.trim_ascii_start()),
    };
    let (udp, digits) = match port.strip_prefix('u') {
        Some(digits) => (true, digits),
        None => (false, port),
    };
    if !all_digits(digits.as_bytes()) {
        return Err(port_hint(&host, rest));
    }
    let number = decimal::<u16>(digits.as_bytes()).ok_or("the highest port is 65535")?;
    Ok((Target::Inet { host, udp, port: Port { text: digits.to_owned(), number } }, fd))
}

fn split_fd(text: &str) -> Result<(&str, Option<i32>), String> {
    let Some((rest, digits)) = text.rsplit_once('=') else {
        return Ok((text, None));
    };
    if !all_digits(digits.as_bytes()) {
        return Err("the text after `=' is no descriptor number".to_owned());
    }
    match decimal::<i32>(digits.as_bytes()) {
        Some(2) => Err("descriptor 2 is standard error; choose 0, 1 or 3 and above".to_owned()),
        Some(fd) if fd <= MAX_FD => Ok((rest.trim_ascii_end(), Some(fd))),
        _ => Err(format!("the highest descriptor number is {MAX_FD}")),
    }
}

fn port_hint(host: &Host, rest: &str) -> String {
    if *host == Host::AnyV4 && (rest.starts_with('/') || rest.starts_with('.')) {
        return format!("{FORMS} (a unix socket is given with --path)");
    }
    FORMS.to_owned()
}

fn host(text: &str) -> Result<Host, String> {
    let text = match text.strip_prefix('[') {
        None => text,
        Some(inside) => inside.strip_suffix(']').ok_or("the closing `]' is missing")?.trim_ascii(),
    };
    match text {
        "" | "*" => {
            return Err(
                "write PORT alone for every IPv4 address, [::]:PORT for every IPv6 address"
                    .to_owned(),
            );
        }
        _ if text.contains(':') => return v6(text),
        _ => {}
    }
    let allowed =
        |c: char| !c.is_control() && !c.is_whitespace() && !"[]{};,=/@%*\\\"'".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        None => Ok(Host::Name(text.to_owned())),
        Some(c) => Err(format!("`{}' cannot be part of a host name", one_line(&c.to_string()))),
    }
}

fn v6(text: &str) -> Result<Host, String> {
    let (literal, zone) = match text.split_once('%') {
        None => (text, None),
        Some((literal, zone)) => (literal, Some(zone)),
    };
    let address: Ipv6Addr = literal.parse().map_err(
        |_| "not an IPv6 address (the last colon separates the port; [ADDRESS]:PORT is safest)",
    )?;
    if let Some(zone) = zone {
        let allowed = |b: u8| b.is_ascii_graphic() && !b"[];,=/%:@".contains(&b);
        if zone.is_empty() || zone.len() > MAX_ZONE_BYTES || !zone.bytes().all(allowed) {
            return Err("the zone after `%' must be an interface's name or number".to_owned());
        }
    }
    Ok(Host::V6 { text: text.to_owned(), address, zone: zone.map(str::to_owned) })
}

pub(super) fn path(path: &OsStr) -> Result<Target, String> {
    let bytes = path.as_bytes();
    let name = bytes.strip_prefix(b"@");
    let what = if name.is_some() { "the abstract name" } else { "the path" };
    let bytes = name.unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if bytes.len() > MAX_PATH_BYTES {
        let length = bytes.len();
        return Err(format!(
            "{what} has {length} bytes, a unix socket's may have {MAX_PATH_BYTES}; \
             use a shorter one or a path relative to the working directory"
        ));
    }
    let refused = [(0, "a NUL byte"), (b'\n', "a newline"), (b';', "a semicolon")];
    if let Some((_, which)) = refused.iter().find(|(byte, _)| bytes.contains(byte)) {
        return Err(format!("{what} contains {which}, which SERVER_STARTER_PORT cannot carry"));
    }
    Ok(match name {
        Some(name) => Target::Abstract(OsString::from(OsStr::from_bytes(name))),
        None => Target::Path(PathBuf::from(path)),
    })
}
