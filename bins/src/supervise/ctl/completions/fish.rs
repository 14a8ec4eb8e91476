//! fish(1): a `complete` for each thing that can be completed.

use super::{ACTIONS, Operands, SHELLS, SIGNALS, Values, actions, brief, letter, values};
use crate::cli::OptionInfo;
use crate::supervise::ctl::args::option_table;

const HEAD: &str = r#"# fish completion for supervise ctl; made by "supervise ctl completions fish"

# The words behind ctl that are no options, the action first; those before it that tell where the
# server is go to $__supervise_server, an option that still wants its value to $__supervise_valued.
function __supervise_ctl_words
    set -l words (commandline -opc)
    set -g __supervise_server
    set -q words[2]; and test "$words[2]" = ctl; or return 1
    set -g __supervise_server $words[1] ctl
    set -l rest $words[3..-1]
    set -l operands
    set -l valued ''
    for word in $rest
        if test -n "$valued"
            set -a __supervise_server $valued $word
            set valued ''
            continue
        end
        switch $word
"#;

const FUNCTIONS: &str = r#"            case '-*'
                set -q operands[1]; or set -a __supervise_server $word
            case '*'
                set -a operands $word
        end
    end
    set -g __supervise_valued $valued
    set -q operands[1]; and printf '%s\n' $operands
    return 0
end

# Whether the action is one of these, with so many operands behind it if the first one is a number.
function __supervise_ctl_action
    set -l words (__supervise_ctl_words); or return 1
    test -z "$__supervise_valued"; or return 1
    if string match -qr '^[0-9]$' -- $argv[1]
        test (count $words) -eq (math $argv[1] + 1); or return 1
        set -e argv[1]
    end
    set -q words[1]; and contains -- $words[1] $argv
end

function __supervise_ctl_no_action
    set -l words (__supervise_ctl_words); or return 1
    test -z "$__supervise_valued"; or return 1
    not set -q words[1]
end

function __supervise_ctl_names
    __supervise_ctl_words >/dev/null; or return
    set -l lines ($__supervise_server avail 2>/dev/null </dev/null); or return
    for line in $lines
        set -l name (string split -f 1 ' ' -- $line)
        if test "$argv[1]" = groups
            string split -f 1 : -- $name
        else
            printf '%s\n' $name
            string match -q '*:*' -- $name; and printf '%s:*\n' (string split -f 1 : -- $name)
        end
    end | sort -u
    test "$argv[1]" = groups; or printf 'all\n'
end

complete -c supervise -n __fish_is_first_token -a ctl -d 'control what runs'
complete -c supervise -n __supervise_ctl_words -f
"#;

pub(super) fn script() -> String {
    let mut out = HEAD.to_owned();
    let table = option_table();
    let spelled = |option: &OptionInfo| {
        let letter = letter(option).map(|letter| format!("-{letter}"));
        letter.into_iter().chain([format!("--{}", option.name)]).collect::<Vec<_>>()
    };
    let valued: Vec<String> =
        table.iter().filter(|option| values(option).is_some()).flat_map(spelled).collect();
    out.push_str(&format!(
        "            case {}\n                set valued $word\n",
        valued.join(" ")
    ));
    out.push_str(FUNCTIONS);
    for option in &table {
        let owner = ACTIONS.iter().find(|action| action.options.contains(&option.name));
        let condition = match owner {
            Some(action) => format!("'__supervise_ctl_action {}'", action.name),
            None => "__supervise_ctl_words".to_owned(),
        };
        let letter = letter(option).map(|letter| format!(" -s {letter}")).unwrap_or_default();
        let takes = match values(option) {
            None => String::new(),
            Some(Values::Files) => " -r -F".to_owned(),
            Some(Values::Words(words)) => format!(" -x -a '{words}'"),
            Some(Values::Free) => " -x".to_owned(),
        };
        out.push_str(&format!(
            "complete -c supervise -n {condition} -l {}{letter}{takes} -d '{}'\n",
            option.name,
            brief(option.description)
        ));
    }
    for action in ACTIONS {
        out.push_str(&format!(
            "complete -c supervise -n __supervise_ctl_no_action -a {} -d '{}'\n",
            action.name, action.about
        ));
    }
    let mut row = |with: &[Operands], count: &str, choices: &str| {
        let names = actions(with).join(" ");
        out.push_str(&format!(
            "complete -c supervise -n '__supervise_ctl_action {count}{names}' -a '{choices}'\n"
        ));
    };
    let processes = "(__supervise_ctl_names processes)";
    row(&[Operands::Processes], "", processes);
    row(&[Operands::Process, Operands::Log], "0 ", processes);
    row(&[Operands::Log], "1 ", "stdout stderr");
    row(&[Operands::Signal], "0 ", SIGNALS);
    // Operands of a signal are processes from the second one on.
    for count in 1..=9 {
        row(&[Operands::Signal], &format!("{count} "), processes);
    }
    row(&[Operands::Groups], "", "(__supervise_ctl_names groups)");
    let all: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    row(&[Operands::Action], "", &all.join(" "));
    row(&[Operands::Shell], "", SHELLS);
    out
}
