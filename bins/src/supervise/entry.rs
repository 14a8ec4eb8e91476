//! The program itself: from the words of the command line to the exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use fdpass::Inherited;

use super::args::search::find;
use super::args::{self, Command, Options, UsageError, refusal};
use super::config::load::World;
use super::config::{dump, format};
use super::{ctl, host};
use crate::birth::Birth;
use crate::files::Failed;
use crate::report::{complain, print};

/// Runs `supervise` with this process's arguments, environment and descriptors.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| args::PROGRAM.into());
    let ended = run(&program.to_string_lossy(), words.collect());
    ExitCode::from(ended.unwrap_or_else(|UsageError { lines, code }| {
        complain(&lines);
        code
    }))
}

fn run(program: &str, mut words: Vec<OsString>) -> Result<u8, UsageError> {
    if words.first().is_some_and(|word| word == "ctl") {
        return ctl::run(&place_of(program), words.split_off(1));
    }
    let refuse = |message: String| refusal(program, &message);
    let world = World::of_this_process().map_err(refuse)?;
    let done = match args::parse(program, words, &world)? {
        Command::Help => output(&args::help()),
        Command::Version => output(concat!(env!("CARGO_PKG_VERSION"), "\n")),
        Command::Run(options) => {
            let file = options.file.clone();
            let file =
                file.map_or_else(|| look_for(program, &options, &world), Ok).map_err(refuse)?;
            let read = format::read(&file, options.format, &options.overrides, &world);
            let config = read.map_err(refuse)?;
            if options.dump_config {
                output(&dump::dump(&config))
            } else {
                // It is read again after the working directory may have changed.
                let options = Options { file: Some(world.cwd.join(file)), ..*options };
                host::run(options, config, Birth::observe(Inherited::none()))
            }
        }
    };
    done.map_err(|failed| {
        let text = failed.to_string();
        match text.strip_prefix("Error: ") {
            Some(message) => UsageError { code: failed.code(), ..refusal(program, message) },
            None => {
                let lines = text.lines().map(str::to_owned).collect();
                UsageError { lines, code: failed.code() }
            }
        }
    })
}

/// The file that nobody named.
fn look_for(program: &str, options: &Options, world: &World) -> Result<PathBuf, String> {
    let file = find(&place_of(program), options.format)?;
    if world.uid == 0 && !file.is_absolute() {
        let text = format!(
            "supervise: running as root with {} of the current directory; -c with an absolute path \
             is safer",
            file.display()
        );
        complain(&[text]);
    }
    Ok(file)
}

/// Where the program is, which a name that was found along PATH does not tell.
fn place_of(program: &str) -> PathBuf {
    let named = PathBuf::from(program);
    if program.contains('/') { named } else { std::env::current_exe().unwrap_or(named) }
}

fn output(text: &str) -> Result<u8, Failed> {
    print(text)
        .map(|()| 0)
        .map_err(|error| Failed::io("failed to write to standard output", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_found_along_path_is_looked_up() {
        for program in ["/usr/bin/supervise", "./supervise", "bin/supervise"] {
            assert_eq!(place_of(program), PathBuf::from(program));
        }
        assert_eq!(place_of("supervise"), std::env::current_exe().unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_word_about_help() {
        for (words, line) in [
            (&["--nope"][..], "Error: option --nope not recognized"),
            (&["-c", "/no/such.conf"], "Error: could not find config file /no/such.conf"),
            (&["--format=perl", "-c", "/dev/null"], "Error: no [program:...] section (/dev/null)"),
            (
                &["--dump-config", "-c", "/dev/null"],
                "Error: .ini file does not include supervisord section",
            ),
        ] {
            let refused = run("s", words.iter().map(OsString::from).collect()).unwrap_err();
            assert_eq!((refused.lines[0].as_str(), refused.lines.len()), (line, 2), "{words:?}");
            assert_eq!((refused.lines[1].as_str(), refused.code), ("For help, use s -h", 2));
        }
    }
}
