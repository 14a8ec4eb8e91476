//! What each command needs, taken from the options and checked.
//!
//! The lines and the code 255 for missing options are those of Server::Starter 0.35.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use fdpass::ListenSpec;
use sigpolicy::Signal;

use super::options::Options;
use super::{
    BACKOFF_MAX, LogTarget, RESTART_TIMEOUT, RestartOptions, START_TIMEOUT, StartOptions,
    StatusOptions, StopOptions, UsageError,
};
use crate::cli::{Arguments, At, Values, one_line, whole_seconds};

/// Perl's code for `die` when no system call has failed.
const CODE: u8 = 255;

pub(super) fn restart(arguments: &Arguments<Options>) -> Result<RestartOptions, UsageError> {
    let Arguments { options, values, .. } = arguments;
    match (file(values, options.pid_file), file(values, options.status_file)) {
        (Some(pid_file), Some(status_file)) => {
            let given = values.seconds(options.restart_timeout);
            let timeout = nonzero(given.or(Some(RESTART_TIMEOUT)));
            Ok(RestartOptions { pid_file, status_file, timeout })
        }
        _ => Err(UsageError::new(
            "--restart option requires --pid-file and --status-file to be set as well",
            CODE,
        )),
    }
}

pub(super) fn stop(arguments: &Arguments<Options>) -> Result<StopOptions, UsageError> {
    let pid_file = file(&arguments.values, arguments.options.pid_file).ok_or_else(|| {
        UsageError::new("--stop option requires --pid-file to be set as well", CODE)
    })?;
    Ok(StopOptions { pid_file })
}

pub(super) fn status(arguments: &Arguments<Options>) -> Result<StatusOptions, UsageError> {
    let Arguments { options, values, operands } = arguments;
    // Most likely `--status FILE ... program` as Perl's program understands it: showing a state
    // and succeeding would hide that no server was started.
    if !operands.is_empty() {
        let line = "--status option takes no program; the file is named by --status-file=FILE";
        return Err(UsageError::new(line, CODE));
    }
    let pid_file = file(values, options.pid_file);
    let status_file = file(values, options.status_file);
    if pid_file.is_none() && status_file.is_none() {
        let line = "--status option requires --pid-file or --status-file to be set as well";
        return Err(UsageError::new(line, CODE));
    }
    Ok(StatusOptions { pid_file, status_file, json: options.json })
}

pub(super) fn start(arguments: Arguments<Options>) -> Result<StartOptions, UsageError> {
    let Arguments { options, values, operands } = arguments;
    if options.daemonize && options.log_file.is_none() {
        // The misspelling is the original's.
        let line = "Usage: --log-file option must be specified together with --deamonize";
        return Err(UsageError::new(line, CODE));
    }
    let mut operands = operands.into_iter();
    let Some(program) = operands.next() else {
        return Err(UsageError::new("server program not specified", CODE));
    };
    let mut check = Check { values: &values, problems: Vec::new() };
    let start = StartOptions {
        listeners: check.listeners(&options),
        program,
        args: operands.collect(),
        dir: values.text(options.dir).map(PathBuf::from),
        interval: values.integer(options.interval).map_or(Duration::from_secs(1), whole_seconds),
        signal_on_hup: check.signal("signal-on-hup", options.signal_on_hup),
        signal_on_term: check.signal("signal-on-term", options.signal_on_term),
        pid_file: file(&values, options.pid_file),
        status_file: file(&values, options.status_file),
        log: check.log(options.log_file),
        envdir: values.text(options.envdir).map(PathBuf::from),
        daemonize: options.daemonize,
        auto_restart: options.enable_auto_restart,
        auto_restart_interval: values.integer(options.auto_restart_interval),
        kill_old_delay: values.integer(options.kill_old_delay),
        backlog: values.integer(options.backlog).and_then(backlog),
        start_timeout: values.seconds(options.start_timeout).unwrap_or(START_TIMEOUT),
        restart_attempts: nonzero(values.count(options.restart_attempts)),
        backoff_max: values.seconds(options.backoff_max).unwrap_or(BACKOFF_MAX),
        kill_timeout: nonzero(values.seconds(options.kill_timeout)),
        max_generations: nonzero(values.count(options.max_generations))
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        user: check.name("user", options.user),
        group: check.name("group", options.group),
        path_mode: values.mode(options.path_mode),
        path_owner: check.owner(options.path_owner),
        no_new_privs: options.no_new_privs,
    };
    if check.problems.is_empty() {
        Ok(start)
    } else {
        Err(UsageError { lines: check.problems, code: CODE })
    }
}

