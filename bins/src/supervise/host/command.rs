//! Which file a command line runs, and supervisord's words for one that cannot run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::supervise::config::words;

/// What a shell would act on: CPAN Supervisor hands such a command to `sh -c`, as Perl's exec does.
const META: &str = "$&*(){}[]'\";\\|?<>~`\n";

/// Where programs are looked for when no PATH says it.
const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// The words of a command line whose program is there and can be executed.
///
/// A path with a slash that is relative counts from `directory`, as it does in the child.
///
/// # Errors
/// One line in supervisord's words: the command is empty or cannot be split, there is no such file,
/// it is a directory, or it cannot be executed.
pub(super) fn find(
    line: &str,
    shell: bool,
    directory: Option<&Path>,
    path: Option<&OsStr>,
) -> Result<Vec<String>, String> {
    let words = if shell && line.contains(|c| META.contains(c)) {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]
    } else {
        words::split(line).map_err(|error| format!("can't parse command {line:?}: {error}"))?
    };
    let Some(program) = words.first() else { return Err("command is empty".to_owned()) };
    let file = if program.contains('/') {
        directory.map_or_else(|| PathBuf::from(program), |directory| directory.join(program))
    } else {
        let path = path.map_or_else(|| OsString::from(DEFAULT_PATH), OsStr::to_owned);
        search(program, &path).unwrap_or_else(|| PathBuf::from(program))
    };
    check(&file)?;
    Ok(words)
}

/// The first file of that name in the directories of PATH, also if it cannot be executed.
fn search(program: &str, path: &OsStr) -> Option<PathBuf> {
    path.as_bytes()
        .split(|byte| *byte == b':')
        .map(|directory| Path::new(OsStr::from_bytes(directory)).join(program))
        .find(|file| file.exists())
}

fn check(file: &Path) -> Result<(), String> {
    let shown = file.display();
    let meta = match fs::metadata(file) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!("no permission to run command '{shown}'"));
        }
        Err(_) => return Err(format!("can't find command '{shown}'")),
    };
    if meta.is_dir() {
        return Err(format!("command at '{shown}' is a directory"));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(format!("command at '{shown}' is not executable"));
    }
    match accessat(CWD, file, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("no permission to run command '{shown}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_what_is_wrong_is_said() {
        let path = Some(OsStr::new("/nowhere:/usr/bin:/bin"));
        let found = find("sh -c 'a b'", false, None, path).unwrap();
        assert_eq!(found, ["sh", "-c", "a b"]);
        let wrong = |line: &str| find(line, false, None, path).unwrap_err();
        assert_eq!(wrong(""), "command is empty");
        assert_eq!(wrong("no-such-program-here x"), "can't find command 'no-such-program-here'");
        assert_eq!(wrong("/no/such/file"), "can't find command '/no/such/file'");
        assert_eq!(wrong("/etc"), "command at '/etc' is a directory");
        assert_eq!(wrong("/etc/passwd"), "command at '/etc/passwd' is not executable");
        assert!(wrong("sh 'x").starts_with("can't parse command "));
    }

    #[test]
    fn a_relative_path_counts_from_the_directory_of_the_program() {
        assert_eq!(find("./sh", false, Some(Path::new("/bin")), None).unwrap(), ["./sh"]);
        let elsewhere = find("./sh", false, Some(Path::new("/etc")), None);
        assert_eq!(elsewhere.unwrap_err(), "can't find command '/etc/./sh'");
    }

    #[test]
    fn a_shell_is_asked_only_where_there_is_something_for_it() {
        let path = Some(OsStr::new("/bin:/usr/bin"));
        assert_eq!(find("sleep 5", true, None, path).unwrap(), ["sleep", "5"]);
        assert_eq!(
            find("sleep 5; echo $HOME", true, None, path).unwrap(),
            ["/bin/sh", "-c", "sleep 5; echo $HOME"]
        );
    }
}
