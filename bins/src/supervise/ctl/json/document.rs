//! The document of each action, from the answers of the server.

use super::super::args::Action;
use super::super::names::{join, split};
use super::super::outcome;
use super::record::Record;
use crate::supervise::rpc::{Fault, FaultCode, Value, name_of};

/// The document of `action`: `errors` are the lines of `text` that tell of failures, `failure` is what
/// ended the command before its time.
pub(super) fn of(
    action: &Action,
    records: &[Record],
    text: &str,
    errors: &[String],
    failure: Option<String>,
    exit: u8,
) -> Value {
    let answer = |method: &str| {
        let found = records.iter().rev().find(|record| record.method == method);
        found.and_then(|record| record.answer.as_ref().ok())
    };
    let one = |name: &'static str, method: &str| {
        answer(method).map(|value| Value::of_members([(name, value.clone())]))
    };
    let list = |method: &str| {
        answer(method).and_then(Value::as_array).map(|values| Value::Array(values.to_vec()))
    };
    // Whoever was asked may have said no.
    let done =
        |is: bool| (is || exit == outcome::OK).then(|| Value::of_members([("ok", is.into())]));
    let document = match action {
        Action::Status(names) => list("getAllProcessInfo").map(|all| named(&all, names)),
        Action::Open(_) => list("getAllProcessInfo"),
        Action::Stat(names) => {
            list("getAllProcessInfo").map(|all| each(&named(&all, names), alive))
        }
        Action::Pid(names) if names.is_empty() => one("pid", "getPID"),
        Action::Pid(_) => pids(records),
        Action::Tail { name, stream, .. } => {
            let log = answer("readProcessStdoutLog").or_else(|| answer("readProcessStderrLog"));
            log.map(|log| {
                let stream = stream.name().into();
                Value::of_members([
                    ("name", name.as_str().into()),
                    ("stream", stream),
                    ("log", log.clone()),
                ])
            })
        }
        Action::MainTail(_) => one("log", "readLog"),
        Action::Reread => answer("reloadConfig").map(|changes| Value::of_members(groups(changes))),
        Action::Update(_) => answer("reloadConfig").map(|changes| {
            let rows = Value::Array(rows(action, records));
            Value::of_members(groups(changes).into_iter().chain([("results", rows)]))
        }),
        Action::Avail => list("getAllConfigInfo"),
        Action::Version => one("version", "getSupervisorVersion"),
        Action::Shutdown => done(answer("shutdown").is_some()),
        Action::Reload(names) if names.is_empty() => done(answer("restart").is_some()),
        Action::Help(_) | Action::Completions(_) | Action::Exit if exit == outcome::OK => {
            Some(Value::of_members([("text", text.into())]))
        }
        _ => {
            let rows = rows(action, records);
            let asked = |record: &Record| record.answer.is_ok() && record.method != "getVersion";
            let something = !rows.is_empty() || records.iter().any(asked);
            (something || (errors.is_empty() && failure.is_none())).then_some(Value::Array(rows))
        }
    };
    with_errors(document, errors, failure)
}

/// The document with what went wrong and is not in it yet: as elements of an array, as a member of an
/// object, or alone.
fn with_errors(document: Option<Value>, errors: &[String], failure: Option<String>) -> Value {
    let rows = match &document {
        Some(Value::Array(rows)) => rows.as_slice(),
        Some(object) => object.member("results").and_then(Value::as_array).unwrap_or_default(),
        None => &[],
    };
    let said = |error: &&String| rows.iter().any(|row| tells(row, error));
    let mut left: Vec<String> = errors.iter().filter(|error| !said(error)).cloned().collect();
    if let Some(failure) = failure {
        left = vec![failure];
    }
    let alone = |text: &String| Value::of_members([("error", text.as_str().into())]);
    match document {
        Some(document) if left.is_empty() => document,
        Some(Value::Array(mut rows)) => {
            rows.extend(left.iter().map(alone));
            Value::Array(rows)
        }
        Some(Value::Struct(mut members)) => {
            members.push(("error".to_owned(), left.join("; ").into()));
            Value::Struct(members)
        }
        None if left.is_empty() => alone(&"nothing was done".to_owned()),
        _ => alone(&left.join("; ")),
    }
}

/// Whether a result tells of what this line does.
fn tells(row: &Value, line: &str) -> bool {
    let text = |name| row.member(name).and_then(Value::as_text);
    let odd = text("status").is_some_and(|status| status != FaultCode::Success.name());
    let Some(group) = text("group") else { return false };
    let label = text("name").map_or_else(|| group.to_owned(), |name| join(group, name));
    odd && line.contains(&label)
}

