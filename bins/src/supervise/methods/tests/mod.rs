//! Calls, and what comes of them.

mod asking;
mod general;
mod logs;
mod ours;
mod signalling;
mod starting;
mod stopping;
mod together;
mod updating;

use super::fake::Fake;
use super::{Answer, Caller, Waiting, call};
use crate::supervise::rpc::{Call, Fault, Value};

/// A supervisor and somebody who calls its methods.
struct Session {
    fake: Fake,
    caller: Caller,
}

impl Session {
    fn new(fake: Fake) -> Session {
        Session { fake, caller: Caller::default() }
    }

    fn running(config: &str) -> Session {
        Session::new(Fake::running(config))
    }

    fn call(&mut self, method: &str, params: Vec<Value>) -> Answer {
        let method = match method.split_once('.') {
            Some(_) => method.to_owned(),
            None => format!("supervisor.{method}"),
        };
        call(&mut self.fake, &mut self.caller, Call { method, params })
    }

    /// What is answered at once.
    fn ask(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Fault> {
        match self.call(method, params) {
            Answer::Now(result) => result,
            Answer::Later(waiting) => panic!("{method} waits: {waiting:?}"),
        }
    }

    /// The same in short.
    fn say(&mut self, method: &str, params: Vec<Value>) -> String {
        show(&self.ask(method, params))
    }

    /// What is not answered at once. What has changed so far is over.
    fn wait(&mut self, method: &str, params: Vec<Value>) -> Waiting {
        match self.call(method, params) {
            Answer::Later(waiting) => {
                self.fake.changed();
                waiting
            }
            Answer::Now(result) => panic!("{method} does not wait: {result:?}"),
        }
    }

    /// Tells of what has changed; the answer in short, `-` if there is none.
    fn turn(&mut self, waiting: &mut Waiting) -> String {
        let changed = self.fake.changed();
        let result = waiting.changed(&mut self.fake, &mut self.caller, &changed);
        result.map_or_else(|| "-".to_owned(), |result| show(&result))
    }
}

/// A value in short: rows of results as `name OK` or `name` and the fault.
fn show(result: &Result<Value, Fault>) -> String {
    match result {
        Ok(value) => show_value(value),
        Err(fault) => format!("{} {}", fault.code, fault.text),
    }
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Nil => "nil".to_owned(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(show_value).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(members) => {
            let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            if names == ["name", "group", "status", "description"] {
                return show_row(value);
            }
            let shown =
                members.iter().map(|(name, value)| format!("{name}: {}", show_value(value)));
            format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
        }
        Value::Double(_) | Value::Bytes(_) | Value::Date(_) => panic!("{value:?}"),
    }
}

fn show_row(row: &Value) -> String {
    let text = |name| row.member(name).and_then(Value::as_text).unwrap();
    let (status, name) = (row.member("status").unwrap().as_int().unwrap(), text("name"));
    match (status, text("description")) {
        (80, "OK") => format!("{name} OK"),
        (status, description) => format!("{name} {status} {description}"),
    }
}

/// The same arguments again and again.
fn name(name: &str) -> Vec<Value> {
    vec![name.into()]
}

fn unhurried(name: &str) -> Vec<Value> {
    vec![name.into(), false.into()]
}
