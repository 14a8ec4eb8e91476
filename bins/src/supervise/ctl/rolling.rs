//! `restart --rolling` and `--hot`: restarts that leave something running.

use std::time::Instant;

use super::input::EndSignals;
use super::names::{self, list, namespec, number};
use super::outcome;
use super::server::CallError;
use super::session::Session;
use super::start_stop::{start, stop};
use super::status::select;
use crate::supervise::rpc::{Fault, FaultCode, Value};

const RUNNING: i64 = 20;
const EXITED: i64 = 100;

/// Restarts one process after the other, in the order of their names as given. With `hot` a new
/// process is ready before the old one goes; else each is stopped, and RUNNING again before the next
/// one's turn. With `rolling` the first failure ends it, and the rest is named.
///
/// Nothing is restarted when a name is not known.
///
/// # Errors
///
/// The server's, other than those of single processes.
pub fn restart(
    session: &mut Session<'_>,
    names: &[String],
    rolling: bool,
    hot: bool,
) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    let all = list(session.call("getAllProcessInfo", &[])?)?;
    let chosen = select(session, all, names)?;
    if session.exit != outcome::OK {
        session.exit = outcome::FAILED;
        return Ok(());
    }
    let mut specs: Vec<String> = Vec::new();
    for info in &chosen {
        let spec = namespec(info)?;
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    let mut failed = false;
    let mut left = specs.iter();
    while let Some(spec) = left.next() {
        let done = if hot { replace(session, spec)? } else { again(session, spec)? };
        failed |= done != Done::Yes;
        if done == Done::NotPossible || (rolling && done == Done::No) {
            let rest: Vec<&str> = left.by_ref().map(String::as_str).collect();
            if !rest.is_empty() {
                session.say(&format!("not restarted: {}", rest.join(", ")));
            }
        }
    }
    session.exit = match failed {
        true if session.exit != outcome::USAGE => outcome::DEAD,
        true => outcome::FAILED,
        false => outcome::OK,
    };
    Ok(())
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    No,
    /// For no process of this server.
    NotPossible,
}

/// Stops a process and starts it.
fn again(session: &mut Session<'_>, spec: &str) -> Result<Done, CallError> {
    let name = [spec.to_owned()];
    session.exit = outcome::OK;
    stop(session, &name)?;
    let begun = Instant::now();
    if session.exit == outcome::OK {
        start(session, &name)?;
    }
    if session.exit != outcome::OK {
        return Ok(Done::No);
    }
    let Some(wrong) = fails(session, spec, begun)? else { return Ok(Done::Yes) };
    session.say(&format!("{spec}: ERROR ({wrong})"));
    Ok(Done::No)
}

/// What is wrong with a process that was started well. A start that waits for nothing, as with
/// `startsecs=0`, says yes as soon as there is a process, be it one that dies the next moment.
fn fails(
    session: &mut Session<'_>,
    spec: &str,
    begun: Instant,
) -> Result<Option<String>, CallError> {
    let mut info = session.call("getProcessInfo", &[spec.into()])?;
    let (first, pid) = (number(&info, "state")?, number(&info, "pid")?);
    let left = session.settle.saturating_sub(begun.elapsed());
    if first == RUNNING && !left.is_zero() {
        if session.interruptible {
            // Nobody has to read of it, but whoever asked for it may have had enough.
            if EndSignals::catch()?.wait(None, Instant::now().checked_add(left)) {
                return Ok(Some("interrupted".to_owned()));
            }
        }
        info = session.call("getProcessInfo", &[spec.into()])?;
    }
    match number(&info, "state")? {
        RUNNING if first != RUNNING || number(&info, "pid")? == pid => Ok(None),
        RUNNING => Ok(Some("it ended, and was started again".to_owned())),
        EXITED if is_expected(session, spec, &info)? => Ok(None),
        EXITED => Ok(Some("it has exited".to_owned())),
        _ => Ok(Some(format!("it is {}", names::text(&info, "statename")?))),
    }
}

/// Whether a process has exited because its work is done. Only a server of ours says so; of another
/// it is the exit code 0.
fn is_expected(session: &mut Session<'_>, spec: &str, info: &Value) -> Result<bool, CallError> {
    match session.server.call("supervise.getAllProcessStatus", &[]) {
        Ok(all) => {
            for status in list(all)? {
                if namespec(&status)? == spec {
                    return Ok(number(&status, "expected")? != 0);
                }
            }
            Ok(false)
        }
        Err(error) if error.fault() == Some(FaultCode::UnknownMethod) => {
            Ok(number(info, "exitstatus")? == 0)
        }
        Err(error) => Err(error),
    }
}

