//! `start`, `stop` and `restart`.

use super::names::{self, Outcome, outcomes};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// What is done to processes, each to one, to a group, or to all.
pub(crate) struct Deed {
    /// `startProcess`
    pub(crate) one: &'static str,
    /// `startProcessGroup`
    pub(crate) group: &'static str,
    /// `startAllProcesses`
    pub(crate) all: &'static str,
    /// What is waited for: `x to start`.
    pub(crate) verb: &'static str,
    /// The word for success.
    pub(crate) done: &'static str,
    /// The fault that says that there was nothing to do, where that is no failure.
    pub(crate) harmless: Option<FaultCode>,
    /// The exit code for a group that does not exist.
    pub(crate) no_group: u8,
    /// What failures are called.
    pub(crate) failures: &'static [(FaultCode, &'static str)],
}

const START: Deed = Deed {
    one: "startProcess",
    group: "startProcessGroup",
    all: "startAllProcesses",
    verb: "start",
    done: "started",
    harmless: Some(FaultCode::AlreadyStarted),
    no_group: outcome::USAGE,
    failures: &[
        (FaultCode::BadName, "no such process"),
        (FaultCode::NoFile, "no such file"),
        (FaultCode::NotExecutable, "file is not executable"),
        (FaultCode::AlreadyStarted, "already started"),
        (FaultCode::SpawnError, "spawn error"),
        (FaultCode::AbnormalTermination, "abnormal termination"),
    ],
};

const STOP: Deed = Deed {
    one: "stopProcess",
    group: "stopProcessGroup",
    all: "stopAllProcesses",
    verb: "stop",
    done: "stopped",
    harmless: Some(FaultCode::NotRunning),
    no_group: outcome::FAILED,
    failures: SIGNAL_FAILURES,
};

/// What can be wrong with a signal.
pub(crate) const SIGNAL_FAILURES: &[(FaultCode, &str)] = &[
    (FaultCode::BadName, "no such process"),
    (FaultCode::BadSignal, "bad signal name"),
    (FaultCode::NotRunning, "not running"),
];

/// Starts processes and waits until they run.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn start(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if session.upcheck()? { START.apply(session, names, &[]) } else { Ok(()) }
}

/// Stops processes and waits until they have ended.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn stop(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if session.upcheck()? { STOP.apply(session, names, &[]) } else { Ok(()) }
}

/// Stops everything that is named, then starts it.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn restart(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    STOP.apply(session, names, &[])?;
    START.apply(session, names, &[])
}

impl Deed {
    /// Does it to all that is named, with more parameters behind the name.
    pub(crate) fn apply(
        &self,
        session: &mut Session<'_>,
        names: &[String],
        more: &[Value],
    ) -> Result<(), CallError> {
        if names::all(names) {
            session.server.announce(&format!("all programs to {}", self.verb));
            let answer = session.call(self.all, more)?;
            return outcomes(answer)?.iter().try_for_each(|one| self.tell(session, one));
        }
        for name in names {
            session.server.announce(&format!("{name} to {}", self.verb));
            let (group, process) = names::split(name);
            match process {
                None => self.apply_to_group(session, group, more)?,
                Some(process) => self.apply_to_one(session, name, group, process, more)?,
            }
        }
        session.server.announce("");
        Ok(())
    }

