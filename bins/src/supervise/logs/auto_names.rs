//! Logs that the supervisor names itself, and removes when it is started again.

use std::fs::{OpenOptions, read_dir, remove_file};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The random part of a name, as Python's tempfile makes it.
const RANDOM: usize = 8;
const LETTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";
/// Names that are tried; a directory that has all of them is out of order.
const TRIES: u32 = 100;

/// Makes the log of a process, `NAME-CHANNEL---IDENTIFIER-XXXXXXXX.log`, for its owner alone.
/// `channel` is `stdout` or `stderr`.
///
/// # Errors
/// What open(2) says.
pub fn create(dir: &Path, name: &str, channel: &str, identifier: &str) -> io::Result<PathBuf> {
    let mut tries = 0_u32;
    loop {
        let random: String = (0..RANDOM)
            .filter_map(|_| LETTERS.get(fastrand::usize(..LETTERS.len())))
            .map(|letter| char::from(*letter))
            .collect();
        let path = dir.join(format!("{name}-{channel}---{identifier}-{random}.log"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                tries = tries.saturating_add(1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes the automatic logs of former runs with the same identifier, rotated ones included.
/// Returns what to warn of, in supervisord's words.
#[must_use]
pub fn clean(dir: &Path, identifier: &str) -> Vec<String> {
    let Ok(entries) = read_dir(dir) else {
        return vec!["Could not clear childlog dir".to_owned()];
    };
    let mut warnings = Vec::new();
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| is_automatic(name, identifier));
        if ours && entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
            match remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warnings.push(format!("Failed to clean up '{}'", entry.path().display()));
                }
                _ => {}
            }
        }
    }
    warnings
}

/// Whether [`create`], or supervisord, has made this name, or a rotation of it.
fn is_automatic(name: &str, identifier: &str) -> bool {
    let base = match name.rsplit_once('.') {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => name,
    };
    let Some((base, random)) = base.strip_suffix(".log").and_then(|base| base.rsplit_once('-'))
    else {
        return false;
    };
    let process = base.strip_suffix(identifier).and_then(|base| base.strip_suffix("---"));
    let channel = process
        .is_some_and(|name| ["-stdout", "-stderr"].iter().any(|channel| name.ends_with(channel)));
    channel && random.len() == RANDOM && random.bytes().all(|byte| LETTERS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    #[test]
    fn a_name_is_new_and_private() {
        let dir = Dir::new();
        let one = create(&dir.0, "cat", "stdout", "supervisor").unwrap();
        let two = create(&dir.0, "cat", "stdout", "supervisor").unwrap();
        assert_ne!(one, two);
        let name = one.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("cat-stdout---supervisor-") && name.ends_with(".log"), "{name}");
        assert_eq!(name.len(), "cat-stdout---supervisor-XXXXXXXX.log".len());
        assert_eq!(std::fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(is_automatic(name, "supervisor"), "what is made is found again: {name}");
        let missing = create(&dir.path("missing"), "cat", "stdout", "supervisor");
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_what_a_run_made_is_removed() {
        let dir = Dir::new();
        let gone = [
            "a-stdout---supervisor-abc_0123.log",
            "a---b-stderr---supervisor-zzzzzzzz.log",
            "a-stdout---supervisor-abcdefgh.log.1",
            "a-stdout---supervisor-abcdefgh.log.10",
        ];
        let kept = [
            "a-stdout---other-abcdefgh.log",
            "a-stdout---supervisor-abcdefgh.log.gz",
            "a-stdout---supervisor-abcdefgh.log.",
            "a-stdout---supervisor-abcdefg.log",
            "a-stdout---supervisor-ABCDEFGH.log",
            "a-stdout--supervisor-abcdefgh.log",
            "a---supervisor-abcdefgh.log",
            "supervisor-abcdefgh.log",
            "a.log",
        ];
        for name in gone.iter().chain(&kept) {
            std::fs::write(dir.path(name), "x").unwrap();
        }
        let directory = "d-stdout---supervisor-abcdefgh.log";
        std::fs::create_dir(dir.path(directory)).unwrap();
        assert_eq!(clean(&dir.0, "supervisor"), Vec::<String>::new());
        let mut left: Vec<String> = read_dir(&dir.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected: Vec<&str> = kept.iter().copied().chain([directory]).collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
        assert_eq!(clean(&dir.path("missing"), "x"), ["Could not clear childlog dir"]);
    }
}
