//! The completion scripts in the shells that they are for.

use super::ctl::Served;
use crate::peers::{installed, program};
use crate::sandbox::Finished;

/// `compadd` and `_describe` show what they are given; `words` and `CURRENT` are what zsh says.
const ZSH: &str = r#"
compdef() { :; }
compadd() { for word; do [[ $word = -- ]] || print -r -- $word; done; }
_describe() { for word in ${(P)2}; do print -r -- ${word%%:*}; done; }
_files() { print FILES; }
source ./completions
words=("${(@s/ /)1}")
CURRENT=${#words}
_supervise
"#;

const BASH: &str = r#"
source ./completions
COMP_LINE=$1
COMP_POINT=${#1}
COMP_WORDBREAKS=$2
_supervise_ctl
printf '%s\n' "${COMPREPLY[@]}"
"#;

const FISH: &str = "source ./completions; complete -C $argv[1]";

/// What a shell offers for a line.
struct Shell<'s> {
    served: &'s Served,
    name: &'static str,
}

impl<'s> Shell<'s> {
    fn new(served: &'s Served, name: &'static str) -> Self {
        let Finished { code, stdout, stderr } = served.ctl(&format!("completions {name}"));
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        served.sandbox.write("completions", stdout);
        let checked = served.sandbox.run(name).args(["-n", "completions"]).output();
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{name}");
        Self { served, name }
    }

    fn with_breaks(&self, line: &str, breaks: &str) -> Vec<String> {
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_supervise")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let words = match self.name {
            "bash" => vec!["--norc", "-c", BASH, "bash", line, breaks],
            "zsh" => vec!["-f", "-c", ZSH, "zsh", line],
            _ => vec!["--no-config", "-c", FISH, line],
        };
        let home = self.served.sandbox.path("");
        let run = self.served.sandbox.run(self.name).args(words).env("PATH", path);
        let Finished { code, stdout, stderr } = run.env("HOME", home).output();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{}: {line}", self.name);
        let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        let mut found: Vec<String> =
            stdout.lines().map(word).filter(|word| !word.is_empty()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Those that begin with what has been typed, which zsh sees to itself.
    fn offers(&self, line: &str) -> Vec<String> {
        let line = format!("supervise ctl {line}");
        let mut found = self.with_breaks(&line, " \t\n");
        let typed = line.rsplit(' ').next().unwrap_or_default();
        found.retain(|word| word.starts_with(typed));
        found
    }
}

pub fn lines_are_completed(served: &Served) {
    let own = "-c supervisord.conf";
    // A name is no pattern for files.
    served.sandbox.write("pool:zz", "");
    for name in ["bash", "zsh", "fish"] {
        if !installed(name, program(name)) {
            continue;
        }
        let shell = Shell::new(served, name);
        let offers = |line: &str| shell.offers(line);
        assert_eq!(offers("sta"), ["start", "stat", "status"], "{name}");
        assert_eq!(offers("help wat"), ["watch"], "{name}");
        assert_eq!(offers("completions "), ["bash", "fish", "zsh"], "{name}");
        assert_eq!(offers("--js"), ["--json"], "{name}");
        assert_eq!(offers("--color al"), ["always"], "{name}");
        let rolling = ["--rolling".to_owned()];
        assert_eq!(offers("restart --rol"), rolling, "{name}");
        if name != "zsh" {
            assert_eq!(offers("start --rol"), [""; 0], "{name}");
        }
        assert_eq!(offers(&format!("{own} stop t")), ["talker"], "{name}");
        let pool = ["pool:*", "pool:p_0", "pool:p_1", "pool:p_2"];
        assert_eq!(offers(&format!("{own} restart cat po")), pool, "{name}");
        assert_eq!(offers(&format!("{own} status a")), ["all"], "{name}");
        assert_eq!(offers(&format!("{own} update po")), ["pool"], "{name}");
        assert_eq!(offers(&format!("{own} signal US")), ["USR1", "USR2"], "{name}");
        assert_eq!(offers(&format!("{own} signal USR1 ca")), ["cat"], "{name}");
        assert_eq!(offers(&format!("{own} tail ca")), ["cat"], "{name}");
        assert_eq!(offers(&format!("{own} tail cat std")), ["stderr", "stdout"], "{name}");
        assert_eq!(offers("-s unix:///no/such.sock stop t"), [""; 0], "{name}: without a server");
    }
}

pub fn bash_completes_behind_a_colon(served: &Served) {
    if !installed("bash", program("bash")) {
        return;
    }
    let shell = Shell::new(served, "bash");
    let line = "supervise ctl -c supervisord.conf stop pool:p";
    assert_eq!(shell.with_breaks(line, " \t\n\"'><=;|&(:"), ["p_0", "p_1", "p_2"]);
    assert_eq!(shell.with_breaks(line, " \t\n"), ["pool:p_0", "pool:p_1", "pool:p_2"]);
    let files = shell.with_breaks("supervise ctl -c superv", " \t\n");
    assert_eq!(files, ["supervisord.conf"]);
    assert_eq!(shell.with_breaks("supervise -c superv", " \t\n"), [""; 0], "another command");
}

#[test]
fn shells_complete_lines() {
    let served = Served::start("ctl-completions", env!("CARGO_BIN_EXE_supervise"), "");
    lines_are_completed(&served);
    bash_completes_behind_a_colon(&served);
}
