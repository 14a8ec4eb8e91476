//! Which of two grammars a file is written in.

use std::path::Path;

use super::load::{self, World};
use super::model::Config;
use super::perl;
use crate::supervise::args::{Format, Overrides};

/// Reads a configuration in the grammar named, or else in the one that it [looks
/// like](perl::looks_like).
///
/// # Errors
///
/// What is wrong with it, in supervisord's words for a `supervisord.conf`. Where the grammar was
/// guessed to be the other one, the line ends in how to say that it is not.
pub fn read(
    file: &Path,
    format: Option<Format>,
    overrides: &Overrides,
    world: &World,
) -> Result<Config, String> {
    let text = load::text(file, world)?;
    // What comes through a pipe is supervisord's unless somebody says otherwise.
    let guessed = || world.cwd.join(file).is_file() && perl::looks_like(&text);
    match format {
        Some(Format::Perl) => perl::load(&text, file, overrides, world),
        None if guessed() => perl::load(&text, file, overrides, world).map_err(|error| {
            format!(
                "{error}; the file looks like one of CPAN Supervisor, and is read as supervisord \
                 does only with --format=supervisord"
            )
        }),
        Some(Format::Supervisord) | None => load::understand(&text, file, overrides, world),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::AutoRestart;
    use super::super::testing::{Directory, world};
    use super::*;

    const PERL: &str = "[program:p]\nname = p\ncommand = x\nuser = root\nexit-codes = 3\n";
    const OURS: &str = "[supervisord]\n[program:p]\ncommand = x\nexitcodes = 3\n";

    fn read_as(text: &str, format: Option<Format>) -> Result<AutoRestart, String> {
        let directory = Directory::new();
        let file = directory.write("s.conf", text);
        let config = read(&file, format, &Overrides::default(), &world());
        let config = config.map_err(|error| directory.hide(&error))?;
        Ok(config.groups[0].processes[0].autorestart)
    }

    #[test]
    fn a_file_is_read_as_it_looks_or_as_is_said() {
        let (supervisord, perl) = (Some(Format::Supervisord), Some(Format::Perl));
        for (text, format, read) in [
            (PERL, None, Ok(AutoRestart::Listed)),
            (PERL, perl, Ok(AutoRestart::Listed)),
            (PERL, supervisord, Err(".ini file does not include supervisord section")),
            (OURS, None, Ok(AutoRestart::Unexpected)),
            (OURS, supervisord, Ok(AutoRestart::Unexpected)),
            (OURS, perl, Err("[program:p]: it has no name (<DIR>/s.conf:2)")),
            (
                "[program:p]\ncommand = x\n",
                None,
                Err(".ini file does not include supervisord section"),
            ),
            (
                "[program:p]\ncommand = x\nexit-codes = 0\n",
                None,
                Err(
                    "[program:p]: it has no name (<DIR>/s.conf:1); the file looks like one of CPAN \
                     Supervisor, and is read as supervisord does only with --format=supervisord",
                ),
            ),
        ] {
            assert_eq!(read_as(text, format), read.map_err(str::to_owned), "{format:?} {text:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = Directory::new();
        let read = |name: &str, format| {
            let file = directory.path().join(name);
            let error = read(&file, format, &Overrides::default(), &world()).unwrap_err();
            directory.hide(&error)
        };
        directory.write("latin1.ini", b"[program:p]\n; caf\xe9\n");
        for format in [None, Some(Format::Supervisord), Some(Format::Perl)] {
            assert_eq!(read("none", format), "could not find config file <DIR>/none");
            assert_eq!(read("", format), "could not read config file <DIR>/");
            let error = "could not read config file <DIR>/latin1.ini: line 2 is not UTF-8";
            assert_eq!(read("latin1.ini", format), error);
        }
    }
}