    fn apply_to_group(
        &self,
        session: &mut Session<'_>,
        group: &str,
        more: &[Value],
    ) -> Result<(), CallError> {
        match session.call(self.group, &with(group, more)) {
            Ok(answer) => outcomes(answer)?.iter().try_for_each(|one| self.tell(session, one)),
            Err(error) if error.fault() == Some(FaultCode::BadName) => {
                session.fail(&format!("{group}: ERROR (no such group)"), self.no_group);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn apply_to_one(
        &self,
        session: &mut Session<'_>,
        name: &str,
        group: &str,
        process: &str,
        more: &[Value],
    ) -> Result<(), CallError> {
        let result = session.call(self.one, &with(name, more));
        self.tell_result(session, &names::join(group, process), result)
    }

    /// A line about the call for one process.
    pub(crate) fn tell_result(
        &self,
        session: &mut Session<'_>,
        name: &str,
        result: Result<Value, CallError>,
    ) -> Result<(), CallError> {
        let (status, description) = match result {
            Ok(_) => (FaultCode::Success.number(), String::new()),
            Err(CallError::Fault(Fault { code, text })) => (code, text),
            Err(error) => return Err(error),
        };
        self.tell(session, &Outcome { name: name.to_owned(), status, description })
    }

    /// A line about one process, and what it means for the exit code.
    pub(crate) fn tell(&self, session: &mut Session<'_>, one: &Outcome) -> Result<(), CallError> {
        let Outcome { name, status, description } = one;
        let code = FaultCode::from_number(*status);
        let known = self.failures.iter().find(|(failure, _)| Some(*failure) == code);
        let line = match (known, code) {
            (_, Some(FaultCode::Success)) => format!("{name}: {}", self.done),
            (Some((_, text)), _) => format!("{name}: ERROR ({text})"),
            // Of a signal that could not be sent the server says all.
            (None, Some(FaultCode::Failed)) if self.one != START.one => description.clone(),
            (None, Some(FaultCode::ShutdownState | FaultCode::UnknownMethod)) => {
                return Err(CallError::Fault(Fault::new(*status, description.as_str())));
            }
            (None, _) => format!("{name}: ERROR ({description})"),
        };
        session.say(&line);
        match code {
            Some(FaultCode::Success) => {}
            code if code == self.harmless => {}
            Some(
                FaultCode::SpawnError | FaultCode::AbnormalTermination | FaultCode::NotRunning,
            ) => session.exit = outcome::DEAD,
            _ => session.exit = outcome::FAILED,
        }
        Ok(())
    }
}

fn with(name: &str, more: &[Value]) -> Vec<Value> {
    let mut params = vec![name.into()];
    params.extend_from_slice(more);
    params
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, result, run, words};
    use super::*;

    type Command = fn(&mut Session<'_>, &[String]) -> Result<(), CallError>;

    fn said(script: Script, command: Command, names: &str) -> (String, u8) {
        let mut script = script;
        let said = run(&mut script, |session| command(session, &words(names)));
        script.done();
        said
    }

    #[test]
    fn each_outcome_of_one_process_has_its_line_and_code() {
        for (command, method, code, line, exit) in [
            (start as Command, "startProcess", 10, "w: ERROR (no such process)", 1),
            (start, "startProcess", 20, "w: ERROR (no such file)", 1),
            (start, "startProcess", 21, "w: ERROR (file is not executable)", 1),
            (start, "startProcess", 40, "w: ERROR (abnormal termination)", 7),
            (start, "startProcess", 50, "w: ERROR (spawn error)", 7),
            (start, "startProcess", 60, "w: ERROR (already started)", 0),
            (start, "startProcess", 30, "w: ERROR (FAILED: why)", 1),
            (start, "startProcess", 6, "error: the server is shutting down", 1),
            (stop, "stopProcess", 10, "w: ERROR (no such process)", 1),
            (stop, "stopProcess", 70, "w: ERROR (not running)", 0),
            (stop, "stopProcess", 30, "FAILED: why", 1),
            (stop, "stopProcess", 6, "error: the server is shutting down", 1),
        ] {
            let script = Script::default().up().faults(method, code, "FAILED: why");
            assert_eq!(said(script, command, "w"), (format!("{line}\n"), exit), "{method} {code}");
        }
    }

    #[test]
    fn groups_and_all_are_one_call() {
        let results = || {
            Value::Array(vec![
                result("web", "w1", 80, "OK"),
                result("web", "w2", 50, "SPAWN_ERROR"),
                result("w", "w", 60, "ALREADY_STARTED"),
            ])
        };
        let lines = "web:w1: started\nweb:w2: ERROR (spawn error)\nw: ERROR (already started)\n";
        for (names, method, call, expected) in [
            ("web:*", "startProcessGroup", "startProcessGroup('web')", "web:* to start"),
            ("web:", "startProcessGroup", "startProcessGroup('web')", "web: to start"),
            ("web:* all", "startAllProcesses", "startAllProcesses()", "all programs to start"),
        ] {
            let mut script = Script::default().up().answers(method, results());
            let said = run(&mut script, |session| start(session, &words(names)));
            assert_eq!(said, (lines.to_owned(), 7));
            assert_eq!(script.calls, ["getVersion()", call]);
            assert_eq!(script.expected, [expected]);
        }
    }

    #[test]
    fn a_group_that_is_not_there_differs_in_its_code() {
        for (command, method, exit) in
            [(start as Command, "startProcessGroup", 2), (stop, "stopProcessGroup", 1)]
        {
            let script = Script::default().up().faults(method, 10, "BAD_NAME: no");
            let line = "no: ERROR (no such group)\n".to_owned();
            assert_eq!(said(script, command, "no:*"), (line, exit));
        }
    }

    #[test]
    fn the_last_failure_gives_the_code() {
        let script = || {
            let up = Script::default().up();
            up.faults("startProcess", 50, "SPAWN_ERROR").answers("startProcess", true.into())
        };
        assert_eq!(said(script(), start, "a b").1, 7);
        let script = script().faults("startProcess", 10, "BAD_NAME");
        assert_eq!(said(script, start, "a b c").1, 1);
    }

    #[test]
    fn a_restart_stops_all_before_it_starts_any() {
        let mut script = Script::default()
            .up()
            .answers("stopProcess", true.into())
            .faults("stopProcess", 70, "NOT_RUNNING: web:w1")
            .answers("startProcess", true.into())
            .answers("startProcess", true.into());
        let said = run(&mut script, |session| restart(session, &words("a web:w1")));
        let lines = "a: stopped\nweb:w1: ERROR (not running)\na: started\nweb:w1: started\n";
        assert_eq!(said, (lines.to_owned(), 0));
        assert_eq!(
            script.expected,
            ["a to stop", "web:w1 to stop", "a to start", "web:w1 to start"]
        );
    }

    #[test]
    fn without_a_server_nothing_is_called() {
        for command in [start as Command, stop, restart] {
            let refused = said(Script::default().refuses(), command, "a");
            assert_eq!(refused, ("unix:///s.sock refused connection\n".to_owned(), 4));
            let missing = said(Script::default().has_no_socket(), command, "a");
            assert_eq!(missing, ("unix:///s.sock no such file\n".to_owned(), 7));
        }
    }
}
