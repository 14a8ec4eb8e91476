//! The option table of `supervise ctl`.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::super::server_url::shown;
use super::super::style::When;
use super::{Options, PROGRAM, Special};
use crate::cli::{Arguments, At, Kind, OptionInfo, Split, Table, Value, parse_value};
use crate::supervise::args::getopt::Known;
use crate::supervise::config::asked::repr;

/// The options that supervisorctl has.
const PEERS: &[&str] =
    &["configuration", "help", "interactive", "serverurl", "username", "password", "history-file"];

/// Other names of options.
const ALIASES: [(&str, &str); 2] = [("history_file", "history-file"), ("colour", "color")];

/// What a line at the prompt may say.
const AT_PROMPT: [&str; 6] = ["json", "color", "verbose", "rolling", "hot", "interval"];

/// the client of supervise and supervisord
#[derive(FromArgs, ArgsInfo, Debug)]
pub(super) struct Declared {
    /// file whose section [supervisorctl] tells where the server is (default: the first of
    /// supervise.conf and supervisord.conf that is found)
    #[argh(option, short = 'c', arg_name = "FILENAME")]
    configuration: Option<At>,

    /// address of the server, unix:///PATH or http://HOST:PORT (default: that of the file, else
    /// http://localhost:9001)
    #[argh(option, short = 's', arg_name = "URL")]
    serverurl: Option<At>,

    /// user name for the server (default: that of the file)
    #[argh(option, short = 'u', arg_name = "USERNAME")]
    username: Option<At>,

    /// password for the server; everybody on the machine can see it here, so the file is a better
    /// place (default: that of --password-file, of SUPERVISE_PASSWORD in the environment, or of the
    /// configuration)
    #[argh(option, short = 'p', arg_name = "PASSWORD")]
    password: Option<At>,

    /// file whose first line is the password
    #[argh(option, arg_name = "FILENAME")]
    password_file: Option<At>,

    /// ask before the server is stopped or restarted, as is done at the prompt (default: off)
    #[argh(switch, short = 'i')]
    interactive: bool,

    // Nothing reads it.
    #[allow(dead_code)]
    /// taken for compatibility; no history is kept
    #[argh(option, short = 'r', arg_name = "FILENAME")]
    history_file: Option<At>,

    /// one line of JSON instead of text
    #[argh(switch)]
    json: bool,

    /// when to write in colour: always, never, or auto for a terminal without NO_COLOR
    /// (default: auto)
    #[argh(option, arg_name = "WHEN")]
    color: Option<At>,

    /// say on standard error which calls are made
    #[argh(switch)]
    verbose: bool,

    /// restart: one process after the other, each RUNNING before the next
    #[argh(switch)]
    rolling: bool,

    /// restart: by a new process that is ready before the old one goes
    #[argh(switch)]
    hot: bool,

    /// watch: seconds between two looks (default: 1)
    #[argh(option, arg_name = "SECONDS")]
    interval: Option<At>,
}

fn table() -> Table {
    Table::of::<Declared>(PROGRAM, PEERS, &[("interval", Kind::Seconds)]).with_aliases(&ALIASES)
}

/// The options with a letter, each as the letter and the name.
#[must_use]
pub fn letters() -> Vec<(char, &'static str)> {
    let flags = Declared::get_args_info().flags;
    let own = flags
        .iter()
        .filter_map(|flag| flag.short.map(|short| (short, flag.long.trim_start_matches('-'))));
    own.chain([('h', "help")]).collect()
}

/// Every option, for help, completion and the comparison with the manual page.
#[must_use]
pub fn option_table() -> Vec<OptionInfo> {
    table().options().to_vec()
}

/// Other names that are understood, each with the name of the option that it stands for.
#[must_use]
pub fn aliases() -> Vec<(&'static str, &'static str)> {
    ALIASES.to_vec()
}

/// All options that can be typed.
pub(super) fn known() -> Vec<Known> {
    let letters = letters();
    let of_table = |option: &OptionInfo| Known {
        name: option.name,
        declared: option.name,
        letter: letters.iter().find(|(_, name)| *name == option.name).map(|(letter, _)| *letter),
        valued: option.value.is_some(),
        peer: option.perl && !ALIASES.iter().any(|(_, name)| *name == option.name),
        sets: option.name,
        refused: None,
    };
    let table = table();
    let other = |(name, of): (&'static str, &'static str)| {
        let option = table.get(of)?;
        Some(Known { name, letter: None, peer: option.perl, ..of_table(option) })
    };
    table.options().iter().map(of_table).chain(ALIASES.into_iter().filter_map(other)).collect()
}

/// Whether a line at the prompt may have this option.
pub(super) fn at_prompt(name: &str) -> bool {
    AT_PROMPT.contains(&name)
}

/// The value of an option, typed as `spelling`.
pub(super) fn check(name: &str, spelling: &str, text: OsString) -> Result<Value, String> {
    let shown = match name {
        "serverurl" => repr(&shown(&text.to_string_lossy())),
        "password" => "'***'".to_owned(),
        _ => repr(&text.to_string_lossy()),
    };
    let refused = |why: &str| Err(format!("invalid value for {spelling} {shown}: {why}"));
    match (name, text.to_str()) {
        ("interval", given) => match given.and_then(super::seconds) {
            Some(time) => Ok(Value::Seconds(time)),
            None => refused("a number of seconds from 0, such as 2 or 0.5, is expected"),
        },
        ("color", given) if given.is_none_or(|given| color(given).is_none()) => {
            refused("auto, always or never is expected")
        }
        ("serverurl", given) if !given.is_some_and(is_address) => {
            refused("unix:///PATH or http://HOST:PORT is expected")
        }
        ("configuration" | "history-file" | "password-file", _) => Ok(Value::Text(text)),
        (_, None) => refused("it is not UTF-8"),
        _ => parse_value(Kind::Text, &text).ok_or_else(|| shown.clone()),
    }
}

/// Whether it names a server that can be reached.
pub(super) fn is_address(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("unix" | "http"))
}

fn color(text: &str) -> Option<When> {
    match text {
        "auto" => Some(When::Auto),
        "always" => Some(When::Always),
        "never" => Some(When::Never),
        _ => None,
    }
}

/// What the options ask for.
pub(super) fn meaning(split: Split) -> Result<Options, String> {
    let arguments: Arguments<Declared> =
        split.into_args(&table()).map_err(|error| error.lines.join(" "))?;
    let asked = &arguments.options;
    let given = |at| arguments.values.text(at);
    let text = |at| given(at).map(|text| text.to_string_lossy().into_owned());
    Ok(Options {
        configuration: given(asked.configuration).map(PathBuf::from),
        serverurl: text(asked.serverurl),
        username: text(asked.username),
        password: text(asked.password),
        password_file: given(asked.password_file).map(PathBuf::from),
        interactive: asked.interactive,
        json: asked.json,
        color: text(asked.color).and_then(|when| color(&when)).unwrap_or_default(),
        verbose: asked.verbose,
        special: Special {
            rolling: asked.rolling,
            hot: asked.hot,
            interval: arguments.values.seconds(asked.interval),
        },
    })
}
