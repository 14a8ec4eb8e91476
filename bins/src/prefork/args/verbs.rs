//! Asking a running pool: `prefork-run status`, `reload` and so on.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use sigpolicy::Signal;

use super::values::{Reader, signal};
use super::{Ask, Command, Format, PROGRAM, TOP_INTERVAL, Where};
use crate::cli::{Arguments, At, Kind, Table, Value, one_line, parse_value, split_gnu};

/// What can be asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Status,
    Top,
    Reload,
    Stop,
    Add,
    Remove,
    Signal,
}

const VERBS: [(&str, Verb); 7] = [
    ("status", Verb::Status),
    ("top", Verb::Top),
    ("reload", Verb::Reload),
    ("stop", Verb::Stop),
    ("add", Verb::Add),
    ("remove", Verb::Remove),
    ("signal", Verb::Signal),
];

/// asking a running pool
#[derive(FromArgs, ArgsInfo, Debug)]
pub(super) struct Options {
    /// the pool whose prefork-run holds this file
    #[argh(option, arg_name = "FILE")]
    pid_file: Option<At>,

    /// the pool that answers on this socket
    #[argh(option, arg_name = "FILE")]
    control: Option<At>,

    /// with status and top: the pool whose scoreboard this is; says less, and works when prefork-run
    /// does not answer
    #[argh(option, arg_name = "FILE")]
    scoreboard: Option<At>,

    /// with status: in the format of Apache's mod_status?auto
    #[argh(switch)]
    auto: bool,

    /// with status: as one JSON object
    #[argh(switch)]
    json: bool,

    /// with status: as OpenMetrics text, for Prometheus
    #[argh(switch)]
    openmetrics: bool,

    /// with top: time between two looks (default: 1)
    #[argh(option, arg_name = "SECONDS")]
    interval: Option<At>,

    /// with all but status and top: longest time to wait for the outcome; 0 is no limit (default:
    /// 300 for reload and stop, else 10)
    #[argh(option, arg_name = "SECONDS")]
    timeout: Option<At>,
}

impl Verb {
    pub(super) fn of(word: &str) -> Option<Self> {
        VERBS.iter().find(|(name, _)| *name == word).map(|(_, verb)| *verb)
    }

    pub(super) fn name(self) -> &'static str {
        VERBS.iter().find(|(_, verb)| *verb == self).map_or("", |(name, _)| *name)
    }

    /// What follows it, as the usage shows it.
    fn operand(self) -> Option<&'static str> {
        match self {
            Self::Add | Self::Remove => Some("N"),
            Self::Signal => Some("SIG"),
            Self::Status | Self::Top | Self::Reload | Self::Stop => None,
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Reload | Self::Stop => super::CHANGE_TIMEOUT,
            _ => super::ASK_TIMEOUT,
        }
    }
}

pub(super) fn table() -> Table {
    let kinds = [("interval", Kind::Seconds), ("timeout", Kind::Seconds)];
    Table::of::<Options>(PROGRAM, &[], &kinds)
        .with_aliases(&[("pid-path", "pid-file"), ("scoreboard-path", "scoreboard")])
}

/// Reads what follows the verb.
pub(super) fn parse(verb: Verb, words: Vec<OsString>) -> Result<Command, Vec<String>> {
    let (split, problems) = split_gnu(&table(), words, false);
    if split.gave("help") {
        return Ok(Command::Help);
    }
    let arguments: Arguments<Options> = split.into_args(&table()).map_err(|error| error.lines)?;
    let Arguments { options, values, operands } = arguments;
    let mut read = Reader { values: &values, problems };
    let place = place(verb, &options, &mut read);
    let ask = Ask {
        place,
        timeout: match values.seconds(options.timeout) {
            Some(Duration::ZERO) => None,
            given => Some(given.unwrap_or(verb.patience())),
        },
    };
    let format = format(verb, &options, &mut read.problems);
    let interval = read.interval("interval", options.interval).unwrap_or(TOP_INTERVAL);
    if options.interval.is_some() && verb != Verb::Top {
        read.problems.push(format!("--interval is for top, not for {}", verb.name()));
    }
    if options.timeout.is_some() && matches!(verb, Verb::Status | Verb::Top) {
        read.problems.push(format!("--timeout is for commands, not for {}", verb.name()));
    }
    let operand = operand(verb, &operands, &mut read.problems);
    let command = match (verb, operand) {
        (Verb::Status, _) => Command::Status(ask, format),
        (Verb::Top, _) => Command::Top(ask, interval),
        (Verb::Reload, _) => Command::Reload(ask),
        (Verb::Stop, _) => Command::Stop(ask),
        (Verb::Add, Operand::Count(count)) => Command::Add(ask, count),
        (Verb::Remove, Operand::Count(count)) => Command::Remove(ask, count),
        (Verb::Signal, Operand::Signal(signal)) => Command::Signal(ask, signal),
        (Verb::Add | Verb::Remove | Verb::Signal, _) => return Err(read.problems),
    };
    if read.problems.is_empty() { Ok(command) } else { Err(read.problems) }
}

