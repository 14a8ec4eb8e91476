//! What a program finds in its environment, and the files that add to it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use reaper::Credentials;

use super::plan::Spec;
use crate::birth::PRIVATE;

/// A variable of the environment.
pub(super) type Variable = (OsString, OsString);

/// More than any environment can hold (execve(2) allows some 2 MiB for all of it).
const MOST: u64 = 1 << 20;

/// What of the supervisor's own environment is for its programs, too.
pub(super) fn inherited(variables: Vec<Variable>) -> Vec<Variable> {
    variables
        .into_iter()
        .filter(|(name, _)| PRIVATE.iter().all(|private| name != private))
        .collect()
}

/// The environment of one program, in supervisord's order: the supervisor's own, SUPERVISOR_*,
/// `[supervisord]`, the user's, the files, the program's. Later ones win.
///
/// # Errors
/// One line: a file that cannot be read, or that somebody else could have written.
pub(super) fn of_program(
    own: &[Variable],
    serverurl: Option<&str>,
    spec: &Spec,
    user: Option<&Credentials>,
) -> Result<Vec<Variable>, String> {
    let process = &spec.process;
    let mut all = own.to_vec();
    let mut put = |name: &str, value: OsString| all.push((name.into(), value));
    put("SUPERVISOR_ENABLED", "1".into());
    if let Some(url) = process.serverurl.as_deref().or(serverurl) {
        put("SUPERVISOR_SERVER_URL", url.into());
    }
    put("SUPERVISOR_PROCESS_NAME", process.name.clone().into());
    put("SUPERVISOR_GROUP_NAME", (&*spec.group).into());
    for (name, value) in spec.environment.iter() {
        put(name, value.into());
    }
    if let Some(user) = user.filter(|_| process.extra.user_environment) {
        if let Some(name) = user.name() {
            put("USER", name.into());
            put("LOGNAME", name.into());
        }
        if let Some(home) = user.home() {
            put("HOME", home.into());
        }
        if let Some(shell) = user.shell() {
            put("SHELL", shell.into());
        }
    }
    for file in &process.extra.environment_files {
        let (path, optional) = match file.strip_prefix('-') {
            Some(path) => (path, true),
            None => (file.as_str(), false),
        };
        match read(Path::new(path), process.uid) {
            Ok(pairs) => pairs.into_iter().for_each(|(name, value)| put(&name, value.into())),
            Err(Trouble::Io(error)) if optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(Trouble::Io(error)) => {
                return Err(format!("couldn't read environment_file {path}: {error}"));
            }
            Err(Trouble::Open) => {
                return Err(format!(
                    "environment_file {path} can be written by others: it must belong to root, to \
                     the user of the supervisor or to that of the program, with mode go-w"
                ));
            }
            Err(Trouble::Line(line)) => {
                return Err(format!("environment_file {path}, line {line}: expected NAME=VALUE"));
            }
        }
    }
    // What is left of `[supervisord]` in it has had its turn.
    for (name, value) in process.environment.iter().filter(|pair| !spec.environment.contains(pair))
    {
        put(name, value.into());
    }
    Ok(all)
}

enum Trouble {
    Io(io::Error),
    /// Others may write it: what stands there is not ours to believe.
    Open,
    Line(usize),
}

fn read(path: &Path, user: Option<u32>) -> Result<Vec<(String, String)>, Trouble> {
    // A FIFO must not hold us up.
    let options = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = options.map_err(Trouble::Io)?;
    let meta = file.metadata().map_err(Trouble::Io)?;
    let own = rustix::process::geteuid().as_raw();
    let trusted = [Some(0), Some(own), user].contains(&Some(meta.uid()));
    if meta.is_file() && (meta.mode() & 0o022 != 0 || !trusted) {
        return Err(Trouble::Open);
    }
    if !meta.is_file() {
        return Err(Trouble::Io(io::Error::other("not a regular file")));
    }
    if meta.len() > MOST {
        return Err(Trouble::Io(io::Error::other("longer than 1 MiB")));
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).map_err(Trouble::Io)?;
    pairs(&text).map_err(Trouble::Line)
}

/// The grammar of systemd's EnvironmentFile= as far as files are written by hand: NAME=VALUE, one
/// pair of quotes around the value, `#` and `;` comments, `export` allowed.
///
/// # Errors
/// The number of a line that is nothing of that. The line itself may hold a secret.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let wrong = index.saturating_add(1);
        let (name, value) = line.split_once('=').ok_or(wrong)?;
        let name = name.trim_end();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(good)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(wrong);
        }
        pairs.push((name.to_owned(), unquoted(value.trim()).to_owned()));
    }
    Ok(pairs)
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_variables() {
        let text = "# c\n\n A=1\nexport B = two words \nC=\"q # x\"\nD='it=1'\n;E=5\nF=\n";
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            pairs(text).unwrap(),
            [
                pair("A", "1"),
                pair("B", "two words"),
                pair("C", "q # x"),
                pair("D", "it=1"),
                pair("F", "")
            ]
        );
        assert_eq!(pairs("A=1\nno pair\n"), Err(2));
        assert_eq!(pairs("1A=1\n"), Err(1));
        assert_eq!(pairs("=x"), Err(1));
    }
}
