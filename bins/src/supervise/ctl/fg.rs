//! `fg`: a program in the foreground. What is typed goes to its standard input, and what it writes is
//! shown as it comes.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::input::{EndSignals, Input, is_over, watched};
use super::names::number;
use super::outcome;
use super::plain::Sifter;
use super::server::{CallError, Follow};
use super::session::Session;
use super::tail::escape;
use crate::report::complain;
use crate::supervise::rpc::{Fault, FaultCode};

const RUNNING: i64 = 20;
/// How often the process is looked at while nothing happens.
const PAUSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Sends lines of `input` to a process and shows its output, until the input ends, INT comes, or the
/// process ends.
///
/// # Errors
///
/// The server's, other than that there is no such process or that it does not run.
pub fn fg(session: &mut Session<'_>, name: &str, input: &mut Input<'_>) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    match session.call("getProcessInfo", &[name.into()]) {
        Ok(info) if number(&info, "state")? == RUNNING => {}
        Ok(_) => {
            session.fail("ERROR: process not running", outcome::FAILED);
            return Ok(());
        }
        Err(error) if error.fault() == Some(FaultCode::BadName) => {
            session.fail("ERROR: bad process name supplied", outcome::FAILED);
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut interrupts = session.interruptible.then(EndSignals::catch).transpose()?;
    talk(session, name, input, interrupts.as_mut())
}

fn talk(
    session: &mut Session<'_>,
    name: &str,
    input: &mut Input<'_>,
    mut interrupts: Option<&mut EndSignals>,
) -> Result<(), CallError> {
    session.say("==> Press Ctrl-C to exit <==");
    let mut logs = Vec::new();
    for stream in ["stdout", "stderr"] {
        let path = format!("/logtail/{}/{stream}", escape(name));
        match session.server.follow(&path) {
            Ok(answer) => logs.push(Log { path, answer, sifter: Sifter::default() }),
            Err(error) => unlogged(session, &path, &error),
        }
    }
    let ended = loop {
        if let Some(end) = send(session, name, input) {
            break end;
        }
        let ready = wait(input, &logs, interrupts.as_deref(), session.descriptor, &PAUSE);
        show(session, &mut logs, &ready);
        if interrupts.as_mut().is_some_and(|interrupts| interrupts.end())
            || session.deaf
            || ready.deaf
        {
            break End::Asked;
        }
        if ready.input {
            input.fill();
        } else if ready.nothing {
            if let Some(end) = gone(session, name) {
                break end;
            }
        }
    };
    // What the process has said before its end, as far as it is here.
    let ready = wait(input, &logs, None, None, &AT_ONCE);
    show(session, &mut logs, &ready);
    logs.iter_mut().for_each(|log| session.write(&log.sifter.end()));
    let (text, error) = match ended {
        End::Asked => (None, None),
        End::Gone => (Some("Process got killed".to_owned()), None),
        End::Fault(text) => (Some(format!("ERROR: {text}")), None),
        End::Broken(error) => (None, Some(error)),
    };
    text.iter().for_each(|text| session.say(text));
    session.say("Exiting foreground");
    error.map_or(Ok(()), Err)
}

/// A stream of the program.
struct Log {
    path: String,
    answer: Box<dyn Follow>,
    sifter: Sifter,
}

/// A program whose output is not logged can be talked to all the same.
fn unlogged(session: &Session<'_>, path: &str, error: &CallError) {
    let why = match error {
        CallError::Status(status, _) => format!("status code {status}"),
        error => error.to_string(),
    };
    complain(&[format!("{}{path} Cannot read, {why}", session.server.url())]);
}

/// Why it is over.
enum End {
    /// Somebody wants it so.
    Asked,
    /// The process has ended.
    Gone,
    /// What was typed cannot be sent.
    Fault(String),
    /// The server cannot be reached.
    Broken(CallError),
}

/// Sends the lines that are here. The process is looked at after each, as supervisorctl does.
fn send(session: &mut Session<'_>, name: &str, input: &mut Input<'_>) -> Option<End> {
    while let Some(line) = input.ready() {
        let params = [name.into(), format!("{line}\n").into()];
        match session.call("sendProcessStdin", &params) {
            Ok(_) => {}
            Err(error) if error.fault() == Some(FaultCode::NotRunning) => return Some(End::Gone),
            Err(CallError::Fault(Fault { text, .. })) => return Some(End::Fault(text)),
            Err(error) => return Some(End::Broken(error)),
        }
        if let Some(end) = gone(session, name) {
            return Some(end);
        }
    }
    input.is_over().then_some(End::Asked)
}

/// The end, if the process does not run any more.
fn gone(session: &mut Session<'_>, name: &str) -> Option<End> {
    let state = session.call("getProcessInfo", &[name.into()]);
    match state.and_then(|info| number(&info, "state")) {
        Ok(RUNNING) => None,
        Ok(_) => Some(End::Gone),
        Err(error) if error.fault() == Some(FaultCode::BadName) => Some(End::Gone),
        Err(error) => Some(End::Broken(error)),
    }
}

/// What can be read.
struct Ready {
    input: bool,
    /// In the order of the logs.
    logs: Vec<bool>,
    /// Nobody reads what is written.
    deaf: bool,
    /// It was waited for in vain.
    nothing: bool,
}

fn wait(
    input: &Input<'_>,
    logs: &[Log],
    interrupts: Option<&EndSignals>,
    out: Option<BorrowedFd<'_>>,
    pause: &Timespec,
) -> Ready {
    let at_once = logs.iter().any(|log| log.answer.fd().is_none());
    let mut fds = vec![PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
    let signals: Option<BorrowedFd<'_>> = interrupts.map(|interrupts| interrupts.signals.as_fd());
    let others = logs.iter().filter_map(|log| log.answer.fd()).chain(signals);
    fds.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let own = fds.len();
    fds.extend(out.map(watched));
    let count = match poll(&mut fds, Some(if at_once { &AT_ONCE } else { pause })) {
        Ok(count) => count,
        // A signal has come, which is seen to next.
        Err(Errno::INTR) => {
            return Ready { input: false, logs: Vec::new(), deaf: false, nothing: false };
        }
        Err(_) => 0,
    };
    let deaf = fds.get(own).is_some_and(is_over);
    let mut seen = fds.iter().map(|fd| !fd.revents().is_empty());
    let input = seen.next().unwrap_or_default();
    let mut there = |log: &Log| log.answer.fd().is_none() || seen.next().unwrap_or_default();
    let logs: Vec<bool> = logs.iter().map(&mut there).collect();
    Ready { input, logs, deaf, nothing: count == 0 && !at_once }
}

/// Writes what the logs have, and lets go of those that have ended.
fn show(session: &mut Session<'_>, logs: &mut Vec<Log>, ready: &Ready) {
    let mut ready = ready.logs.iter();
    logs.retain_mut(|log| {
        if !ready.next().copied().unwrap_or_default() {
            return true;
        }
        let came = log.answer.read();
        match &came {
            Ok(Some(bytes)) => session.pass(&mut log.sifter, bytes),
            Ok(None) => session.write(&log.sifter.end()),
            Err(error) => unlogged(session, &log.path, error),
        }
        matches!(came, Ok(Some(_)))
    });
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::super::testing::{Script, info, run};
    use super::*;

    const HEAD: &str = "==> Press Ctrl-C to exit <==\n";

    /// A process in a state.
    fn is(script: Script, state: i64) -> Script {
        script.answers("getProcessInfo", info("cat", "cat", state, "X", ""))
    }

    fn logged(script: Script, out: &'static [u8], err: &'static [u8]) -> Script {
        script.follows(Ok(vec![out])).follows(Ok(vec![err]))
    }

    /// A conversation over a pipe that is closed after `typed`.
    fn said(script: &mut Script, typed: &str) -> (String, u8) {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(typed.as_bytes()).unwrap();
        drop(writer);
        let mut input = Input::new(reader.as_fd());
        run(script, |session| talk(session, "cat", &mut input, None))
    }

    #[test]
    fn lines_go_in_and_both_streams_come_out() {
        let mut script = logged(Script::default(), b"out\n", b"err\n");
        for _ in 0..3 {
            script = is(script.answers("sendProcessStdin", true.into()), 20);
        }
        let text = format!("{HEAD}out\nerr\nExiting foreground\n");
        assert_eq!(said(&mut script, "one\n\nlast"), (text, 0));
        script.done();
        let sent: Vec<&str> =
            script.calls.iter().filter_map(|call| call.strip_prefix("sendProcessStdin(")).collect();
        assert_eq!(sent, ["'cat', 'one\n')", "'cat', '\n')", "'cat', 'last\n')"]);
        assert_eq!(script.calls[..2], ["GET /logtail/cat/stdout", "GET /logtail/cat/stderr"]);
    }

    #[test]
    fn the_end_of_the_process_is_the_end() {
        let killed = format!("{HEAD}out\nProcess got killed\nExiting foreground\n");
        let script = || logged(Script::default(), b"out\n", b"");
        let sent = script().answers("sendProcessStdin", true.into());
        assert_eq!(said(&mut is(sent, 100), "x\ny\n"), (killed.clone(), 0));
        let mut dead = script().faults("sendProcessStdin", 70, "NOT_RUNNING: cat");
        assert_eq!(said(&mut dead, "x\n"), (killed, 0));
        let mut closed = script().faults("sendProcessStdin", 20, "NO_FILE: cat");
        let text = format!("{HEAD}out\nERROR: NO_FILE: cat\nExiting foreground\n");
        assert_eq!(said(&mut closed, "x\n"), (text, 0));
        let mut away = script().fails("sendProcessStdin", CallError::Refused);
        let (text, exit) = said(&mut away, "x\n");
        assert!(text.contains("\nExiting foreground\nerror: "), "{text}");
        assert_eq!(exit, 1);
    }

    #[test]
    fn a_program_whose_output_is_not_logged_can_be_talked_to() {
        let missing = || CallError::Status(404, "Not Found".to_owned());
        let mut script = Script::default().follows(Err(missing())).follows(Ok(vec![b"err\n"]));
        script = is(script.answers("sendProcessStdin", true.into()), 20);
        let text = format!("{HEAD}err\nExiting foreground\n");
        assert_eq!(said(&mut script, "x\n"), (text, 0));
        script.done();
    }

    #[test]
    fn what_does_not_run_cannot_be_talked_to() {
        let up = || Script::default().up();
        for (script, line) in [
            (is(up(), 0), "ERROR: process not running"),
            (up().faults("getProcessInfo", 10, "BAD_NAME: x"), "ERROR: bad process name supplied"),
        ] {
            let (mut script, (reader, _writer)) = (script, UnixStream::pair().unwrap());
            let mut input = Input::new(reader.as_fd());
            let said = run(&mut script, |session| fg(session, "cat", &mut input));
            assert_eq!(said, (format!("{line}\n"), 1));
        }
    }
}
