//! What `supervise ctl` says of itself.

use super::args::{ACTIONS, ActionInfo, PROGRAM, letters, option_table};
use super::outcome;
use crate::supervise::args::lettered_option;

const ABOUT: &str = "\
Controls the processes of a supervise, or of a supervisord, that runs. Without
an action lines are read from standard input, each an action of its own. NAME is
a process, GROUP:NAME a process of a group, GROUP:* a whole group, and all is
all of them. Long options may stand behind the action.
";

const TAIL: &str = "
Without -c and -s the file is looked for as supervise does it.
";

/// Where descriptions of actions begin.
const COLUMN: usize = 26;

/// The text of `--help`.
#[must_use]
pub fn text() -> String {
    let mut out = format!("Usage: {PROGRAM} [options] [action [operands]]\n\n{ABOUT}\nActions:\n");
    for action in ACTIONS {
        out.push_str(&entry(&format!("{} {}", action.name, action.usage), action.about));
    }
    out.push_str("\nOptions:\n");
    let letter = |name: &str| letters().into_iter().find(|(_, of)| *of == name).map(|(at, _)| at);
    let all = option_table();
    // argh declares --help first; readers look for it at the end.
    let (help, others): (Vec<_>, Vec<_>) = all.iter().partition(|option| option.name == "help");
    for option in others.into_iter().chain(help) {
        out.push_str(&lettered_option(option, letter(option.name)));
    }
    out.push_str("\nExit codes:\n");
    for (code, meaning) in outcome::TABLE {
        out.push_str(&format!("  {code}  {meaning}\n"));
    }
    out.push_str(TAIL);
    out
}

/// What `help` says: of an action, or of all. `None`: there is no such action.
#[must_use]
pub fn topic(action: Option<&str>) -> Option<String> {
    let Some(name) = action else {
        let lines = ACTIONS.iter().map(|action| entry(action.name, action.about));
        return Some(format!("\nactions (type help <action>):\n\n{}\n", lines.collect::<String>()));
    };
    let info = ActionInfo::of(name)?;
    Some(info.help.iter().map(|line| format!("{line}\n")).collect())
}

fn entry(lead: &str, about: &str) -> String {
    let lead = lead.trim_end();
    // Two blanks at least between the columns.
    if lead.len().saturating_add(4) > COLUMN {
        format!("  {lead}\n{:COLUMN$}{about}\n", "")
    } else {
        format!("  {lead:width$}{about}\n", width = COLUMN.saturating_sub(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_every_action_option_and_exit_code_in_eighty_columns() {
        let help = text();
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
        for action in ACTIONS {
            assert!(help.contains(&format!("\n  {}", action.name)), "{}", action.name);
        }
        for (letter, name) in letters() {
            assert!(help.contains(&format!("\n  -{letter}, --{name}")), "{name}");
        }
        assert!(help.contains("\n  --json "), "{help}");
        assert!(help.contains("\n  7  "), "{help}");
    }

    #[test]
    fn topics_are_supervisorctls() {
        let start = "start <name>\t\tStart a process\n\
                     start <gname>:*\t\tStart all processes in a group\n\
                     start <name> <name>\tStart multiple processes or groups\n\
                     start all\t\tStart all processes\n";
        assert_eq!(topic(Some("start")).as_deref(), Some(start));
        assert_eq!(topic(Some("nosuch")), None);
        let all = topic(None).unwrap();
        assert_eq!(all.lines().filter(|line| line.starts_with("  ")).count(), ACTIONS.len());
    }
}
