//! `signal`, `kill` and `reload` of programs.

use super::names::{self, list, namespec, number};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use super::start_stop::{Deed, SIGNAL_FAILURES};
use crate::supervise::rpc::{FaultCode, Value};

/// The states of a process that can be signalled: STARTING, RUNNING, STOPPING.
const SIGNALLABLE: [i64; 3] = [10, 20, 40];

const SIGNAL: Deed = Deed {
    one: "signalProcess",
    group: "signalProcessGroup",
    all: "signalAllProcesses",
    verb: "be signalled",
    done: "signalled",
    harmless: None,
    no_group: outcome::FAILED,
    failures: SIGNAL_FAILURES,
};

/// A deed that supervisord has no method for.
struct Own {
    /// Ours.
    method: &'static str,
    /// What a supervisord can do instead.
    signal: &'static str,
    /// The word for success.
    done: &'static str,
}

/// Sends a signal.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn signal(session: &mut Session<'_>, signal: &str, names: &[String]) -> Result<(), CallError> {
    if session.upcheck()? { SIGNAL.apply(session, names, &[signal.into()]) } else { Ok(()) }
}

/// Sends KILL.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn kill(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    let own = Own { method: "supervise.killProcess", signal: "KILL", done: "killed" };
    own.apply(session, names)
}

/// Sends the signal that makes a program read its configuration again, which a program of ours has
/// as `reloadsignal=`, and is HUP for a supervisord.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn reload(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    let own = Own { method: "supervise.reloadProcess", signal: "HUP", done: "reloaded" };
    own.apply(session, names)
}

impl Own {
    fn apply(&self, session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
        if !session.upcheck()? {
            return Ok(());
        }
        let deed = Deed { done: self.done, ..SIGNAL };
        let mut known = true;
        for name in self.members(session, names)? {
            let mut result = Ok(Value::Nil);
            if known {
                result = session.server.call(self.method, &[name.as_str().into()]);
                let unknown = |error: &CallError| error.fault() == Some(FaultCode::UnknownMethod);
                known = !result.as_ref().is_err_and(unknown);
            }
            if !known {
                let params = [name.as_str().into(), self.signal.into()];
                result = session.call("signalProcess", &params);
            }
            deed.tell_result(session, &name, result)?;
        }
        Ok(())
    }

    /// The processes that are named, a group by those of its processes that can be signalled.
    fn members(
        &self,
        session: &mut Session<'_>,
        names: &[String],
    ) -> Result<Vec<String>, CallError> {
        let all = names::all(names);
        if !all && names.iter().all(|name| names::split(name).1.is_some()) {
            return Ok(names.to_vec());
        }
        let infos = list(session.call("getAllProcessInfo", &[])?)?;
        let mut members = Vec::new();
        let everything = ["all".to_owned()];
        for name in if all { &everything } else { names } {
            let (group, process) = names::split(name);
            if !all && process.is_some() {
                members.push(name.clone());
                continue;
            }
            let mut there = all;
            for info in &infos {
                if !all && names::text(info, "group")? != group {
                    continue;
                }
                there = true;
                if SIGNALLABLE.contains(&number(info, "state")?) {
                    members.push(namespec(info)?);
                }
            }
            if !there {
                session.fail(&format!("{group}: ERROR (no such group)"), outcome::FAILED);
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, result, run, words};
    use super::*;

    #[test]
    fn a_signal_goes_to_one_to_a_group_or_to_all() {
        for (names, method, answer, call) in [
            ("w", "signalProcess", true.into(), "signalProcess('w', 'HUP')"),
            (
                "g:*",
                "signalProcessGroup",
                Value::Array(vec![result("w", "w", 80, "OK")]),
                "signalProcessGroup('g', 'HUP')",
            ),
            (
                "all",
                "signalAllProcesses",
                Value::Array(vec![result("w", "w", 80, "OK")]),
                "signalAllProcesses('HUP')",
            ),
        ] {
            let mut script = Script::default().up().answers(method, answer);
            let said = run(&mut script, |session| signal(session, "HUP", &words(names)));
            assert_eq!(said, ("w: signalled\n".to_owned(), 0));
            assert_eq!(script.calls.last().unwrap(), call);
        }
    }

    #[test]
    fn what_does_not_run_cannot_be_signalled() {
        for (code, text, exit) in
            [(70, "not running", 7), (11, "bad signal name", 1), (10, "no such process", 1)]
        {
            let mut script = Script::default().up().faults("signalProcess", code, "X");
            let said = run(&mut script, |session| signal(session, "HUP", &words("w")));
            assert_eq!(said, (format!("w: ERROR ({text})\n"), exit));
        }
    }

    #[test]
    fn a_reload_is_ours_or_hup() {
        let mut script = Script::default()
            .up()
            .answers("supervise.reloadProcess", true.into())
            .faults("supervise.reloadProcess", 70, "NOT_RUNNING");
        let said = run(&mut script, |session| reload(session, &words("a b")));
        assert_eq!(said, ("a: reloaded\nb: ERROR (not running)\n".to_owned(), 7));

        let mut script = Script::default()
            .up()
            .faults("supervise.reloadProcess", 1, "UNKNOWN_METHOD")
            .answers("signalProcess", true.into())
            .answers("signalProcess", true.into());
        let said = run(&mut script, |session| reload(session, &words("a b")));
        assert_eq!(said, ("a: reloaded\nb: reloaded\n".to_owned(), 0));
        assert_eq!(
            script.calls,
            [
                "getVersion()",
                "supervise.reloadProcess('a')",
                "signalProcess('a', 'HUP')",
                "signalProcess('b', 'HUP')"
            ]
        );
    }

    #[test]
    fn a_group_is_killed_as_far_as_it_runs() {
        let infos = || {
            Value::Array(vec![
                info("g", "a", 20, "RUNNING", ""),
                info("g", "b", 0, "STOPPED", ""),
                info("w", "w", 40, "STOPPING", ""),
            ])
        };
        for (names, lines, exit) in [
            ("g:*", "g:a: killed\n", 0),
            ("all", "g:a: killed\nw: killed\n", 0),
            ("w g:* no:*", "no: ERROR (no such group)\nw: killed\ng:a: killed\n", 1),
        ] {
            let mut script = Script::default().up().answers("getAllProcessInfo", infos());
            for _ in 0..lines.matches("killed").count() {
                script = script.answers("supervise.killProcess", true.into());
            }
            let said = run(&mut script, |session| kill(session, &words(names)));
            assert_eq!(said, (lines.to_owned(), exit), "{names}");
            script.done();
        }
    }
}