/// Replaces a process while it serves.
fn replace(session: &mut Session<'_>, spec: &str) -> Result<Done, CallError> {
    session.server.announce(&format!("{spec} to be replaced"));
    let answer = session.server.call("supervise.replaceProcess", &[spec.into(), Value::Bool(true)]);
    session.server.announce("");
    let fault = match answer {
        Ok(_) => {
            session.say(&format!("{spec}: replaced"));
            return Ok(Done::Yes);
        }
        Err(CallError::Fault(fault)) => fault,
        Err(error) => return Err(error),
    };
    let Fault { code, text } = fault;
    let why = match FaultCode::from_number(code) {
        Some(FaultCode::UnknownMethod) => {
            session.fail("ERROR: --hot needs a server that is supervise", outcome::USAGE);
            return Ok(Done::NotPossible);
        }
        Some(FaultCode::ShutdownState) => return Err(CallError::Fault(Fault { code, text })),
        Some(FaultCode::NotRunning) => "not running".to_owned(),
        Some(FaultCode::BadName) => "no such process".to_owned(),
        Some(FaultCode::SpawnError) => "spawn error; the old one runs on".to_owned(),
        Some(FaultCode::AbnormalTermination) => {
            "the new process ended too soon; the old one runs on".to_owned()
        }
        // The text says all: FAILED: web:w1 is not a hot program.
        _ => {
            let why = text.strip_prefix("FAILED: ").unwrap_or(&text);
            why.strip_prefix(spec).unwrap_or(why).trim().to_owned()
        }
    };
    session.say(&format!("{spec}: ERROR ({why})"));
    Ok(Done::No)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, record, run, words};
    use std::time::Duration;

    use super::*;

    fn three() -> Script {
        let infos = ["w1", "w2", "w3"].map(|name| info("web", name, 20, "RUNNING", "")).to_vec();
        Script::default().up().answers("getAllProcessInfo", Value::Array(infos))
    }

    /// A process that is stopped and started well, and is in a state then.
    fn restarted(script: Script, state: i64, statename: &str) -> Script {
        script
            .up()
            .answers("stopProcess", true.into())
            .up()
            .answers("startProcess", true.into())
            .answers("getProcessInfo", info("web", "w", state, statename, ""))
    }

    /// What a server of ours says of an exit.
    fn exited(script: Script, name: &str, expected: i64) -> Script {
        let other = record(&[("group", "web"), ("name", "x")], &[("expected", 1 - expected)]);
        let own = record(&[("group", "web"), ("name", name)], &[("expected", expected)]);
        script.answers("supervise.getAllProcessStatus", Value::Array(vec![other, own]))
    }

    fn rolling(script: &mut Script, names: &str) -> (String, u8) {
        run(script, |session| restart(session, &words(names), true, false))
    }

    fn hot(script: &mut Script, names: &str, rolling: bool) -> (String, u8) {
        run(script, |session| restart(session, &words(names), rolling, true))
    }

    #[test]
    fn each_runs_before_the_next_one_stops() {
        let mut script = three();
        for _ in 0..2 {
            script = restarted(script, 20, "RUNNING");
        }
        // Done already.
        script = exited(restarted(script, 100, "EXITED"), "w2", 1);
        let (text, exit) = rolling(&mut script, "web:w3 web:* web:w1");
        let line = |name| format!("web:{name}: stopped\nweb:{name}: started\n");
        assert_eq!((text, exit), (["w3", "w1", "w2"].map(line).concat(), 0));
        script.done();
    }

    #[test]
    fn the_first_failure_ends_it_and_names_the_rest() {
        let mut script = restarted(three(), 20, "RUNNING")
            .up()
            .answers("stopProcess", true.into())
            .up()
            .faults("startProcess", 50, "SPAWN_ERROR: web:w2");
        let text = "web:w1: stopped\nweb:w1: started\nweb:w2: stopped\n\
                    web:w2: ERROR (spawn error)\nnot restarted: web:w3\n";
        assert_eq!(rolling(&mut script, "all"), (text.to_owned(), 7));
        script.done();
        let mut script = restarted(three(), 30, "BACKOFF");
        let text = "web:w1: stopped\nweb:w1: started\nweb:w1: ERROR (it is BACKOFF)\n\
                    not restarted: web:w2, web:w3\n";
        assert_eq!(rolling(&mut script, "all"), (text.to_owned(), 7));
        // One that cannot be stopped is not started.
        let mut script = three().up().faults("stopProcess", 30, "FAILED: no");
        let (text, exit) = rolling(&mut script, "all");
        assert_eq!(exit, 7, "{text}");
        assert!(text.ends_with("not restarted: web:w2, web:w3\n"), "{text}");
        script.done();
    }

    #[test]
    fn an_exit_counts_when_it_was_expected() {
        let failed = "web:w1: stopped\nweb:w1: started\nweb:w1: ERROR (it has exited)\n\
                      not restarted: web:w2, web:w3\n";
        let mut ours = exited(restarted(three(), 100, "EXITED"), "w1", 0);
        assert_eq!(rolling(&mut ours, "all"), (failed.to_owned(), 7));
        ours.done();
        let done = "web:w1: stopped\nweb:w1: started\n";
        for (status, text, exit) in [(0, done, 0), (3, failed, 7)] {
            let texts = [("group", "web"), ("name", "w1"), ("statename", "EXITED")];
            let numbers = [("state", 100), ("pid", 0), ("exitstatus", status)];
            let mut theirs = three()
                .up()
                .answers("stopProcess", true.into())
                .up()
                .answers("startProcess", true.into())
                .answers("getProcessInfo", record(&texts, &numbers))
                .faults("supervise.getAllProcessStatus", 1, "UNKNOWN_METHOD");
            let names = if exit == 0 { "web:w1" } else { "all" };
            assert_eq!(rolling(&mut theirs, names), (text.to_owned(), exit), "{status}");
            theirs.done();
        }
    }

    #[test]
    fn one_that_dies_the_next_moment_has_not_started() {
        let running = |pid| {
            let texts = [("group", "web"), ("name", "w1"), ("statename", "RUNNING")];
            record(&texts, &[("state", 20), ("pid", pid)])
        };
        let backoff = info("web", "w1", 30, "BACKOFF", "");
        for (second, wrong) in [
            (running(7), None),
            (running(8), Some("it ended, and was started again")),
            (backoff, Some("it is BACKOFF")),
        ] {
            let mut script = Script::default()
                .answers("getProcessInfo", running(7))
                .answers("getProcessInfo", second);
            let mut out = Vec::new();
            let mut session = Session::new(&mut script, &mut out);
            session.settle = Duration::from_secs(1);
            // Begun later than now, so that the time is not over however slow this is.
            let begun = Instant::now() + Duration::from_secs(60);
            let found = fails(&mut session, "web:w1", begun).unwrap();
            assert_eq!(found.as_deref(), wrong);
            script.done();
        }
    }

    #[test]
    fn one_that_does_not_run_is_started() {
        let mut script = three()
            .up()
            .faults("stopProcess", 70, "NOT_RUNNING: web:w1")
            .up()
            .answers("startProcess", true.into())
            .answers("getProcessInfo", info("web", "w1", 20, "RUNNING", ""));
        let text = "web:w1: ERROR (not running)\nweb:w1: started\n";
        assert_eq!(rolling(&mut script, "web:w1"), (text.to_owned(), 0));
    }

    #[test]
    fn with_a_name_that_is_not_known_nothing_is_done() {
        for (names, said) in [
            ("web:w1 no", "no: ERROR (no such process)\n"),
            ("no:* web:w1", "no: ERROR (no such group)\n"),
        ] {
            let mut script = three();
            assert_eq!(rolling(&mut script, names), (said.to_owned(), 1), "{names}");
            assert_eq!(script.calls, ["getVersion()", "getAllProcessInfo()"]);
        }
    }

    #[test]
    fn hot_programs_are_replaced() {
        let method = "supervise.replaceProcess";
        let cold = "FAILED: web:w2 is not a hot program";
        let script = || three().answers(method, true.into()).faults(method, 30, cold);
        let first = "web:w1: replaced\nweb:w2: ERROR (is not a hot program)\n";
        let mut one = script();
        let text = format!("{first}not restarted: web:w3\n");
        assert_eq!(hot(&mut one, "all", true), (text, 7));
        assert_eq!(one.expected, ["web:w1 to be replaced", "web:w2 to be replaced"]);
        let mut other = script().faults(method, 40, "ABNORMAL_TERMINATION: web:w3");
        let third = "web:w3: ERROR (the new process ended too soon; the old one runs on)\n";
        assert_eq!(hot(&mut other, "all", false), (format!("{first}{third}"), 7));
        other.done();
    }

    #[test]
    fn supervisord_replaces_nothing() {
        for rolling in [true, false] {
            let mut script = three().faults("supervise.replaceProcess", 1, "UNKNOWN_METHOD");
            let text = "ERROR: --hot needs a server that is supervise\n\
                        not restarted: web:w2, web:w3\n";
            assert_eq!(hot(&mut script, "all", rolling), (text.to_owned(), 1));
            script.done();
        }
    }
}