/// Those of an array of processes that are named, in the order of the names.
fn named(all: &Value, names: &[String]) -> Value {
    let all = all.as_array().unwrap_or_default();
    if names.is_empty() || names.iter().any(|name| name == "all") {
        return Value::Array(all.to_vec());
    }
    let of = |name: &String| {
        let (group, process) = split(name);
        let text = |info: &Value, member, expected: &str| {
            info.member(member).and_then(Value::as_text) == Some(expected)
        };
        let fits = |info: &&Value| {
            text(info, "group", group) && process.is_none_or(|name| text(info, "name", name))
        };
        all.iter().filter(fits).cloned().collect::<Vec<_>>()
    };
    Value::Array(names.iter().flat_map(of).collect())
}

fn each(values: &Value, of: fn(&Value) -> Value) -> Value {
    Value::Array(values.as_array().unwrap_or_default().iter().map(of).collect())
}

fn copied(info: &Value, name: &str) -> Value {
    info.member(name).cloned().unwrap_or(Value::Nil)
}

fn alive(info: &Value) -> Value {
    let alive = info.member("pid").and_then(Value::as_int).unwrap_or_default() != 0;
    Value::of_members([
        ("name", copied(info, "name")),
        ("group", copied(info, "group")),
        ("alive", alive.into()),
        ("statename", copied(info, "statename")),
    ])
}

fn pid(info: &Value) -> Value {
    let members = ["name", "group", "pid"];
    Value::of_members(members.map(|name| (name, copied(info, name))))
}

/// `None` when nothing was asked that could tell.
fn pids(records: &[Record]) -> Option<Value> {
    let mut asked = false;
    let mut pids = Vec::new();
    for record in records {
        match (record.method.as_str(), &record.answer) {
            ("getAllProcessInfo", Ok(infos)) => {
                asked = true;
                pids.extend(infos.as_array().unwrap_or_default().iter().map(pid));
            }
            ("getProcessInfo", answer) => {
                asked = true;
                pids.extend(answer.as_ref().ok().map(pid));
            }
            _ => {}
        }
    }
    asked.then_some(Value::Array(pids))
}

/// What reloadConfig says: three lists of groups, in an array, in an array.
fn groups(changes: &Value) -> [(&'static str, Value); 3] {
    let three = changes.as_array().and_then(<[Value]>::first).and_then(Value::as_array);
    let list = |at: usize| {
        let found = three.and_then(|three| three.get(at)).cloned();
        found.unwrap_or_else(|| Value::Array(Vec::new()))
    };
    [("added", list(0)), ("changed", list(1)), ("removed", list(2))]
}

/// What became of each process or group that something was done to.
fn rows(action: &Action, records: &[Record]) -> Vec<Value> {
    let mut rows = Vec::new();
    for record in records {
        let Some(did) = did(record) else { continue };
        let did = match action {
            // Sent as a plain signal where the server knows nothing better.
            Action::Kill(_) => "kill",
            Action::Reload(_) => "reload",
            _ => did,
        };
        match &record.answer {
            Ok(Value::Array(results)) => rows.extend(results.iter().map(|result| {
                let status = result.member("status").and_then(Value::as_int).unwrap_or_default();
                let status = i32::try_from(status).unwrap_or_default();
                let text = copied(result, "description");
                row(did, copied(result, "group"), copied(result, "name"), status, text)
            })),
            Ok(_) => rows.extend(named_row(did, record, FaultCode::Success.number(), "OK")),
            Err(Fault { code, text }) => rows.extend(named_row(did, record, *code, text)),
        }
    }
    rows
}

/// What a method does; `None` for one that only asks.
fn did(record: &Record) -> Option<&'static str> {
    let method = record.method.as_str();
    let verbs = [
        ("start", "start"),
        ("stop", "stop"),
        ("signal", "signal"),
        ("clear", "clear"),
        ("addProcess", "add"),
        ("removeProcess", "remove"),
        ("reloadProcess", "reload"),
        ("killProcess", "kill"),
        ("replaceProcess", "replace"),
    ];
    verbs.iter().find(|(begin, _)| method.starts_with(begin)).map(|(_, did)| *did)
}

/// The result of a call about what its first parameter names; a call about all has none.
fn named_row(did: &'static str, record: &Record, status: i32, text: &str) -> Option<Value> {
    let name = record.params.first().and_then(Value::as_text)?;
    let (group, process) = match record.method.ends_with("Group") && !record.own {
        true => (name, None),
        false => split(name),
    };
    let process = process.map_or(Value::Nil, Value::from);
    Some(row(did, group.into(), process, status, text.into()))
}

fn row(did: &'static str, group: Value, name: Value, status: i32, description: Value) -> Value {
    let harmless = match did {
        "start" => Some(FaultCode::AlreadyStarted),
        "stop" => Some(FaultCode::NotRunning),
        "add" => Some(FaultCode::AlreadyAdded),
        _ => None,
    };
    let code = FaultCode::from_number(status);
    let ok = code == Some(FaultCode::Success) || code.is_some() && code == harmless;
    Value::of_members([
        ("action", did.into()),
        ("name", name),
        ("group", group),
        ("ok", ok.into()),
        ("status", name_of(status).into()),
        ("description", description),
    ])
}
