//! `pid` and `stat`: the processes as the system knows them.

use super::names::{self, list, number};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::{FaultCode, Value};

/// Shows process IDs, 0 for what does not run; without names, the server's.
///
/// # Errors
///
/// The server's, other than those about single names.
pub fn pid(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    if names.is_empty() {
        let Value::Int(pid) = session.call("getPID", &[])? else {
            return Err(CallError::Garbled("getPID gave no number".to_owned()));
        };
        session.say(&pid.to_string());
        return Ok(());
    }
    if names::all(names) {
        for info in list(session.call("getAllProcessInfo", &[])?)? {
            session.say(&number(&info, "pid")?.to_string());
        }
        return Ok(());
    }
    for name in names {
        match session.call("getProcessInfo", &[name.as_str().into()]) {
            Ok(info) => {
                let pid = number(&info, "pid")?;
                session.say(&pid.to_string());
                if pid == 0 {
                    session.exit = outcome::DEAD;
                }
            }
            Err(error) if error.fault() == Some(FaultCode::BadName) => {
                session.fail(&format!("No such process {name}"), outcome::FAILED);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says `alive` of a process that exists, `dead` of one that does not, and `unknown` of a name that
/// is not known, as CPAN Supervisor's client does; of several with their names.
///
/// # Errors
///
/// The server's, other than those about single names.
pub fn stat(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if !session.upcheck()? {
        session.exit = outcome::UNKNOWN;
        return Ok(());
    }
    let infos = list(session.call("getAllProcessInfo", &[])?)?;
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        let (group, process) = names::split(name);
        for info in &infos {
            let (of, own) = (names::text(info, "group")?, names::text(info, "name")?);
            if name == "all" || of == group && process.is_none_or(|name| name == own) {
                found.push((names::join(of, own), Some(number(info, "pid")? != 0)));
            }
        }
        if found.len() == before && name != "all" {
            found.push((name.clone(), None));
        }
    }
    let alone = matches!(names, [name] if name != "all" && names::split(name).1.is_some());
    for (name, alive) in &found {
        let word = match alive {
            Some(true) => "alive",
            Some(false) => "dead",
            None => "unknown",
        };
        session.say(&if alone { word.to_owned() } else { format!("{name}: {word}") });
    }
    if found.iter().any(|(_, alive)| *alive == Some(false)) {
        session.exit = outcome::NOT_RUNNING;
    } else if found.iter().any(|(_, alive)| alive.is_none()) {
        session.exit = outcome::UNKNOWN;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, run, words};
    use super::*;

    #[test]
    fn pids_are_lines() {
        let script = || Script::default().up();
        let one = |state| info("w", "w", state, "X", "");
        for (mut script, names, text, exit) in [
            (script().answers("getPID", 42.into()), "", "42\n", 0),
            (script().answers("getProcessInfo", one(20)), "w", "7\n", 0),
            (
                script().answers("getProcessInfo", one(0)).answers("getProcessInfo", one(20)),
                "w w",
                "0\n7\n",
                7,
            ),
            (script().faults("getProcessInfo", 10, "BAD_NAME"), "x", "No such process x\n", 1),
            (
                script().answers("getAllProcessInfo", Value::Array(vec![one(20), one(0)])),
                "all",
                "7\n0\n",
                0,
            ),
        ] {
            let said = run(&mut script, |session| pid(session, &words(names)));
            assert_eq!(said, (text.to_owned(), exit), "{names}");
            script.done();
        }
    }

    #[test]
    fn stat_says_whether_there_is_a_process() {
        let infos = || {
            let web = |name, state| info("web", name, state, "X", "");
            Value::Array(vec![web("a", 20), web("b", 30), info("w", "w", 40, "X", "")])
        };
        for (names, text, exit) in [
            ("w", "alive\n", 0),
            ("web:a", "alive\n", 0),
            ("web:b", "dead\n", 3),
            ("x", "unknown\n", 4),
            ("w x", "w: alive\nx: unknown\n", 4),
            ("x web:*", "x: unknown\nweb:a: alive\nweb:b: dead\n", 3),
            ("all", "web:a: alive\nweb:b: dead\nw: alive\n", 3),
        ] {
            let mut script = Script::default().up().answers("getAllProcessInfo", infos());
            let said = run(&mut script, |session| stat(session, &words(names)));
            assert_eq!(said, (text.to_owned(), exit), "{names}");
        }
        let mut none = Script::default().refuses();
        assert_eq!(run(&mut none, |session| stat(session, &words("w"))).1, 4);
    }
}
