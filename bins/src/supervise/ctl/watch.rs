//! `watch`: the states of processes again and again.
//!
//! A terminal shows them in place. Anything else gets a line for each process at first, and another one
//! whenever its state or its process ID is another, so that what is written can be kept or waited for.

mod picture;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::stdio::stdin;

use super::input::EndSignals;
use super::names::list;
use super::outcome;
use super::plain;
use super::server::CallError;
use super::session::Session;
use super::status::{lines, select};
use crate::prefork::top::Window;
use crate::prefork::top::terminal::{Keys, Next, wait, window};
use crate::supervise::rpc::{FaultCode, Value};
use picture::{Stream, frame};

/// Nobody reads faster, and the server has other things to do.
const SHORTEST: Duration = Duration::from_millis(50);

/// Shows these processes every `interval`, or all when there are no names, until somebody presses `q`,
/// sends INT, or closes the terminal or the pipe. With `json` each line is an object.
///
/// # Errors
///
/// The server's at the first look; what goes wrong later is shown, and the next answer awaited.
pub fn watch(
    session: &mut Session<'_>,
    names: &[String],
    interval: Duration,
    json: bool,
) -> Result<(), CallError> {
    if !session.upcheck()? {
        session.exit = outcome::UNKNOWN;
        return Ok(());
    }
    let mut found = Ok(look(session, names, json)?);
    let mut interrupts = EndSignals::catch()?;
    let drawing = !json && session.at_terminal();
    // Restores the terminal when it is dropped.
    let keys = drawing.then(|| Keys::take(stdin())).flatten();
    let mut stream = Stream::new(json);
    let mut first = true;
    loop {
        let due = Instant::now().checked_add(interval.max(SHORTEST));
        loop {
            if drawing {
                let text = drawn(session, &found, window(), first);
                session.write(text.as_bytes());
            } else {
                stream.show(session, &found);
            }
            first = false;
            // Whoever listened has enough.
            if session.deaf {
                return Ok(());
            }
            if !drawing {
                match interrupts.wait(session.descriptor, due) {
                    true => return Ok(()),
                    false => break,
                }
            }
            let keys: Option<BorrowedFd<'_>> = keys.as_ref().map(AsFd::as_fd);
            match wait(&mut interrupts.signals, keys, due) {
                Next::Quit => return Ok(()),
                Next::Frame => break,
                Next::Resized => {}
            }
        }
        found = look(session, names, json);
    }
}

/// What one look has found.
#[derive(Debug)]
struct Look {
    infos: Vec<Value>,
    /// A line for each name that is not known.
    unknown: Vec<String>,
}

/// `full` asks for all that is known where the server has more than supervisord.
fn look(session: &mut Session<'_>, names: &[String], full: bool) -> Result<Look, CallError> {
    let unknown = |error: &CallError| error.fault() == Some(FaultCode::UnknownMethod);
    let own = full.then(|| session.server.call("supervise.getAllProcessStatus", &[]));
    let all = match own {
        Some(Err(error)) if !unknown(&error) => return Err(error),
        Some(Ok(all)) => all,
        _ => session.call("getAllProcessInfo", &[])?,
    };
    let mut text = Vec::new();
    let mut quiet = Session::new(&mut *session.server, &mut text);
    let infos = select(&mut quiet, list(all)?, names)?;
    let unknown = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    Ok(Look { infos, unknown })
}

/// The frame that takes the place of the one before.
fn drawn(
    session: &Session<'_>,
    found: &Result<Look, CallError>,
    window: Window,
    first: bool,
) -> String {
    let url = session.server.url();
    let broken = |error: &CallError| plain::line(&format!("{url}: {error}")).into_owned();
    let (head, body) = match found {
        Err(error) => (broken(error), Vec::new()),
        Ok(look) => match lines(session, &look.infos) {
            Err(error) => (broken(&error), Vec::new()),
            Ok(body) => {
                let body = look.unknown.iter().cloned().chain(body).collect();
                (picture::headline(url, &look.infos), body)
            }
        },
    };
    frame(&head, &body, window, first)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, words};
    use super::*;

    fn all() -> Value {
        Value::Array(vec![
            info("cat", "cat", 20, "RUNNING", "pid 7, uptime 0:00:01"),
            info("web", "w1", 0, "STOPPED", "Not started"),
        ])
    }

    fn names(look: &Look) -> Vec<String> {
        look.infos.iter().map(|info| super::super::names::namespec(info).unwrap()).collect()
    }

    #[test]
    fn a_look_asks_for_more_where_there_is_more() {
        let mut script = Script::default()
            .answers("getAllProcessInfo", all())
            .faults("supervise.getAllProcessStatus", 1, "UNKNOWN_METHOD")
            .answers("getAllProcessInfo", all())
            .answers("supervise.getAllProcessStatus", all())
            .faults("supervise.getAllProcessStatus", 6, "SHUTDOWN_STATE");
        let mut out = Vec::new();
        let mut session = Session::new(&mut script, &mut out);
        for (full, given, expected) in [
            (false, "web:*", &["web:w1"][..]),
            (true, "", &["cat", "web:w1"]),
            (true, "cat", &["cat"]),
        ] {
            assert_eq!(names(&look(&mut session, &words(given), full).unwrap()), expected);
        }
        let error = look(&mut session, &[], true).unwrap_err();
        assert_eq!(error.fault(), Some(FaultCode::ShutdownState));
        script.done();
        assert_eq!(out, b"");
    }

    #[test]
    fn names_that_are_not_known_are_shown_and_change_no_exit_code() {
        let mut script = Script::default().answers("getAllProcessInfo", all());
        let mut out = Vec::new();
        let mut session = Session::new(&mut script, &mut out);
        let found = look(&mut session, &words("cat no"), false).unwrap();
        assert_eq!(found.unknown, ["no: ERROR (no such process)"]);
        assert_eq!(session.exit, 0);
        let window = Window { columns: 80, rows: 24 };
        let text = drawn(&session, &Ok(found), window, false);
        let error = text.find("no: ERROR").unwrap();
        assert!(error < text.find("cat  ").unwrap(), "{text}");
        let text = drawn(&session, &Err(CallError::Refused), window, false);
        assert!(text.contains("unix:///s.sock: connection refused"), "{text}");
    }
}