/// Collects what is wrong, so that one run shows everything.
struct Check<'v> {
    values: &'v Values,
    problems: Vec<String>,
}

impl Check<'_> {
    fn listeners(&mut self, options: &Options) -> Vec<ListenSpec> {
        let mut ports: Vec<At> = options.port.iter().chain(&options.listen).copied().collect();
        ports.sort_unstable();
        let values = self.values;
        let ports = ports.iter().filter_map(|&at| values.text(Some(at))).map(port);
        let paths = options.path.iter().filter_map(|&at| values.text(Some(at)));
        let paths = paths.map(|path| ListenSpec::from_path(path).map_err(|e| e.to_string()));
        let mut listeners = Vec::new();
        for spec in ports.chain(paths) {
            match spec {
                Ok(spec) => listeners.push(spec),
                Err(line) => self.problems.push(line),
            }
        }
        listeners
    }

    /// Perl takes an empty name and `0` for not given.
    fn signal(&mut self, option: &str, at: Option<At>) -> Signal {
        let Some(text) = self.values.text(at).filter(|text| is_true(text)) else {
            return Signal::TERM;
        };
        text.to_str().and_then(signal).unwrap_or_else(|| {
            let shown = one_line(text);
            self.problems.push(format!("unknown signal name for --{option}: {shown}"));
            Signal::TERM
        })
    }

    fn log(&mut self, at: Option<At>) -> Option<LogTarget> {
        let text = self.values.text(at).filter(|text| is_true(text))?;
        match trim_start(text.as_bytes()) {
            [b'|', command @ ..] => {
                let command = trim_start(command).to_vec();
                if command.is_empty() {
                    self.problems.push("--log-file: a command must follow the \"|\"".to_owned());
                }
                Some(LogTarget::Command(OsString::from_vec(command)))
            }
            _ => Some(LogTarget::File(PathBuf::from(text))),
        }
    }

    /// The name of a user or group.
    fn name(&mut self, option: &str, at: Option<At>) -> Option<String> {
        let text = self.values.text(at)?;
        let name = text.to_str().filter(|name| !name.is_empty());
        if name.is_none() {
            let shown = one_line(text);
            self.problems
                .push(format!("--{option} takes a {option} name or number, not \"{shown}\""));
        }
        name.map(str::to_owned)
    }

    fn owner(&mut self, at: Option<At>) -> Option<String> {
        let text = self.values.text(at)?;
        let owner = text.to_str().filter(|owner| match owner.split_once(':') {
            Some((_, group)) => !group.is_empty() && !group.contains(':'),
            None => !owner.is_empty(),
        });
        if owner.is_none() {
            let shown = one_line(text);
            self.problems
                .push(format!("--path-owner takes USER, USER:GROUP or :GROUP, not \"{shown}\""));
        }
        owner.map(str::to_owned)
    }
}

fn port(text: &OsStr) -> Result<ListenSpec, String> {
    let shown = one_line(text);
    let port = text.to_str().ok_or_else(|| format!("invalid ``port'' value:{shown}: not UTF-8"))?;
    ListenSpec::from_port(port).map_err(|error| error.to_string())
}

/// A file name, unless it is one that Perl takes for false.
fn file(values: &Values, at: Option<At>) -> Option<PathBuf> {
    values.text(at).filter(|text| is_true(text)).map(PathBuf::from)
}

fn is_true(text: &OsStr) -> bool {
    !text.is_empty() && text != "0"
}

/// `SIG` may also precede a number, as in Perl.
fn signal(text: &str) -> Option<Signal> {
    let number = |text: &str| {
        let (prefix, digits) = text.split_at_checked(3)?;
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
        if prefix.eq_ignore_ascii_case("SIG") && is_number { digits.parse().ok() } else { None }
    };
    text.parse().ok().or_else(|| number(text))
}

fn backlog(number: i64) -> Option<i32> {
    match number {
        0 => None,
        i64::MIN..0 => Some(i32::try_from(number).unwrap_or(i32::MIN)),
        _ => Some(i32::try_from(number).unwrap_or(i32::MAX)),
    }
}

fn nonzero<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// Without what Perl's `\s` matches at the start.
fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, rest @ ..] = text {
        text = rest;
    }
    text
}
