//! What is done in a session: recorded commands, and what happens between them.

/// One line that begins with `@`, or a command with what was recorded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `@log TEXT`: both main logs hold this below the place where the command before began.
    Log(String),
    /// `@say NAME`: echoer says one of [`said`].
    Say(String),
    /// `@until TEXT`: the next command is ended when it has printed this. Echoer says it, unless it has.
    Until(String),
    /// `@type LINE`: a line for the next command's standard input.
    Type(String),
    /// `@talk LINE`: the same, and it is waited for in the command's output.
    Talk(String),
    /// `@change NAME`: the configuration becomes another, see [`super::session::change`].
    Change(String),
    /// `@ctl WORDS`: a command that was not recorded.
    Ctl(String),
    /// `@hold`: echoer does not end when it is told to.
    Hold,
    /// `@release`: now it does.
    Release,
    /// `@end`: both servers end.
    End,
    /// `@stale`: nobody listens on the socket that is there.
    Stale,
    /// `@reset`: who listens on the socket hangs up on everybody.
    Reset,
    /// `=== NAME`, `$ WORDS`, what it printed, `[exit status N]`
    Command(Recorded),
}

/// A command of the recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub name: String,
    pub words: Vec<String>,
    pub printed: String,
    pub status: i32,
}

impl Recorded {
    /// Whether it waits for several processes at once.
    pub fn is_several(&self) -> bool {
        let waits = ["start", "stop", "restart"];
        let several = |word: &String| word == "all" || word.ends_with(":*");
        self.words.first().is_some_and(|word| waits.contains(&word.as_str()))
            && self.words.iter().any(several)
    }
}

/// The steps of a file.
///
/// # Panics
/// When it is not understood.
pub fn read(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("=== ") {
            let words = lines.next().and_then(|line| line.strip_prefix("$ ")).unwrap();
            let mut printed = String::new();
            let status = loop {
                let line = lines.next().unwrap_or_else(|| panic!("{name} has no end"));
                let status = line.strip_prefix("[exit status ");
                if let Some(status) = status.and_then(|rest| rest.strip_suffix(']')) {
                    break status.parse().unwrap();
                }
                printed.push_str(line);
                printed.push('\n');
            };
            let words = words.split_whitespace().map(str::to_owned).collect();
            steps.push(Step::Command(Recorded { name: name.to_owned(), words, printed, status }));
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        steps.push(match word {
            "@log" => Step::Log(rest),
            "@say" => Step::Say(rest),
            "@until" => Step::Until(rest),
            "@type" => Step::Type(rest),
            "@talk" => Step::Talk(rest),
            "@change" => Step::Change(rest),
            "@ctl" => Step::Ctl(rest),
            "@hold" => Step::Hold,
            "@release" => Step::Release,
            "@end" => Step::End,
            "@stale" => Step::Stale,
            "@reset" => Step::Reset,
            _ => panic!("{line:?}"),
        });
    }
    steps
}

/// What echoer says by this name: more than any `tail` shows at once.
pub fn said(name: &str) -> String {
    match name {
        "many lines" => (1..=300).map(|number| format!("line {number}\n")).collect(),
        line => format!("{line}\n"),
    }
}

/// Hides what differs from run to run: pids, times, and the directory (by `mask_dir`).
pub fn mask(text: &str) -> String {
    let mut masked: String = text.lines().map(|line| mask_line(line) + "\n").collect();
    while masked.ends_with("\n\n") {
        masked.pop();
    }
    masked
}

fn mask_line(line: &str) -> String {
    if !line.is_empty() && line != "0" && line.bytes().all(|byte| byte.is_ascii_digit()) {
        return "N".to_owned();
    }
    if let Some((head, tail)) = line.split_once(" pid ") {
        if let Some((_, uptime)) = tail.split_once(", uptime ") {
            assert!(is_uptime(uptime), "{line:?}");
            return format!("{head} pid N, uptime T");
        }
    }
    if let Some(at) = line.find(" DEBG ").or_else(|| line.find(" INFO ")) {
        // "2026-11-21 09:56:16,393 DEBG", or the end of it where a tail begins
        let time = |c: char| c.is_ascii_digit() || "-:, ".contains(c);
        if line[..at].chars().all(time) {
            return format!("T{}", &line[at..]);
        }
    }
    let state = ["EXITED    ", "STOPPED   "].into_iter().find_map(|state| line.split_once(state));
    if let Some((head, date)) = state {
        let form = |text: &str| -> String {
            let kind = |c: char| match c {
                '0'..='9' => '0',
                'A'..='Z' => 'A',
                'a'..='z' => 'a',
                _ => c,
            };
            text.chars().map(kind).collect()
        };
        if form(date) == "Aaa 00 00:00 AA" {
            return format!("{}DATE", &line[..head.len() + 10]);
        }
    }
    line.to_owned()
}

/// `0:00:03`, `1 day, 2:03:04`
fn is_uptime(text: &str) -> bool {
    let clock = text.rsplit(", ").next().unwrap_or_default();
    clock.split(':').count() == 3
        && clock.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[test]
fn the_files_hold_every_recorded_command() {
    let commands = |text: &str| {
        let command = |step: &Step| matches!(step, Step::Command(_));
        read(text).iter().filter(|step| command(step)).count()
    };
    let session = include_str!("../../data/xmlrpc/session.txt");
    let auth = include_str!("../../data/xmlrpc/auth.txt");
    assert_eq!((commands(session), commands(auth)), (111, 5));
}

#[test]
fn what_is_masked() {
    for (line, masked) in [
        ("a   RUNNING   pid 17, uptime 0:00:03", "a   RUNNING   pid N, uptime T"),
        ("a   EXITED    Nov 21 09:54 AM", "a   EXITED    DATE"),
        ("a   STOPPED   Not started", "a   STOPPED   Not started"),
        ("4711", "N"),
        ("0", "0"),
        ("line 7", "line 7"),
        (" 09:56:16,393 DEBG 'x' stdout output:", "T DEBG 'x' stdout output:"),
        ("no DEBG line", "no DEBG line"),
    ] {
        assert_eq!(mask_line(line), masked);
    }
}
