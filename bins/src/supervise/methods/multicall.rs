//! `system.multicall`: one call after the other, each begun when the one before is answered.

use std::collections::VecDeque;

use super::{Answer, Caller, Supervisor, Waiting, dispatch, system};
use crate::supervise::machine::types::ProcId;
use crate::supervise::rpc::{Call, Fault, FaultCode, Value};

/// The calls that were asked for.
#[derive(Debug)]
pub(super) struct Multicall {
    left: VecDeque<Result<Call, Fault>>,
    current: Option<Box<Waiting>>,
    results: Vec<Result<Value, Fault>>,
    /// What the results take.
    size: usize,
}

/// What all results may take together, in bytes: a short list of calls can ask for a lot of logs.
const MOST: usize = 16 * 1024 * 1024;

/// `system.multicall`
pub(super) fn multicall(
    world: &mut dyn Supervisor,
    caller: &mut Caller,
    params: &[Value],
) -> Result<Answer, Fault> {
    let left = system::multicall(params)?.into();
    let mut calls = Multicall { left, current: None, results: Vec::new(), size: 0 };
    Ok(match calls.go_on(world, caller) {
        Some(value) => value.into(),
        None => Answer::Later(Waiting::calls(calls)),
    })
}

impl Multicall {
    /// Makes calls until one has to wait, or all are answered.
    fn go_on(&mut self, world: &mut dyn Supervisor, caller: &mut Caller) -> Option<Value> {
        while let Some(call) = self.left.pop_front() {
            let room = if self.size < MOST { Ok(()) } else { Err(too_much()) };
            let answer = room.and(call).and_then(|call| dispatch::dispatch(world, caller, &call));
            match answer.unwrap_or_else(|fault| Answer::Now(Err(fault))) {
                Answer::Now(result) => self.keep(result),
                Answer::Later(waiting) => {
                    self.current = Some(Box::new(waiting));
                    return None;
                }
            }
        }
        Some(system::multicall_answer(std::mem::take(&mut self.results)))
    }

    fn keep(&mut self, result: Result<Value, Fault>) {
        self.size = self.size.saturating_add(result.as_ref().map_or(0, size));
        self.results.push(result);
    }

    pub(super) fn changed(
        &mut self,
        world: &mut dyn Supervisor,
        caller: &mut Caller,
        changed: &[ProcId],
    ) -> Option<Value> {
        if let Some(waiting) = &mut self.current {
            let result = waiting.changed(world, caller, changed)?;
            self.keep(result);
            self.current = None;
        }
        self.go_on(world, caller)
    }

    pub(super) fn concerns(&self, id: ProcId) -> bool {
        self.current.as_ref().is_some_and(|waiting| waiting.concerns(id))
    }
}

fn too_much() -> Fault {
    FaultCode::Failed
        .with("the calls before this one have answered as much as goes into one answer")
}

/// About what a value takes.
fn size(value: &Value) -> usize {
    let within = match value {
        Value::Text(text) | Value::Date(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum()
        }
        Value::Int(_) | Value::Bool(_) | Value::Double(_) | Value::Nil => 0,
    };
    within.saturating_add(size_of::<Value>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::methods::fake::Fake;

    #[test]
    fn an_answer_has_an_end() {
        let mut fake = Fake::running("[program:a]\ncommand=/a\n");
        let call = |method: &str| Ok(Call { method: method.to_owned(), params: Vec::new() });
        let mut calls = Multicall {
            left: ["supervisor.getPID", "supervisor.getPID", "supervisor.shutdown"]
                .map(call)
                .into(),
            current: None,
            results: Vec::new(),
            size: MOST - 1,
        };
        let results = calls.go_on(&mut fake, &mut Caller::default()).unwrap();
        let Some([Value::Int(42), fault, other]) = results.as_array() else {
            panic!("{results:?}")
        };
        assert_eq!(fault.member("faultCode"), Some(&Value::Int(30)));
        assert_eq!(fault, other, "which is not done, either");
        assert_eq!(fake.mood(), crate::supervise::machine::types::Mood::Running);
    }

    #[test]
    fn what_is_within_a_value_counts() {
        let text = Value::Text("x".repeat(1000));
        let nested = Value::Array(vec![Value::of_members([("log", text.clone())]), text]);
        assert!((2000..2400).contains(&size(&nested)), "{}", size(&nested));
    }
}
