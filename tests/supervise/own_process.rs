//! The process of a library's user, by way of the example.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use super::harness::{alive, gone};
use crate::sandbox::build;

/// The example, built once in the profile of the tests.
fn example() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let words = ["-p", "superdaemon", "--example", "own_process"];
    BUILT.get_or_init(|| build(&words).join("examples/own_process")).clone()
}

struct Owner {
    child: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Owner {
    fn of(words: &[&str]) -> Owner {
        let mut command = Command::new(example());
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (words, answers) = (child.stdin.take(), child.stdout.take().unwrap());
        Owner { child, words, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, word: &str) -> String {
        writeln!(self.words.as_ref().unwrap(), "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn start(&mut self) -> i32 {
        let answer = self.ask("start");
        answer.strip_prefix("started with pid ").expect(&answer).parse().unwrap()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_words_of_the_example() {
    let mut owner = Owner::of(&["sleep", "1000"]);
    assert_eq!(owner.ask("stat"), "dead");
    assert_eq!(owner.ask("reload"), "the process does not run");
    let pid = owner.start();
    assert_eq!(owner.ask("stat"), "alive");
    assert_eq!(owner.ask("start"), format!("the process runs already, with pid {pid}"));
    assert_eq!(owner.ask("stop"), "stopped: killed by SIGTERM");
    assert_eq!(owner.ask("stat"), "dead");
    let second = owner.start();
    assert_ne!(pid, second);
    assert_eq!(owner.ask("killme"), "killed by SIGKILL");
    // The program has no handler for HUP.
    owner.start();
    assert_eq!(owner.ask("reload"), "reloaded");
    let third = owner.ask("stop");
    assert!(
        third == "stopped: killed by SIGHUP" || third == "stopped: killed by SIGTERM",
        "{third}"
    );
    let last = owner.start();
    drop(owner.words.take());
    assert!(owner.child.wait().unwrap().success());
    assert!(!alive(last), "the end of the input stops it");
}

/// The owner drops nothing when it is killed: the kernel tells the program.
#[test]
fn a_killed_owner_takes_its_process_along() {
    let mut owner = Owner::of(&["sleep", "1000"]);
    let pid = owner.start();
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    gone(pid);
}

#[test]
fn what_cannot_start_is_told() {
    let mut owner = Owner::of(&["/no/such/program"]);
    let text = "failed to exec /no/such/program: No such file or directory (os error 2)";
    assert_eq!(owner.ask("start"), text);
    assert_eq!(owner.ask("stat"), "dead");
    assert_eq!(owner.ask("dance"), "start, stop, stat, reload or killme, not \"dance\"");
}
