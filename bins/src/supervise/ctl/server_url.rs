//! The address of a server, as `serverurl=` and `-s` have it.

use std::fmt;
use std::path::PathBuf;

use super::plain;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix:///path`
    Unix(PathBuf),
    /// `http://host:port`
    Tcp {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// 80 where none is given.
        port: u16,
    },
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no address of a server: unix:///PATH or http://HOST:PORT", self.0)
    }
}

impl std::error::Error for BadUrl {}

/// An address as it may be shown: `***` stands for a user and a password, and whatever else there is
/// before the last `@`.
#[must_use]
pub fn shown(url: &str) -> String {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
    let is_word = scheme.chars().all(|c| c.is_ascii_alphanumeric());
    let path = scheme.eq_ignore_ascii_case("unix") && url.get(7..8) == Some("/");
    let shown = match url.rsplit_once('@') {
        Some((_, place)) if !path => match is_word && !scheme.is_empty() {
            true => format!("{scheme}://***@{place}"),
            false => format!("***@{place}"),
        },
        _ => url.to_owned(),
    };
    plain::line(&shown).into_owned()
}

impl Address {
    /// Reads an address. A user and password in it, and a path behind it, count for nothing, as in
    /// supervisorctl.
    ///
    /// # Errors
    ///
    /// It is neither `unix:` nor `http:`, or something is missing; it is [`shown`] without a password.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(shown(url));
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        match scheme.to_ascii_lowercase().as_str() {
            "unix" if rest.starts_with('/') => Ok(Address::Unix(PathBuf::from(rest))),
            "http" => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                // What is behind the place would be a password's end rather than a path.
                if rest.get(authority.len()..).is_some_and(|path| path.contains('@')) {
                    return Err(bad());
                }
                let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
                let (host, port) = split_port(place).ok_or_else(bad)?;
                let port = if port.is_empty() { Ok(80) } else { port.parse() };
                match (host, port) {
                    ("", _) | (_, Err(_)) => Err(bad()),
                    (host, Ok(port)) => Ok(Address::Tcp { host: host.to_owned(), port }),
                }
            }
            _ => Err(bad()),
        }
    }

    /// What a request calls the server in its `Host`.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

/// Host and port, which may be empty; a host in brackets may have colons.
fn split_port(place: &str) -> Option<(&str, &str)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
        return Some((host, port));
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, port)),
        Some(_) => None,
        None => Some((place, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_hosts_are_told_apart() {
        for (url, host) in [
            ("unix:///run/s.sock", "localhost"),
            ("http://localhost:9001", "localhost:9001"),
            ("HTTP://localhost", "localhost:80"),
            ("http://127.0.0.1:9001/RPC2", "127.0.0.1:9001"),
            ("http://user:secret@h:1/?x", "h:1"),
            ("http://[::1]:9001", "[::1]:9001"),
            ("http://[::1]", "[::1]:80"),
        ] {
            assert_eq!(Address::parse(url).unwrap().host(), host, "{url}");
        }
        let socket = Address::Unix("/run/a b".into());
        assert_eq!(Address::parse("unix:///run/a b"), Ok(socket));
        let tcp = Address::Tcp { host: "::1".to_owned(), port: 9001 };
        assert_eq!(Address::parse("http://[::1]:9001"), Ok(tcp));
    }

    #[test]
    fn an_address_is_shown_without_a_password() {
        for (url, expected) in [
            ("http://u:secret@h:1/x", "http://***@h:1/x"),
            ("HTTP://secret@h", "HTTP://***@h"),
            ("http://h:1", "http://h:1"),
            ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ] {
            assert!(Address::parse(url).is_ok(), "{url}");
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("ftp://x", "ftp://x"),
            ("localhost:9001", "localhost:9001"),
            ("unix://s.sock", "unix://s.sock"),
            ("unix://", "unix://"),
            ("http://", "http://"),
            ("http://:9001", "http://:9001"),
            ("http://u:secret@h:port", "http://***@h:port"),
            ("http://u:sec/ret@h:1", "http://***@h:1"),
            ("http://u:sec@ret@h:port", "http://***@h:port"),
            ("https://u:secret@h", "https://***@h"),
            ("unix://u:secret@s", "unix://***@s"),
            ("u:secret@h:1", "***@h:1"),
            ("http:/u:secret@h", "***@h"),
            ("u:secret://x@h", "***@h"),
            ("ftp://\x1bc", "ftp://␛c"),
            ("http://h:70000", "http://h:70000"),
            ("http://::1", "http://::1"),
            ("http://[::1", "http://[::1"),
        ] {
            let line =
                format!("{shown} is no address of a server: unix:///PATH or http://HOST:PORT");
            assert_eq!(Address::parse(url).unwrap_err().to_string(), line);
        }
    }
}