/// Says where the pool is found, in one way.
fn place(verb: Verb, options: &Options, read: &mut Reader<'_>) -> Where {
    let place = Where {
        control: read.file(options.control),
        pid_file: read.file(options.pid_file),
        scoreboard: read.file(options.scoreboard),
    };
    let reads = matches!(verb, Verb::Status | Verb::Top);
    let verb = verb.name();
    match (&place.control, &place.pid_file, &place.scoreboard) {
        (Some(_), Some(_), _) => {
            read.problems.push("--pid-file and --control each name a pool: give one".to_owned());
        }
        (_, _, Some(_)) if !reads => read
            .problems
            .push(format!("{verb} needs --pid-file or --control; a scoreboard can only be read")),
        // Said already when the word that should name it was refused.
        (None, None, None) if read.problems.is_empty() => {
            let board = if reads { " or --scoreboard=FILE" } else { "" };
            let line = format!("{verb} needs --pid-file=FILE or --control=FILE{board}");
            read.problems.push(line);
        }
        _ => {}
    }
    place
}

fn format(verb: Verb, options: &Options, problems: &mut Vec<String>) -> Format {
    let formats = [
        ("--auto", options.auto, Format::Auto),
        ("--json", options.json, Format::Json),
        ("--openmetrics", options.openmetrics, Format::OpenMetrics),
    ];
    let given: Vec<_> = formats.into_iter().filter(|(_, given, _)| *given).collect();
    let names: Vec<_> = given.iter().map(|(name, ..)| *name).collect();
    if verb != Verb::Status && !names.is_empty() {
        problems.push(format!("{} is for status, not for {}", names.join(" and "), verb.name()));
    } else if names.len() > 1 {
        problems.push(format!("{} exclude each other", names.join(" and ")));
    }
    given.first().map_or(Format::Table, |(_, _, format)| *format)
}

enum Operand {
    None,
    Count(u32),
    Signal(Signal),
}

fn operand(verb: Verb, operands: &[OsString], problems: &mut Vec<String>) -> Operand {
    let name = verb.name();
    let Some(wanted) = verb.operand() else {
        if let Some(first) = operands.first() {
            let shown = one_line(first);
            problems.push(format!(
                "{name} takes options only, not \"{shown}\"; for a program of the name {name} \
                 write: prefork-run [options] -- {name} {shown}"
            ));
        }
        return Operand::None;
    };
    let value = match operands {
        [one] => read_operand(verb, one),
        _ => None,
    };
    value.unwrap_or_else(|| {
        let shown: Vec<String> = operands.iter().map(|word| one_line(word)).collect();
        let what = match verb {
            Verb::Signal => "a signal's name or number, such as USR2",
            _ => "a number of workers from 1",
        };
        let got = match shown.as_slice() {
            [] => "nothing".to_owned(),
            words => format!("\"{}\"", words.join(" ")),
        };
        problems.push(format!("{name} {wanted} takes {what}, not {got}"));
        Operand::None
    })
}

fn read_operand(verb: Verb, word: &OsStr) -> Option<Operand> {
    match verb {
        Verb::Signal => signal(word).map(Operand::Signal),
        _ => match parse_value(Kind::Count, word) {
            Some(Value::Count(count)) if count > 0 => Some(Operand::Count(count)),
            _ => None,
        },
    }
}
