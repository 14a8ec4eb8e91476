//! A server that answers what a test says.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use super::server::{CallError, Follow, Server};
use super::session::Session;
use crate::supervise::rpc::{Fault, Value};

type Answer = Result<Value, CallError>;

/// Answers in order, each for the method that it is meant for.
#[derive(Default)]
pub(crate) struct Script {
    answers: VecDeque<(String, Answer)>,
    follows: VecDeque<Result<Vec<&'static [u8]>, CallError>>,
    refusal: Option<fn() -> CallError>,
    /// `startProcess('x')`
    pub(crate) calls: Vec<String>,
    /// What was waited for, without what was not worth a word.
    pub(crate) expected: Vec<String>,
    pub(crate) login: Option<(String, String)>,
    /// The server was changed for this one.
    pub(crate) opened: Option<String>,
}

impl Script {
    /// A server that speaks our protocol.
    pub(crate) fn up(self) -> Self {
        self.answers("getVersion", Value::Text("3.0".to_owned()))
    }

    pub(crate) fn answers(mut self, method: &str, value: Value) -> Self {
        self.answers.push_back((method.to_owned(), Ok(value)));
        self
    }

    pub(crate) fn faults(self, method: &str, code: i32, text: &str) -> Self {
        self.fails(method, CallError::Fault(Fault { code, text: text.to_owned() }))
    }

    pub(crate) fn fails(mut self, method: &str, error: CallError) -> Self {
        self.answers.push_back((method.to_owned(), Err(error)));
        self
    }

    pub(crate) fn follows(mut self, chunks: Result<Vec<&'static [u8]>, CallError>) -> Self {
        self.follows.push_back(chunks);
        self
    }

    /// Nobody listens.
    pub(crate) fn refuses(mut self) -> Self {
        self.refusal = Some(|| CallError::Refused);
        self
    }

    pub(crate) fn has_no_socket(mut self) -> Self {
        self.refusal = Some(|| CallError::NoSocket);
        self
    }

    /// Everything that was prepared was asked for.
    pub(crate) fn done(&self) {
        let left: Vec<&str> = self.answers.iter().map(|(method, _)| method.as_str()).collect();
        assert!(left.is_empty() && self.follows.is_empty(), "not called: {left:?}");
    }
}

impl Server for Script {
    fn url(&self) -> &str {
        "unix:///s.sock"
    }

    fn call(&mut self, method: &str, params: &[Value]) -> Answer {
        let shown: Vec<String> = params
            .iter()
            .map(|value| match value {
                Value::Text(text) => format!("'{text}'"),
                Value::Int(number) => number.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        let short = method.strip_prefix("supervisor.").unwrap_or(method);
        self.calls.push(format!("{short}({})", shown.join(", ")));
        if let Some(refusal) = self.refusal {
            return Err(refusal());
        }
        let (expected, answer) = self.answers.pop_front().expect(method);
        assert_eq!(short, expected, "called in another order");
        answer
    }

    fn announce(&mut self, what: &str) {
        if !what.is_empty() {
            self.expected.push(what.to_owned());
        }
    }

    fn follow(&mut self, path: &str) -> Result<Box<dyn Follow>, CallError> {
        self.calls.push(format!("GET {path}"));
        let chunks = self.follows.pop_front().expect(path)?;
        Ok(Box::new(Chunks(chunks.into())))
    }

    fn login(&mut self, username: String, password: String) {
        self.login = Some((username, password));
    }

    fn open(&mut self, url: &str) -> Result<(), String> {
        if url.starts_with("ftp:") {
            return Err(url.to_owned());
        }
        self.opened = Some(url.to_owned());
        Ok(())
    }
}

struct Chunks(VecDeque<&'static [u8]>);

impl Follow for Chunks {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        Ok(self.0.pop_front().map(<[u8]>::to_vec))
    }
}

/// What a command writes, an error included, and its exit code.
pub(crate) fn run(
    script: &mut Script,
    command: impl FnOnce(&mut Session<'_>) -> Result<(), CallError>,
) -> (String, u8) {
    let mut out = Vec::new();
    let mut session = Session::new(script, &mut out);
    if let Err(error) = command(&mut session) {
        session.fail_by(&error);
    }
    let exit = session.exit;
    (String::from_utf8(out).unwrap(), exit)
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A struct of texts and numbers.
pub(crate) fn record(texts: &[(&str, &str)], numbers: &[(&str, i64)]) -> Value {
    let text = |(name, text): &(&str, &str)| ((*name).to_owned(), Value::Text((*text).to_owned()));
    let number = |(name, number): &(&str, i64)| ((*name).to_owned(), Value::Int(*number));
    Value::Struct(texts.iter().map(text).chain(numbers.iter().map(number)).collect())
}

/// What getAllProcessInfo says of one process; its pid is 7 when it is in a state that has one.
pub(crate) fn info(group: &str, name: &str, state: i64, statename: &str, text: &str) -> Value {
    let pid = if [10, 20, 40].contains(&state) { 7 } else { 0 };
    record(
        &[("group", group), ("name", name), ("statename", statename), ("description", text)],
        &[("state", state), ("pid", pid)],
    )
}

/// One of several results.
pub(crate) fn result(group: &str, name: &str, status: i64, text: &str) -> Value {
    record(&[("group", group), ("name", name), ("description", text)], &[("status", status)])
}
