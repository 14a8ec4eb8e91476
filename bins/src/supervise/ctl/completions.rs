//! Scripts that complete command lines in a shell, made of the tables of options and actions.
//!
//! The names of processes come from the server that the command line names: the scripts ask
//! `avail`, and find nothing when there is no answer.

mod bash;
mod fish;
mod zsh;

use super::args::{ACTIONS, ActionInfo, Operands, Shell, letters, option_table};
use crate::cli::OptionInfo;

/// The script for a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash::script(),
        Shell::Zsh => zsh::script(),
        Shell::Fish => fish::script(),
    }
}

/// Where the name of an option with a value is completed, how.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Values {
    /// With the names of files.
    Files,
    /// With these words.
    Words(&'static str),
    /// Not at all.
    Free,
}

/// `None` for an option without a value.
fn values(option: &OptionInfo) -> Option<Values> {
    let name = option.value?;
    Some(match (option.name, name) {
        (_, "FILENAME") => Values::Files,
        ("color", _) => Values::Words("auto always never"),
        _ => Values::Free,
    })
}

/// `-c`, for an option that has one.
fn letter(option: &OptionInfo) -> Option<char> {
    letters().into_iter().find(|(_, name)| *name == option.name).map(|(letter, _)| letter)
}

/// Options that every action may have, and those of single actions.
fn own_options() -> Vec<&'static str> {
    ACTIONS.iter().flat_map(|action| action.options.iter().copied()).collect()
}

/// The long options that do not belong to one action, and those that do, each with a blank behind.
fn long_options(of: Option<&ActionInfo>) -> String {
    let own = own_options();
    let table = option_table();
    let fits = |option: &&OptionInfo| match of {
        None => !own.contains(&option.name),
        Some(action) => action.options.contains(&option.name),
    };
    let with_value = |option: &OptionInfo| match option.value {
        Some(_) => format!("--{}=", option.name),
        None => format!("--{}", option.name),
    };
    table.iter().filter(fits).map(with_value).collect::<Vec<_>>().join(" ")
}

/// The names of the actions with these operands.
fn actions(with: &[Operands]) -> Vec<&'static str> {
    let fits = |action: &&ActionInfo| with.contains(&action.operands);
    ACTIONS.iter().filter(fits).map(|action| action.name).collect()
}

/// Signals that are sent by hand.
const SIGNALS: &str = "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH";
const SHELLS: &str = "bash zsh fish";

/// The first sentence of a description, without quotes that a shell would see.
fn brief(text: &str) -> String {
    let end = text.find([';', '(']).unwrap_or(text.len());
    let words: Vec<&str> = text.get(..end).unwrap_or(text).split_whitespace().collect();
    words.join(" ").replace('\'', "").replace(['[', ']'], "").trim_end_matches(',').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_knows_every_action_and_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for action in ACTIONS {
                assert!(script.contains(action.name), "{shell:?}: {}", action.name);
            }
            for option in option_table() {
                let known = script.contains(&format!("--{}", option.name))
                    || script.contains(&format!("-l {}", option.name));
                assert!(known, "{shell:?}: {}", option.name);
            }
        }
    }

    #[test]
    fn descriptions_can_stand_in_quotes() {
        assert_eq!(
            brief("file whose section [x] tells (default: none)"),
            "file whose section x tells"
        );
        assert_eq!(brief("restart: one\n  after; more"), "restart: one after");
        assert_eq!(brief("don't"), "dont");
    }
}
