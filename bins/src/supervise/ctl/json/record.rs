//! A server that takes down what it answers.

use super::super::server::{CallError, Follow, Server};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// A call, and what came of it as far as the server said anything.
#[derive(Debug)]
pub(super) struct Record {
    /// Without the namespace: `startProcess`.
    pub(super) method: String,
    /// `supervise.` rather than `supervisor.`.
    pub(super) own: bool,
    pub(super) params: Vec<Value>,
    pub(super) answer: Result<Value, Fault>,
}

/// A server in front of another one.
pub(super) struct Recorder<'s> {
    inner: &'s mut dyn Server,
    /// Ask for all that is known of processes where the server has more than supervisord.
    full: bool,
    pub(super) records: Vec<Record>,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(inner: &'s mut dyn Server, full: bool) -> Self {
        Self { inner, full, records: Vec::new() }
    }
}

impl Server for Recorder<'_> {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, CallError> {
        let mut answer = match self.full && method == "supervisor.getAllProcessInfo" {
            true => self.inner.call("supervise.getAllProcessStatus", params),
            false => self.inner.call(method, params),
        };
        let unknown = |error: &CallError| error.fault() == Some(FaultCode::UnknownMethod);
        if self.full
            && method == "supervisor.getAllProcessInfo"
            && answer.as_ref().is_err_and(unknown)
        {
            answer = self.inner.call(method, params);
        }
        let taken = match &answer {
            Ok(value) => Some(Ok(value.clone())),
            // Another method is tried then.
            Err(error) if unknown(error) => None,
            Err(CallError::Fault(fault)) => Some(Err(fault.clone())),
            Err(_) => None,
        };
        let (namespace, name) = method.split_once('.').unwrap_or(("", method));
        self.records.extend(taken.map(|answer| Record {
            method: name.to_owned(),
            own: namespace == "supervise",
            params: params.to_vec(),
            answer,
        }));
        answer
    }

    fn announce(&mut self, what: &str) {
        self.inner.announce(what);
    }

    fn follow(&mut self, path: &str) -> Result<Box<dyn Follow>, CallError> {
        self.inner.follow(path)
    }

    fn login(&mut self, username: String, password: String) {
        self.inner.login(username, password);
    }

    fn open(&mut self, url: &str) -> Result<(), String> {
        self.inner.open(url)
    }
}
