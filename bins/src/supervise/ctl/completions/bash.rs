//! bash(1): a function for `complete -F`.

use super::{ACTIONS, Operands, SHELLS, SIGNALS, Values, actions, letter, long_options, values};
use crate::supervise::ctl::args::option_table;

/// Splits at blanks only: names of processes have colons. `compopt` keeps the `=` of an option open.
const HEAD: &str = r#"# bash completion for supervise ctl; made by "supervise ctl completions bash"

_supervise_ctl_names() {
    local name rest lines
    lines=$("${server[@]}" avail 2>/dev/null </dev/null) || return 0
    printf '%s\n' "$lines" | while read -r name rest; do
        if [ "$1" = groups ]; then
            printf '%s\n' "${name%%:*}"
        else
            printf '%s\n' "$name"
            case $name in *:*) printf '%s\n' "${name%%:*}:*" ;; esac
        fi
    done
    [ "$1" = groups ] || printf 'all\n'
}

_supervise_ctl() {
    local line=${COMP_LINE:0:COMP_POINT} words=() server=() action= word i current
    read -ra words <<<"$line"
    case $line in *[[:space:]]) words+=("") ;; esac
    [ "${words[1]}" = ctl ] || return 0
    current=${words[${#words[@]} - 1]}
    server=("${words[0]}" ctl)
    local previous=${words[${#words[@]} - 2]} operands=0
    for ((i = 2; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        case $word in
"#;

const MIDDLE: &str = r#"            -*) [ -n "$action" ] || server+=("$word") ;;
            *) if [ -z "$action" ]; then action=$word; else operands=$((operands + 1)); fi ;;
        esac
    done
    local choices=
    case $previous in
"#;

const TAIL: &str = r#"    esac
    # The shell has cut the word at its colons, and completes what is behind the last one.
    local cut= found
    case $COMP_WORDBREAKS in
        *:*) case $current in *:*) cut=${current%"${current##*:}"} ;; esac ;;
    esac
    COMPREPLY=()
    while read -r found; do
        case $found in
            "$current"*) COMPREPLY+=("${found#"$cut"}") ;;
        esac
    done < <(set -f; IFS=$' \t\n'; printf '%s\n' $choices | sort -u)
    case ${COMPREPLY[0]} in
        *=) [ ${#COMPREPLY[@]} -ne 1 ] || compopt -o nospace 2>/dev/null ;;
    esac
}

complete -F _supervise_ctl supervise
"#;

pub(super) fn script() -> String {
    let mut out = HEAD.to_owned();
    // Options whose value is the next word: both tell where the server is.
    let mut valued = Vec::new();
    for option in option_table() {
        if values(&option).is_some() {
            valued.extend(letter(&option).map(|letter| format!("-{letter}")));
            valued.push(format!("--{}", option.name));
        }
    }
    let valued = valued.join(" | ");
    out.push_str(&format!(
        "            {valued})\n                server+=(\"$word\" \"${{words[i + 1]}}\")\n                \
         i=$((i + 1))\n                ;;\n"
    ));
    out.push_str(MIDDLE);
    for option in option_table() {
        let Some(values) = values(&option) else { continue };
        let spelled = match letter(&option) {
            Some(letter) => format!("-{letter} | --{}", option.name),
            None => format!("--{}", option.name),
        };
        let does = match values {
            Values::Files => {
                "mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return 0".to_owned()
            }
            Values::Words(words) => format!("choices='{words}'"),
            Values::Free => "return 0".to_owned(),
        };
        out.push_str(&format!("        {spelled}) {does} ;;\n"));
    }
    let all: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    out.push_str(&format!(
        "        *)\n            case $action,$current in\n                *,-*) choices='{}'\n                    \
         case $action in\n",
        long_options(None)
    ));
    for action in ACTIONS.iter().filter(|action| !action.options.is_empty()) {
        let own = long_options(Some(action));
        out.push_str(&format!(
            "                        {}) choices=\"$choices {own}\" ;;\n",
            action.name
        ));
    }
    out.push_str("                    esac ;;\n");
    out.push_str(&format!("                ,*) choices='{}' ;;\n", all.join(" ")));
    let row = |with: &[Operands], does: &str| {
        let names: Vec<String> = actions(with).iter().map(|name| format!("{name},*")).collect();
        format!("                {}) {does} ;;\n", names.join(" | "))
    };
    let processes = "choices=$(_supervise_ctl_names processes)";
    let first = |then: &str, otherwise: &str| {
        format!("if [ $operands -eq 0 ]; then {then}; else {otherwise}; fi")
    };
    out.push_str(&row(&[Operands::Processes], processes));
    out.push_str(&row(&[Operands::Process], &first(processes, ":")));
    let streams = first(processes, "choices='stdout stderr'");
    out.push_str(&row(&[Operands::Log], &streams));
    let signals = first(&format!("choices='{SIGNALS}'"), processes);
    out.push_str(&row(&[Operands::Signal], &signals));
    out.push_str(&row(&[Operands::Groups], "choices=$(_supervise_ctl_names groups)"));
    let topics = format!("choices='{}'", all.join(" "));
    out.push_str(&row(&[Operands::Action], &topics));
    out.push_str(&row(&[Operands::Shell], &format!("choices='{SHELLS}'")));
    out.push_str("            esac ;;\n");
    out.push_str(TAIL);
    out
}
