//! `reread`, `update`, `add` and `remove`: from the configuration to what runs.

use std::collections::BTreeMap;

use super::names::{self, list, text};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::{FaultCode, Value};

/// What reloadConfig found: names of groups.
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

/// Has the configuration read again, and shows what an update would change.
///
/// # Errors
///
/// The server's.
pub fn reread(session: &mut Session<'_>) -> Result<(), CallError> {
    let changes = match changes(session) {
        Ok(changes) => changes,
        Err(CallError::Fault(fault)) => {
            let line = match FaultCode::from_number(fault.code) {
                Some(FaultCode::ShutdownState) => "ERROR: supervisor shutting down".to_owned(),
                Some(FaultCode::CantReread) => {
                    session.say_lines(&format!("ERROR: {}", fault.text));
                    session.exit = outcome::FAILED;
                    return Ok(());
                }
                _ => return Err(CallError::Fault(fault)),
            };
            session.fail(&line, outcome::FAILED);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut lines = BTreeMap::new();
    for (names, word) in [
        (changes.added, "available"),
        (changes.changed, "changed"),
        (changes.removed, "disappeared"),
    ] {
        lines.extend(names.into_iter().map(|name| (name, word)));
    }
    if lines.is_empty() {
        session.say("No config updates to processes");
    }
    for (name, word) in lines {
        session.say(&format!("{name}: {word}"));
    }
    Ok(())
}

/// Has the configuration read again, and carries out what changed, of these groups or of all.
///
/// Everything goes over one connection: a server of ours then restarts of a changed group only the
/// processes that changed.
///
/// # Errors
///
/// The server's.
pub fn update(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    let changes = match changes(session) {
        Err(error) if error.fault() == Some(FaultCode::ShutdownState) => {
            session.fail("ERROR: already shutting down", outcome::FAILED);
            return Ok(());
        }
        answer => answer?,
    };
    let names = if names::all(names) { &[] } else { names };
    if !names.is_empty() {
        complain_of_unknown(session, names, &changes.added)?;
    }
    let meant = |group: &&String| names.is_empty() || names.contains(group);
    for group in changes.removed.iter().filter(meant) {
        let results = stop(session, group)?;
        if failed(results)? {
            let line = format!("{group}: has problems; not removing");
            session.fail(&line, outcome::FAILED);
            continue;
        }
        session.call("removeProcessGroup", &[group.as_str().into()])?;
        session.say(&format!("{group}: removed process group"));
    }
    for group in changes.changed.iter().filter(meant) {
        stop(session, group)?;
        session.call("removeProcessGroup", &[group.as_str().into()])?;
        session.call("addProcessGroup", &[group.as_str().into()])?;
        session.say(&format!("{group}: updated process group"));
    }
    for group in changes.added.iter().filter(meant) {
        session.call("addProcessGroup", &[group.as_str().into()])?;
        session.say(&format!("{group}: added process group"));
    }
    Ok(())
}

/// Makes groups of the configuration active.
///
/// # Errors
///
/// The server's, other than those of single groups.
pub fn add(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    for name in names {
        let answer = session.call("addProcessGroup", &[name.as_str().into()]);
        let Err(error) = answer else {
            session.say(&format!("{name}: added process group"));
            continue;
        };
        match error.fault() {
            // As supervisorctl has it, this is no failure.
            Some(FaultCode::AlreadyAdded) => session.say("ERROR: process group already active"),
            Some(FaultCode::ShutdownState) => {
                session.fail("ERROR: shutting down", outcome::FAILED);
            }
            Some(FaultCode::BadName) => no_such(session, name),
            _ => return Err(error),
        }
    }
    Ok(())
}

/// Makes the server forget groups whose processes have all ended.
///
/// # Errors
///
/// The server's, other than those of single groups.
pub fn remove(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    for name in names {
        let answer = session.call("removeProcessGroup", &[name.as_str().into()]);
        let Err(error) = answer else {
            session.say(&format!("{name}: removed process group"));
            continue;
        };
        match error.fault() {
            Some(FaultCode::StillRunning) => {
                let line = format!("ERROR: process/group still running: {name}");
                session.fail(&line, outcome::FAILED);
            }
            Some(FaultCode::BadName) => no_such(session, name),
            _ => return Err(error),
        }
    }
    Ok(())
}

fn no_such(session: &mut Session<'_>, name: &str) {
    session.fail(&format!("ERROR: no such process/group: {name}"), outcome::FAILED);
}

fn changes(session: &mut Session<'_>) -> Result<Changes, CallError> {
    let answer = list(session.call("reloadConfig", &[])?)?;
    let three = answer.into_iter().next().unwrap_or(Value::Nil);
    let mut three = list(three)?.into_iter().map(|group| {
        let name = |value: Value| match value {
            Value::Text(name) => Ok(name),
            _ => Err(CallError::Garbled("the name of a group is no string".to_owned())),
        };
        list(group)?.into_iter().map(name).collect::<Result<Vec<_>, _>>()
    });
    let mut next = || {
        let missing = || CallError::Garbled("reloadConfig gave fewer than three lists".to_owned());
        three.next().unwrap_or_else(|| Err(missing()))
    };
    Ok(Changes { added: next()?, changed: next()?, removed: next()? })
}

/// A group that is new is not active yet, but known.
fn complain_of_unknown(
    session: &mut Session<'_>,
    names: &[String],
    added: &[String],
) -> Result<(), CallError> {
    let infos = list(session.call("getAllProcessInfo", &[])?)?;
    let active = infos.iter().map(|info| text(info, "group")).collect::<Result<Vec<_>, _>>()?;
    let mut told: Vec<&String> = Vec::new();
    for name in names {
        if !active.contains(&name.as_str()) && !added.contains(name) && !told.contains(&name) {
            session.fail(&format!("ERROR: no such group: {name}"), outcome::FAILED);
            told.push(name);
        }
    }
    Ok(())
}

fn stop(session: &mut Session<'_>, group: &str) -> Result<Value, CallError> {
    session.server.announce(&format!("{group} to stop"));
    let results = session.call("stopProcessGroup", &[group.into()])?;
    session.server.announce("");
    session.say(&format!("{group}: stopped"));
    Ok(results)
}

/// Whether a process of the group could not be stopped.
fn failed(results: Value) -> Result<bool, CallError> {
    let failed = i64::from(FaultCode::Failed.number());
    let statuses = list(results)?
        .iter()
        .map(|result| names::number(result, "status"))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(statuses.contains(&failed))
}

#[cfg(test)]
mod tests;
