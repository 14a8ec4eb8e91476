//! The option table of `supervise`.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::getopt::Known;
use super::{Format, Options, Overrides, PROGRAM};
use crate::cli::{Arguments, At, OptionInfo, Table, render_option};

/// The options that supervisord has, as argh knows them.
const PEERS: &[&str] = &[
    "configuration",
    "nodaemon",
    "silent",
    "user",
    "umask",
    "directory",
    "logfile",
    "logfile-maxbytes",
    "logfile-backups",
    "loglevel",
    "pidfile",
    "identifier",
    "childlogdir",
    "nocleanup",
    "minfds",
    "strip-ansi",
    "minprocs",
    "version",
    "help",
];

/// supervisord's spelling of names that argh allows with dashes only.
const SPELT: [(&str, &str); 3] = [
    ("logfile-maxbytes", "logfile_maxbytes"),
    ("logfile-backups", "logfile_backups"),
    ("strip-ansi", "strip_ansi"),
];

const JSON_RPC: &str = "the JSON-RPC port of CPAN Supervisor is not served";

/// Options of supervisord and of CPAN Supervisor that take a value and have no meaning here, with
/// the reason; the third tells supervisord's.
const REFUSED: [(&str, &str, bool); 3] = [
    ("profile_options", "it is for supervisord's Python profiler", true),
    ("port", JSON_RPC, false),
    ("address", JSON_RPC, false),
];

/// superdaemon for keeping programs running
#[derive(FromArgs, ArgsInfo, Debug)]
pub(super) struct Declared {
    /// file to read (default: the first of supervise.conf and supervisord.conf that is found, see
    /// below)
    #[argh(option, short = 'c', arg_name = "FILENAME")]
    configuration: Option<At>,

    /// stay in the foreground and log to standard output, too (default: off)
    #[argh(switch, short = 'n')]
    nodaemon: bool,

    /// with -n: do not log to standard output (default: off)
    #[argh(switch, short = 's')]
    silent: bool,

    /// name or number of the user to become (default: whoever runs supervise)
    #[argh(option, short = 'u', arg_name = "USER")]
    user: Option<At>,

    /// creation mask, in octal (default: 022)
    #[argh(option, short = 'm', arg_name = "UMASK")]
    umask: Option<At>,

    /// existing directory to change to (default: the current one)
    #[argh(option, short = 'd', arg_name = "DIRECTORY")]
    directory: Option<At>,

    /// main log (default: supervisord.log)
    #[argh(option, short = 'l', arg_name = "FILENAME")]
    logfile: Option<At>,

    /// size at which the main log is rotated, in bytes or with KB, MB or GB; 0 is never
    /// (default: 50MB)
    #[argh(option, short = 'y', arg_name = "BYTES")]
    logfile_maxbytes: Option<At>,

    /// number of rotated main logs that are kept (default: 10)
    #[argh(option, short = 'z', arg_name = "NUM")]
    logfile_backups: Option<At>,

    /// what is logged: critical, error, warn, info, debug, trace or blather (default: info)
    #[argh(option, short = 'e', arg_name = "LEVEL")]
    loglevel: Option<At>,

    /// file that holds the process ID (default: supervisord.pid)
    #[argh(option, short = 'j', arg_name = "FILENAME")]
    pidfile: Option<At>,

    /// name of this instance in events and in the names of log files (default: supervisor)
    #[argh(option, short = 'i', arg_name = "STR")]
    identifier: Option<At>,

    /// existing directory for automatic log files of programs (default: that for temporary files)
    #[argh(option, short = 'q', arg_name = "DIRECTORY")]
    childlogdir: Option<At>,

    /// keep the automatic log files of former runs (default: off)
    #[argh(switch, short = 'k')]
    nocleanup: bool,

    /// number of open files that must be possible (default: 1024)
    #[argh(option, short = 'a', arg_name = "NUM")]
    minfds: Option<At>,

    /// take ANSI escape sequences out of the logs of programs (default: off)
    #[argh(switch, short = 't')]
    strip_ansi: bool,

    /// number of processes that must be possible (default: 200)
    #[argh(option, arg_name = "NUM")]
    minprocs: Option<At>,

    /// keep in this file which programs were stopped or started by hand, so that they are so after
    /// a restart (default: none)
    #[argh(option, arg_name = "FILE")]
    state: Option<At>,

    /// grammar of the file: supervisord, or perl for that of CPAN's Supervisor (default: as the
    /// file looks)
    #[argh(option, arg_name = "FORMAT")]
    format: Option<At>,

    /// print the configuration that was read as JSON and exit
    #[argh(switch)]
    dump_config: bool,

    /// the same as --loglevel=debug
    #[argh(switch)]
    debug: bool,

    /// print the version and exit
    #[argh(switch, short = 'v')]
    pub(super) version: bool,
}

pub(super) fn table() -> Table {
    Table::of::<Declared>(PROGRAM, PEERS, &[])
}

