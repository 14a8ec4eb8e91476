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

use fdpass::wire::push_json_string;

use super::args::{Action, Amount, Misuse};
use super::outcome;
use super::server::{CallError, Server};
use super::session::{Ask, Session};
use super::watch::watch;
use crate::report::complain;
use crate::supervise::rpc::Value;
use record::Recorder;

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
        Action::Watch { names, interval } => {
            let mut session = Session::new(server, out);
            if let Err(error) = watch(&mut session, names, *interval, true) {
                let object = Value::of_members([("error", error.to_string().into())]);
                session.fail(&line(&object), outcome::FAILED);
            }
            return session.exit;
        }
        Action::Fg(_) => true,
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
    let errors: Vec<String> = text
        .lines()
        .filter(|line| exit != outcome::OK && is_error(line, recorder.url()))
        .map(str::to_owned)
        .collect();
    if !errors.is_empty() {
        complain(&errors);
    }
    let last = text.lines().next_back().unwrap_or_default();
    let failure = broken.then(|| last.strip_prefix("error: ").unwrap_or(last).to_owned());
    let document = document::of(action, &recorder.records, &text, &errors, failure, exit);
    Session::new(server, out).say(&line(&document));
    exit
}

/// Says what is wrong with a line; the exit code.
pub(crate) fn misused(session: &mut Session<'_>, misuse: &Misuse) -> u8 {
    complain(&misuse.lines);
    complain(misuse.advice.as_slice());
    let text = misuse.lines.first().map(String::as_str).unwrap_or_default();
    session.say(&line(&Value::of_members([("error", text.into())])));
    misuse.code
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
    out
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
