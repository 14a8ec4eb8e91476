//! `clear`: empties logs.

use super::names::{self, Outcome, outcomes};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::{Fault, FaultCode};

/// Empties both logs of each process.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn clear(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    if names::all(names) {
        session.server.announce("the logs of all programs to be cleared");
        let answer = session.call("clearAllProcessLogs", &[])?;
        return outcomes(answer)?.iter().try_for_each(|one| tell(session, one));
    }
    for name in names {
        let (status, description) = match session.call("clearProcessLogs", &[name.as_str().into()])
        {
            Ok(_) => (FaultCode::Success.number(), String::new()),
            Err(CallError::Fault(Fault { code, text })) => (code, text),
            Err(error) => return Err(error),
        };
        let (group, process) = names::split(name);
        let name = process.map_or_else(|| name.clone(), |process| names::join(group, process));
        tell(session, &Outcome { name, status, description })?;
    }
    Ok(())
}

fn tell(session: &mut Session<'_>, one: &Outcome) -> Result<(), CallError> {
    let Outcome { name, status, description } = one;
    let text = match FaultCode::from_number(*status) {
        Some(FaultCode::Success) => {
            session.say(&format!("{name}: cleared"));
            return Ok(());
        }
        Some(FaultCode::BadName) => "no such process",
        Some(FaultCode::Failed) => "failed",
        Some(FaultCode::ShutdownState | FaultCode::UnknownMethod) => {
            return Err(CallError::Fault(Fault::new(*status, description.as_str())));
        }
        _ => description,
    };
    session.fail(&format!("{name}: ERROR ({text})"), outcome::FAILED);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, result, run, words};
    use super::*;
    use crate::supervise::rpc::Value;

    #[test]
    fn each_outcome_has_its_line() {
        let mut script = Script::default()
            .up()
            .answers("clearProcessLogs", true.into())
            .faults("clearProcessLogs", 30, "FAILED: web:w")
            .faults("clearProcessLogs", 10, "BAD_NAME: x")
            .faults("clearProcessLogs", 10, "BAD_NAME: g:*");
        let said = run(&mut script, |session| clear(session, &words("w:w web:w x g:*")));
        let lines = "w: cleared\nweb:w: ERROR (failed)\nx: ERROR (no such process)\n\
                     g:*: ERROR (no such process)\n";
        assert_eq!(said, (lines.to_owned(), 1));
    }

    #[test]
    fn all_is_one_call() {
        let results = vec![result("w", "w", 80, "OK"), result("g", "a", 80, "OK")];
        let mut script =
            Script::default().up().answers("clearAllProcessLogs", Value::Array(results));
        let said = run(&mut script, |session| clear(session, &words("w all")));
        assert_eq!(said, ("w: cleared\ng:a: cleared\n".to_owned(), 0));
        let mut script = Script::default().up().faults("clearAllProcessLogs", 6, "SHUTDOWN_STATE");
        let said = run(&mut script, |session| clear(session, &words("all")));
        assert_eq!(said, ("error: the server is shutting down\n".to_owned(), 1));
    }
}