/// The name as it is typed.
fn spelt(declared: &'static str) -> &'static str {
    SPELT.iter().find(|(from, _)| *from == declared).map_or(declared, |(_, to)| to)
}

/// The letter of an option by the name that argh knows it by.
fn letter(declared: &str) -> Option<char> {
    let flags = Declared::get_args_info().flags;
    let of = |flag: &&argh::FlagInfo<'_>| flag.long.trim_start_matches('-') == declared;
    let letter = flags.iter().find(of).and_then(|flag| flag.short);
    letter.or((declared == "help").then_some('h'))
}

/// All options that can be typed.
pub(super) fn known() -> Vec<Known> {
    let of_table = |option: &OptionInfo| Known {
        name: spelt(option.name),
        declared: option.name,
        letter: letter(option.name),
        valued: option.value.is_some(),
        peer: option.perl,
        sets: if option.name == "debug" { "loglevel" } else { option.name },
        refused: None,
    };
    let refused = |(name, why, peer): (&'static str, &'static str, bool)| Known {
        name,
        declared: name,
        letter: None,
        valued: true,
        peer,
        sets: name,
        refused: Some(why),
    };
    table().options().iter().map(of_table).chain(REFUSED.map(refused)).collect()
}

/// What the options ask for.
pub(super) fn meaning(arguments: &Arguments<Declared>) -> Options {
    let asked = &arguments.options;
    let given = |at| arguments.values.text(at);
    let text = |at| given(at).map(|text| text.to_string_lossy().into_owned());
    let on = |flag: bool| flag.then_some(true);
    let overrides = Overrides {
        nodaemon: on(asked.nodaemon),
        silent: on(asked.silent),
        user: text(asked.user),
        umask: text(asked.umask),
        directory: text(asked.directory),
        logfile: text(asked.logfile),
        logfile_maxbytes: text(asked.logfile_maxbytes),
        logfile_backups: text(asked.logfile_backups),
        loglevel: text(asked.loglevel).or_else(|| asked.debug.then(|| "debug".to_owned())),
        pidfile: text(asked.pidfile),
        identifier: text(asked.identifier),
        childlogdir: text(asked.childlogdir),
        minfds: text(asked.minfds),
        minprocs: text(asked.minprocs),
        nocleanup: on(asked.nocleanup),
        strip_ansi: on(asked.strip_ansi),
    };
    Options {
        file: given(asked.configuration).map(PathBuf::from),
        overrides,
        format: given(asked.format).and_then(|name| format(&name.to_string_lossy())),
        dump_config: asked.dump_config,
        state: given(asked.state).map(PathBuf::from),
    }
}

/// A grammar by its name.
pub(super) fn format(name: &str) -> Option<Format> {
    match name {
        "supervisord" => Some(Format::Supervisord),
        "perl" => Some(Format::Perl),
        _ => None,
    }
}

/// Every option, for comparing the manual page with what the program knows.
#[must_use]
pub fn option_table() -> Vec<OptionInfo> {
    let spelt = |option: &OptionInfo| OptionInfo { name: spelt(option.name), ..*option };
    table().options().iter().map(spelt).collect()
}

/// Other names that are understood, each with the name of the option that it stands for: that of
/// CPAN Supervisor, which is an abbreviation of supervisord's.
#[must_use]
pub fn aliases() -> Vec<(&'static str, &'static str)> {
    vec![("config", "configuration")]
}

const HEAD: &str = "\
Usage: supervise [options]
       supervise ctl [options] [action [operands]]

Keeps the programs of a supervisord.conf running. Options may be abbreviated;
what they say counts instead of the [supervisord] section of the file.

Options:
";

const TAIL: &str = "
Without -c the file is looked for in ../etc and .. of the directory of the
program, in the current directory, its etc, /etc and /etc/supervisor; in each of
them supervise.conf goes before supervisord.conf. With --format=perl it is
supervisor.ini in the current directory.
";

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut out = HEAD.to_owned();
    let is_help = |option: &&OptionInfo| option.name == "help";
    let all = option_table();
    // argh declares --help first; readers look for it at the end.
    for option in all.iter().filter(|option| !is_help(option)).chain(all.iter().filter(is_help)) {
        let known = known().into_iter().find(|known| known.name == option.name);
        out.push_str(&lettered_option(option, known.and_then(|known| known.letter)));
    }
    out.push_str(TAIL);
    out
}

/// Where descriptions begin.
const COLUMN: usize = 26;

/// The lines of one option in a help text, with its letter before its name if it has one.
pub(crate) fn lettered_option(option: &OptionInfo, letter: Option<char>) -> String {
    let text = render_option(option);
    match letter {
        Some(letter) => lettered(&text, letter),
        None => text,
    }
}

fn lettered(text: &str, letter: char) -> String {
    let body = text.trim_start();
    let (name, description) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    let lead = format!("  -{letter}, {name}");
    let description = description.trim_start();
    if lead.len().saturating_add(2) > COLUMN {
        format!("{lead}\n{:COLUMN$}{description}", "")
    } else {
        format!("{lead:COLUMN$}{description}")
    }
}
