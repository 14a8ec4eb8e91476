//! One line of JSON instead of text: what the server answered, put together by action.
//!
//! The command runs as it does for people, with a server that takes down every answer; what it would
//! have written is thrown away, and errors in it go to standard error. Text and JSON, and the exit
//! code, come from the same calls.

mod document;
mod record;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::Duration;

use fdpass::wire::push_json_string;

use super::args::{Action, Amount, Misuse};
use super::outcome;
use super::plain;
use super::server::{CallError, Server};
use super::session::{Ask, Session};
use super::watch::watch;
use crate::report::complain;
use crate::supervise::rpc::Value;
use record::{Record, Recorder};

/// A command as it runs for people.
pub type Perform<'p> = &'p mut dyn FnMut(&mut Session<'_>) -> Result<(), CallError>;

/// Does `action` by `perform` and writes its JSON; the exit code is the command's. `ask` is for those
/// that ask before they do something.
pub fn run(
    server: &mut dyn Server,
    out: &mut dyn Write,
    mut ask: Option<Ask<'_>>,
    action: &Action,
    perform: Perform<'_>,
) -> u8 {
    let endless = match action {
        Action::Fg(_) | Action::Watch { .. } => true,
        Action::Tail { amount, .. } | Action::MainTail(amount) => *amount == Amount::Follow,
        _ => false,
    };
    let full = matches!(action, Action::Status(_) | Action::Open(_));
    let mut recorder = Recorder::new(server, full);
    let mut text = Vec::new();
    let asks = ask.is_some();
    let mut asking = |question: &str| ask.as_mut().and_then(|ask| ask(question));
    let mut session = Session::new(&mut recorder, &mut text);
    session.ask = if asks { Some(&mut asking) } else { None };
    let mut broken = false;
    if endless {
        session.fail("Error: this has no JSON", outcome::USAGE);
    } else if let Err(error) = perform(&mut session) {
        session.fail_by(&error);
        broken = true;
    }
    let exit = session.exit;
    let text = String::from_utf8_lossy(&text).into_owned();
    let errors: Vec<String> = match action {
        Action::Stat(names) => unknown(&text, names),
        _ => Vec::new(),
    };
    // To open a server that is not there is no failure, but there is something to tell.
    let listed = |record: &Record| record.method == "getAllProcessInfo" && record.answer.is_ok();
    let opened = matches!(action, Action::Open(_)) && !recorder.records.iter().any(listed);
    let failed = exit != outcome::OK || opened;
    let told = text.lines().filter(|line| failed && is_error(line, recorder.url()));
    let errors: Vec<String> = errors.into_iter().chain(told.map(str::to_owned)).collect();
    if !errors.is_empty() {
        complain(&errors);
    }
    let last = text.lines().next_back().unwrap_or_default();
    let failure = broken.then(|| last.strip_prefix("error: ").unwrap_or(last).to_owned());
    let document = document::of(action, &recorder.records, &text, &errors, failure, exit);
    Session::new(server, out).say_as_it_is(&line(&document));
    exit
}

/// Watches, with an object in each line.
pub(crate) fn watched(session: &mut Session<'_>, names: &[String], interval: Duration) {
    if let Err(error) = watch(session, names, interval, true) {
        let object = Value::of_members([("error", error.to_string().into())]);
        session.say_as_it_is(&line(&object));
        session.exit = outcome::FAILED;
    }
}

/// Says what is wrong with a line; the exit code.
pub(crate) fn misused(session: &mut Session<'_>, misuse: &Misuse) -> u8 {
    complain(&misuse.lines);
    complain(misuse.advice.as_slice());
    let text = misuse.lines.first().map(String::as_str).unwrap_or_default();
    session.say_as_it_is(&line(&Value::of_members([("error", text.into())])));
    misuse.code
}

/// The names that `stat` does not know. It says so without the name when there is but one.
fn unknown(text: &str, names: &[String]) -> Vec<String> {
    let line = |line: &str| match (line, names) {
        ("unknown", [name]) => Some(format!("{name}: unknown")),
        _ => line.ends_with(": unknown").then(|| line.to_owned()),
    };
    text.lines().filter_map(line).collect()
}

/// Whether a line tells of something that was not done.
fn is_error(line: &str, url: &str) -> bool {
    let begins = ["ERROR", "Error", "error:", "Sorry", "No such", "Server requires", url];
    // As supervisorctl has it, this is no failure.
    let harmless = line == "ERROR: process group already active";
    !harmless
        && (line.contains(": ERROR (")
            || line.ends_with("not removing")
            || begins.iter().any(|begin| line.starts_with(begin)))
}

/// A value as JSON without a line break in it. Numbers that JSON does not have are null, and bytes are
/// text.
#[must_use]
pub fn line(value: &Value) -> String {
    let mut out = String::new();
    push(&mut out, value);
    plain::json(out)
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Double(number) if number.is_finite() => out.push_str(&number.to_string()),
        Value::Double(_) | Value::Nil => out.push_str("null"),
        Value::Text(text) | Value::Date(text) => push_json_string(out, text),
        Value::Bytes(bytes) => push_json_string(out, &String::from_utf8_lossy(bytes)),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                push(out, value);
            }
            out.push(']');
        }
        Value::Struct(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                push_json_string(out, name);
                out.push(':');
                push(out, value);
            }
            out.push('}');
        }
    }
}
