//! Every method, called by Python's `xmlrpc.client`, with arguments good and bad.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::Duration;

use super::pair::{Pair, Side, supervisord};
use crate::sandbox::wait_pid;

/// All calls together wait for processes, supervisord a second for each.
const PATIENCE: Duration = Duration::from_secs(240);

/// Calls whose answers differ: the call, the answer of ours, and why.
///
/// Where supervisord answers with `500 Internal Server Error` or with what is not XML, ours need not be
/// here: it must answer. methods.py hides two differences in structs: an AUTO log has no name before its
/// program is started for the first time, since ours makes it then, and its path is `auto` among the
/// settings; and ours tells `autorestart` there, as later versions of supervisord do.
const JUSTIFIED: &[(&str, &str, &str)] = &[
    ("supervisor.readProcessStdoutLog('cr', 0, 0)", r#""a\r\nb\rc\n\n\t END\n""#, CR),
    (
        "supervisor.tailProcessStdoutLog('cr', 0, 1000)",
        r#"["a\r\nb\rc\n\n\t END\n", 14, false]"#,
        CR,
    ),
    ("supervisor.addProcessGroup(True)", NO_NAME, TYPE),
    ("supervisor.addProcessGroup(1.5)", NO_NAME, TYPE),
    ("supervisor.addProcessGroup([])", NO_PARAMETER, TYPE),
    ("supervisor.addProcessGroup({})", NO_PARAMETER, TYPE),
    ("supervisor.addProcessGroup(None)", NO_NAME, TYPE),
    ("supervisor.addProcessGroup(['idle'])", NO_PARAMETER, TYPE),
    ("supervisor.addProcessGroup(DateTime 20260102T03:04:05)", NO_NAME, TYPE),
    ("supervisor.sendProcessStdin('copy', [])", NO_CHARS, TEXT),
    ("supervisor.sendProcessStdin('copy', {})", NO_CHARS, TEXT),
    ("supervisor.sendProcessStdin('copy', ['idle'])", NO_CHARS, TEXT),
    (
        "supervisor.sendProcessStdin('copy', None)",
        r#"["fault", 2, "INCORRECT_PARAMETERS: None"]"#,
        TEXT,
    ),
    (
        "supervisor.sendProcessStdin('copy', DateTime 20260102T03:04:05)",
        r#"["fault", 2, "INCORRECT_PARAMETERS: 20260102T03:04:05"]"#,
        TEXT,
    ),
];
const CR: &str = "a CR of a log is kept; supervisord's answer makes an XML parser see LF";
const TYPE: &str = "what is no string is a wrong parameter, not an unknown name";
const TEXT: &str = "the fault is the same, its text is not Python's";
const NO_NAME: &str = r#"["fault", 2, "INCORRECT_PARAMETERS: name must be a string"]"#;
const NO_PARAMETER: &str = r#"["fault", 2, "INCORRECT_PARAMETERS"]"#;
const NO_CHARS: &str = r#"["fault", 2, "INCORRECT_PARAMETERS: chars must be a string"]"#;

/// What came of a call, by the call and how often it was made before.
type Answers = BTreeMap<(usize, String), String>;

fn answers(side: &Side) -> Answers {
    let script = side.sandbox.path("methods.py");
    let dir = side.sandbox.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    let python = side.sandbox.run("/usr/bin/python3").arg(script).arg(dir);
    let mut python = python.env("PYTHONIOENCODING", "utf-8").separate().spawn();
    assert!(wait_pid(python.pid(), PATIENCE), "{}: {}", side.name, python.transcript());
    let status = python.wait_exit();
    let (calls, complaints) = python.texts();
    assert!(status.success(), "{}: {status} {complaints}\n{calls}", side.name);
    let line = |(number, line): (usize, &str)| {
        let (call, answer) = line.split_once('\t').unwrap_or_else(|| panic!("{line:?}"));
        ((number, call.to_owned()), answer.to_owned())
    };
    calls.lines().enumerate().map(line).collect()
}

#[test]
fn every_method() {
    if !supervisord() {
        return;
    }
    let body = include_str!("../data/xmlrpc/methods.conf");
    let files = [
        ("echoer.x", include_str!("../data/xmlrpc/echoer.pl")),
        ("methods.py", include_str!("../data/xmlrpc/methods.py")),
        ("notexec", "true\n"),
        ("conf.d/none", ""),
    ];
    let mut pair = Pair::start("methods", "", body, &files);
    pair.wait_log("success: nolog entered RUNNING");
    let [real, ours] = thread::scope(|scope| {
        let [real, ours] = pair.sides.each_ref().map(|side| scope.spawn(|| answers(side)));
        [real, ours].map(|side| side.join().unwrap_or_else(|_| panic!("see above")))
    });
    pair.wait_end();
    let (mut same, mut mended, mut justified) = (0, 0, 0);
    let mut faults = Vec::new();
    for ((number, call), answer) in &real {
        let found = ours.get(&(*number, call.clone())).map_or("nothing", String::as_str);
        let broken =
            |answer: &str| answer.contains("[\"status\", 500]") || answer.contains("[\"not XML\"]");
        let known = JUSTIFIED.iter().any(|(known, ours, _)| known == call && *ours == found);
        if found == answer && !broken(answer) {
            same += 1;
        } else if known {
            justified += 1;
        } else if broken(answer) && !broken(found) && found != "nothing" {
            mended += 1;
        } else {
            faults.push(format!("{call}\n  supervisord: {answer}\n  ours: {found}"));
        }
    }
    let line = format!(
        "\n= methods: {} calls of xmlrpc.client, {same} identical, {mended} answered where supervisord breaks, \
         {justified} justified, {} not\n",
        real.len(),
        faults.len()
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    let shown = pair.transcript();
    assert!(faults.is_empty(), "{}\n{shown}", faults.join("\n"));
    assert_eq!(justified, JUSTIFIED.len(), "what is no difference any more\n{shown}");
    assert_eq!(real.len(), ours.len(), "calls\n{shown}");
}
