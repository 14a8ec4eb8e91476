//! Help, manual page and option table say the same.

use std::collections::BTreeMap;
use std::fs;

use superdaemon::cli::OptionInfo;
use superdaemon::prefork::args as prefork_run;
use superdaemon::start_server::args as start_server;
use superdaemon::supervise::args as supervise;
use superdaemon::supervise::ctl;

use super::source::root;

/// Options and how their values are called.
type Options = BTreeMap<String, Option<String>>;

/// What a program says of itself.
struct Program {
    page: &'static str,
    help: String,
    table: Vec<OptionInfo>,
    /// Other names of options, which the page may use.
    aliases: Vec<&'static str>,
}

fn programs() -> [Program; 4] {
    let start_server = Program {
        page: "man/start_server.1",
        help: start_server::help(),
        table: start_server::option_table(),
        aliases: Vec::new(),
    };
    let prefork_run = Program {
        page: "man/prefork-run.1",
        help: prefork_run::help(),
        table: [prefork_run::option_table(), prefork_run::asking_table()].concat(),
        aliases: prefork_run::aliases().into_iter().map(|(alias, _)| alias).collect(),
    };
    let supervise = Program {
        page: "man/supervise.1",
        help: supervise::help(),
        table: supervise::option_table(),
        aliases: supervise::aliases().into_iter().map(|(alias, _)| alias).collect(),
    };
    let client = Program {
        page: "man/supervise-ctl.1",
        help: ctl::help::text(),
        table: ctl::args::option_table(),
        aliases: ctl::args::aliases().into_iter().map(|(alias, _)| alias).collect(),
    };
    [start_server, prefork_run, supervise, client]
}

impl Program {
    fn options(&self) -> Options {
        let own = |text: &str| text.to_owned();
        self.table.iter().map(|option| (own(option.name), option.value.map(own))).collect()
    }
}

/// `--name` or `--name=VALUE`.
fn option(text: &str) -> Option<(String, Option<String>)> {
    let body = text.strip_prefix("--")?;
    Some(match body.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (body.to_owned(), None),
    })
}

/// What a line of mdoc(7) looks like, as far as lists of options use the language.
fn rendered(line: &str) -> String {
    let mut out = String::new();
    let (mut joined, mut dashes, mut brackets) = (true, 0, 0);
    for word in line.split_whitespace().skip(1) {
        match word {
            "Fl" => dashes += 1,
            "Ns" => joined = true,
            "Ar" | "Cm" | "Li" | "Ic" | "No" | "Pq" | "Xo" | "Xc" => {}
            "Op" | "Oo" => {
                brackets += 1;
                push(&mut out, "[", &mut joined);
                joined = true;
            }
            "Oc" => {
                brackets -= 1;
                out.push(']');
            }
            "," | "." | ":" | ";" => out.push_str(word),
            _ => {
                let text = format!("{}{}", "-".repeat(dashes), word.replace("\\&", ""));
                dashes = 0;
                push(&mut out, &text.replace("\\-", "-"), &mut joined);
            }
        }
    }
    out + &"]".repeat(brackets)
}

fn push(out: &mut String, text: &str, joined: &mut bool) {
    if !std::mem::take(joined) {
        out.push(' ');
    }
    out.push_str(text);
}

fn words(line: &str) -> Vec<String> {
    let text = rendered(line);
    text.split_whitespace().map(|word| word.trim_end_matches([',', '.', ';']).to_owned()).collect()
}

#[test]
fn mdoc_is_understood() {
    assert_eq!(rendered(".It Fl Fl port Ns = Ns Ar SPEC"), "--port=SPEC");
    assert_eq!(rendered(".It Fl -port Ns = Ns Ar SPEC , Fl Fl help"), "--port=SPEC, --help");
    assert_eq!(
        rendered(".It Fl Fl path-owner Ns = Ns Ar USER Ns Op : Ns Ar GROUP"),
        "--path-owner=USER[:GROUP]"
    );
    assert_eq!(words(".Nm Fl Fl status Op Fl Fl json").last().unwrap(), "[--json]");
    assert_eq!(option("--a=b"), Some(("a".to_owned(), Some("b".to_owned()))));
}

#[test]
fn help_lists_the_table() {
    for program in programs() {
        let help = &program.help;
        // A letter may go before the name.
        let entries = help.lines().filter(|line| line.starts_with("  -"));
        let listed: Options =
            entries.filter_map(|line| line.split_whitespace().take(2).find_map(option)).collect();
        assert_eq!(listed, program.options(), "{}", program.page);
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}

#[test]
fn the_manual_page_lists_the_table() {
    for program in programs() {
        let page = fs::read_to_string(root().join(program.page)).unwrap();
        let entries = page.lines().filter(|line| line.starts_with(".It Fl"));
        let listed: Options =
            entries.flat_map(words).filter_map(|word| option(word.as_str())).collect();
        let table = program.options();
        assert_eq!(listed, table, "{}", program.page);
        // No other place names an option that is not there.
        for line in page.lines().filter(|line| line.contains("Fl ")) {
            for word in words(&format!(". {}", line.trim_start_matches('.'))) {
                let name = word.trim_matches(['[', ']', '(', ')']);
                if let Some((name, _)) = option(name) {
                    let known = table.contains_key(&name) || program.aliases.contains(&&*name);
                    assert!(known, "no option {name}: {line}");
                }
            }
        }
    }
}
