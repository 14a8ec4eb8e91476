//! `shutdown`, `reload` of the server itself, `version` and `open`.

use super::outcome;
use super::server::CallError;
use super::session::Session;
use super::status::status;
use crate::supervise::rpc::{FaultCode, Value};

/// Stops everything, the server included.
///
/// # Errors
///
/// The server's.
pub fn shutdown(session: &mut Session<'_>) -> Result<(), CallError> {
    if !sure(session, "Really shut the remote supervisord process down y/N? ") {
        return Ok(());
    }
    let url = session.server.url().to_owned();
    match session.call("shutdown", &[]) {
        Ok(_) => session.say("Shut down"),
        Err(CallError::Refused) => {
            let line = format!("ERROR: {url} refused connection (already shut down?)");
            session.fail(&line, outcome::FAILED);
        }
        Err(CallError::NoSocket) => {
            let line = format!("ERROR: {url} no such file (already shut down?)");
            session.fail(&line, outcome::FAILED);
        }
        // As supervisorctl has it, this is no failure.
        Err(error) if error.fault() == Some(FaultCode::ShutdownState) => {
            session.say("ERROR: already shutting down");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Has the server stop everything, read its configuration and begin again.
///
/// # Errors
///
/// The server's.
pub fn reload(session: &mut Session<'_>) -> Result<(), CallError> {
    if !sure(session, "Really restart the remote supervisord process y/N? ") {
        return Ok(());
    }
    match session.call("restart", &[]) {
        Ok(_) => session.say("Restarted supervisord"),
        Err(error) if error.fault() == Some(FaultCode::ShutdownState) => {
            session.fail("ERROR: already shutting down", outcome::FAILED);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Shows the server's version.
///
/// # Errors
///
/// The server's.
pub fn version(session: &mut Session<'_>) -> Result<(), CallError> {
    if session.upcheck()? {
        let Value::Text(version) = session.call("getSupervisorVersion", &[])? else {
            return Err(CallError::Garbled("getSupervisorVersion gave no text".to_owned()));
        };
        session.say(&version);
    }
    Ok(())
}

/// Speaks to another server from now on, and shows its processes; what they do does not count.
///
/// # Errors
///
/// The server's.
pub fn open(session: &mut Session<'_>, url: &str) -> Result<(), CallError> {
    if session.server.open(url).is_err() {
        session.fail("ERROR: url must be http:// or unix://", outcome::FAILED);
        return Ok(());
    }
    let before = session.exit;
    let shown = status(session, &[]);
    session.exit = before;
    shown
}

/// Whether it is meant; outside of a dialogue it is.
fn sure(session: &mut Session<'_>, question: &str) -> bool {
    let Some(ask) = session.ask.as_mut() else { return true };
    ask(question).is_some_and(|answer| answer.trim_start().to_lowercase().starts_with('y'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, run};
    use super::*;

    #[test]
    fn an_end_is_confirmed_in_a_line() {
        type Command = fn(&mut Session<'_>) -> Result<(), CallError>;
        let (shutdown, reload) = (shutdown as Command, reload as Command);
        let down = || Script::default().faults("shutdown", 6, "SHUTDOWN_STATE");
        let again = || Script::default().faults("restart", 6, "SHUTDOWN_STATE");
        for (mut script, command, text, exit) in [
            (Script::default().answers("shutdown", true.into()), shutdown, "Shut down", 0),
            (down(), shutdown, "ERROR: already shutting down", 0),
            (
                Script::default().refuses(),
                shutdown,
                "ERROR: unix:///s.sock refused connection (already shut down?)",
                1,
            ),
            (
                Script::default().has_no_socket(),
                shutdown,
                "ERROR: unix:///s.sock no such file (already shut down?)",
                1,
            ),
            (Script::default().answers("restart", true.into()), reload, "Restarted supervisord", 0),
            (again(), reload, "ERROR: already shutting down", 1),
            (Script::default().refuses(), reload, "error: unix:///s.sock refused connection", 1),
        ] {
            assert_eq!(run(&mut script, command), (format!("{text}\n"), exit));
            script.done();
        }
    }

    #[test]
    fn whoever_sits_at_a_prompt_is_asked() {
        for (answer, calls) in [
            (Some("y"), 1),
            (Some("Yes"), 1),
            (Some("n"), 0),
            (Some(""), 0),
            (Some("sure, y"), 0),
            (None, 0),
        ] {
            let mut script = Script::default().answers("shutdown", true.into());
            let mut asked = String::new();
            let mut ask = |question: &str| {
                asked.push_str(question);
                answer.map(str::to_owned)
            };
            let mut out = Vec::new();
            let mut session = Session::new(&mut script, &mut out);
            session.ask = Some(&mut ask);
            shutdown(&mut session).unwrap();
            assert_eq!(session.exit, 0);
            assert_eq!(script.calls.len(), calls, "{answer:?}");
            assert_eq!(asked, "Really shut the remote supervisord process down y/N? ");
        }
    }

    #[test]
    fn the_version_is_a_line() {
        let mut script = Script::default().up().answers("getSupervisorVersion", "4.2.5".into());
        assert_eq!(run(&mut script, version), ("4.2.5\n".to_owned(), 0));
        let other = "Sorry, this version of supervisorctl expects to talk to a server with API \
                     version 3.0, but the remote version is 2.0.\n";
        let mut script = Script::default().answers("getVersion", "2.0".into());
        assert_eq!(run(&mut script, version), (other.to_owned(), 5));
        let mut script = Script::default().faults("getVersion", 1, "UNKNOWN_METHOD");
        let (text, exit) = run(&mut script, version);
        assert!(text.starts_with("Sorry, supervisord responded but did not "), "{text}");
        assert_eq!(exit, 3);
    }

    #[test]
    fn another_server_is_shown_and_does_not_count() {
        let stopped = Value::Array(vec![info("w", "w", 0, "STOPPED", "Not started")]);
        let mut script = Script::default().up().answers("getAllProcessInfo", stopped);
        let (text, exit) = run(&mut script, |session| open(session, "unix:///other"));
        assert!(text.starts_with("w  ") && text.ends_with("STOPPED   Not started\n"), "{text}");
        assert_eq!((script.opened.as_deref(), exit), (Some("unix:///other"), 0));
        let mut script = Script::default();
        let said = run(&mut script, |session| open(session, "ftp://x"));
        assert_eq!(said, ("ERROR: url must be http:// or unix://\n".to_owned(), 1));
    }
}
