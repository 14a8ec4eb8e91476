//! Which of the conventions applies, and what it names (PURE).

use std::ffi::OsString;
use std::fmt;

use crate::wire::{
    Entry, WireError, parse_einhorn_count, parse_einhorn_fds, parse_listen_fds,
    parse_server_starter,
};

/// A convention for passing sockets to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// `SERVER_STARTER_PORT`, of Server::Starter and its kin.
    ServerStarter,
    /// `LISTEN_FDS`, of systemd and its kin.
    ListenFds,
    /// `EINHORN_FDS` or `EINHORN_FD_COUNT`.
    Einhorn,
    /// A listening socket as standard input, as FastCGI and inetd's "wait" have it.
    Stdin,
    /// No convention applies: the program was started on its own.
    Nothing,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::ServerStarter => "SERVER_STARTER_PORT",
            Source::ListenFds => "LISTEN_FDS",
            Source::Einhorn => "EINHORN_FDS",
            Source::Stdin => "standard input",
            Source::Nothing => "nowhere",
        })
    }
}

/// What an environment says about passed sockets, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The convention that applies; never [`Source::Stdin`], which the environment does not tell.
    pub source: Source,
    /// The sockets it names.
    pub entries: Vec<Entry>,
}

/// Finds the convention that applies in an environment.
///
/// `lookup` gives the values of variables, `own_pid` is the reader's process id, to compare with
/// `LISTEN_PID`. The order is that of [`Inherited::from_env`](crate::Inherited::from_env).
///
/// # Errors
///
/// The variable that applies is malformed; the others are not looked at.
pub fn resolve(
    mut lookup: impl FnMut(&str) -> Option<OsString>,
    own_pid: u32,
) -> Result<Passed, WireError> {
    if let Some(value) = lookup("SERVER_STARTER_PORT") {
        let entries = parse_server_starter(&value)?;
        return Ok(Passed { source: Source::ServerStarter, entries });
    }
    if let Some(fds) = lookup("LISTEN_FDS").filter(|fds| !fds.is_empty()) {
        let (pid, names) = (lookup("LISTEN_PID"), lookup("LISTEN_FDNAMES"));
        let entries = parse_listen_fds(&fds, pid.as_deref(), names.as_deref(), own_pid)?;
        if !entries.is_empty() {
            return Ok(Passed { source: Source::ListenFds, entries });
        }
    }
    let entries = match (lookup("EINHORN_FDS"), lookup("EINHORN_FD_COUNT")) {
        (Some(fds), _) => parse_einhorn_fds(&fds)?,
        (None, Some(count)) => parse_einhorn_count(&count, lookup)?,
        (None, None) => Vec::new(),
    };
    if !entries.is_empty() {
        return Ok(Passed { source: Source::Einhorn, entries });
    }
    Ok(Passed { source: Source::Nothing, entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<(Source, Vec<(String, i32)>), String> {
        let lookup = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into())
        };
        let passed = resolve(lookup, 42).map_err(|error| error.to_string())?;
        let plain = |entry: Entry| (entry.name.into_string().unwrap(), entry.fd);
        Ok((passed.source, passed.entries.into_iter().map(plain).collect()))
    }

    fn one(name: &str, fd: i32) -> Vec<(String, i32)> {
        vec![(name.to_owned(), fd)]
    }

    #[test]
    fn the_first_that_applies_counts() {
        let starter = ("SERVER_STARTER_PORT", "8080=7");
        let (fds, names) = (("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "web"));
        let (own, other) = (("LISTEN_PID", "42"), ("LISTEN_PID", "43"));
        let einhorn = ("EINHORN_FDS", "9");
        let all = [starter, fds, names, own, einhorn];
        assert_eq!(found(&all), Ok((Source::ServerStarter, one("8080", 7))));
        assert_eq!(found(&all[1..]), Ok((Source::ListenFds, one("web", 3))));
        assert_eq!(found(&[fds, other, einhorn]), Ok((Source::Einhorn, one("", 9))));
        assert_eq!(found(&[fds]), Ok((Source::ListenFds, one("unknown", 3))));
        assert_eq!(found(&[fds, other]), Ok((Source::Nothing, vec![])));
        assert_eq!(found(&[("LISTEN_FDS", "0"), own]), Ok((Source::Nothing, vec![])));
        assert_eq!(found(&[("LISTEN_FDS", "")]), Ok((Source::Nothing, vec![])));
        assert_eq!(found(&[]), Ok((Source::Nothing, vec![])));
    }

    #[test]
    fn an_empty_starter_variable_means_no_sockets() {
        let environment = [("SERVER_STARTER_PORT", ""), ("LISTEN_FDS", "1")];
        assert_eq!(found(&environment), Ok((Source::ServerStarter, vec![])));
    }

    #[test]
    fn both_einhorn_forms() {
        let counted = [("EINHORN_FD_COUNT", "2"), ("EINHORN_FD_0", "5"), ("EINHORN_FD_1", "4")];
        let both = vec![(String::new(), 5), (String::new(), 4)];
        assert_eq!(found(&counted), Ok((Source::Einhorn, both)));
        assert!(found(&counted[..2]).unwrap_err().contains("EINHORN_FD_1"));
    }

    #[test]
    fn a_malformed_variable_that_applies_is_an_error() {
        let line = found(&[("SERVER_STARTER_PORT", "x"), ("LISTEN_FDS", "1")]).unwrap_err();
        assert!(line.contains("SERVER_STARTER_PORT") && line.contains("`x'"), "{line}");
    }
}
