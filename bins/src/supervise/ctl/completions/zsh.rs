//! zsh(1): a function for `compdef`.

use super::{ACTIONS, Operands, SHELLS, SIGNALS, Values, actions, brief, letter, values};
use crate::supervise::ctl::args::option_table;

const HEAD: &str = r#"#compdef supervise
# zsh completion for supervise ctl; made by "supervise ctl completions zsh"

_supervise_ctl_names() {
    local -a names lines
    local line name output
    output=$("${server[@]}" avail 2>/dev/null </dev/null) || return 0
    lines=("${(@f)output}")
    for line in $lines; do
        name=${line%% *}
        [[ -n $name ]] || continue
        if [[ $1 = groups ]]; then
            names+=("${name%%:*}")
        else
            names+=("$name")
            [[ $name = *:* ]] && names+=("${name%%:*}:*")
        fi
    done
    [[ $1 = groups ]] || names+=(all)
    compadd -- ${(u)names}
}

_supervise() {
    local -a server actions options
    local action word
    integer i operands=0
    [[ $words[2] = ctl || $CURRENT -eq 2 ]] || return 0
    if (( CURRENT == 2 )); then
        compadd ctl
        return
    fi
    server=($words[1] ctl)
    for (( i = 3; i < CURRENT; i++ )); do
        word=$words[i]
        case $word in
"#;

pub(super) fn script() -> String {
    let mut out = HEAD.to_owned();
    let table = option_table();
    let spelled = |option: &crate::cli::OptionInfo| {
        let letter = letter(option).map(|letter| format!("-{letter}"));
        letter.into_iter().chain([format!("--{}", option.name)]).collect::<Vec<_>>()
    };
    let valued: Vec<String> =
        table.iter().filter(|option| values(option).is_some()).flat_map(spelled).collect();
    out.push_str(&format!(
        "            {})\n                server+=($word $words[i+1])\n                (( i++ ))\n                ;;\n",
        valued.join("|")
    ));
    out.push_str(
        "            -*) [[ -n $action ]] || server+=($word) ;;\n            \
         *) if [[ -z $action ]]; then action=$word; else (( operands++ )); fi ;;\n        \
         esac\n    done\n    case $words[CURRENT-1] in\n",
    );
    for option in &table {
        let does = match values(option) {
            None => continue,
            Some(Values::Files) => "_files; return".to_owned(),
            Some(Values::Words(words)) => format!("compadd {words}; return"),
            Some(Values::Free) => "return".to_owned(),
        };
        out.push_str(&format!("        {}) {does} ;;\n", spelled(option).join("|")));
    }
    out.push_str("    esac\n    if [[ $words[CURRENT] = -* ]]; then\n        options=(\n");
    for option in &table {
        for name in spelled(option) {
            out.push_str(&format!("            '{name}:{}'\n", brief(option.description)));
        }
    }
    out.push_str("        )\n        _describe option options\n        return\n    fi\n");
    out.push_str("    actions=(\n");
    for action in ACTIONS {
        out.push_str(&format!("        '{}:{}'\n", action.name, action.about.replace(':', ",")));
    }
    out.push_str("    )\n    case $action in\n        '') _describe action actions ;;\n");
    let row =
        |with: &[Operands], does: &str| format!("        {}) {does} ;;\n", actions(with).join("|"));
    let processes = "_supervise_ctl_names processes";
    let first = |then: &str, otherwise: &str| {
        format!("if (( operands == 0 )); then {then}; else {otherwise}; fi")
    };
    out.push_str(&row(&[Operands::Processes], processes));
    out.push_str(&row(&[Operands::Process], &first(processes, "return")));
    out.push_str(&row(&[Operands::Log], &first(processes, "compadd stdout stderr")));
    let signals = first(&format!("compadd {SIGNALS}"), processes);
    out.push_str(&row(&[Operands::Signal], &signals));
    out.push_str(&row(&[Operands::Groups], "_supervise_ctl_names groups"));
    out.push_str(&row(&[Operands::Action], "_describe action actions"));
    out.push_str(&row(&[Operands::Shell], &format!("compadd {SHELLS}")));
    out.push_str("    esac\n}\n\n");
    // As a file of $fpath it is the body of the function itself.
    out.push_str(
        "if [[ $funcstack[1] = _supervise ]]; then\n    _supervise \"$@\"\nelse\n    \
         compdef _supervise supervise\nfi\n",
    );
    out
}
