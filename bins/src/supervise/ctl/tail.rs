//! `tail` and `maintail`: the ends of logs.

use super::args::{Amount, Stream};
use super::interrupt::Interrupts;
use super::outcome;
use super::plain::Sifter;
use super::server::CallError;
use super::session::Session;
use crate::report::complain;
use crate::supervise::rpc::{FaultCode, Value};

/// Shows the end of a log of a process, and with [`Amount::Follow`] what is written from then on.
///
/// # Errors
///
/// The server's.
pub fn tail(
    session: &mut Session<'_>,
    name: &str,
    stream: Stream,
    amount: Amount,
) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    let Amount::Last(bytes) = amount else {
        follow(session, &format!("/logtail/{}/{}", escape(name), stream.name()));
        return Ok(());
    };
    let method = match stream {
        Stream::Stdout => "readProcessStdoutLog",
        Stream::Stderr => "readProcessStderrLog",
    };
    let params = [name.into(), bytes.saturating_neg().into(), 0.into()];
    show(session, name, method, &params)
}

/// The same of the main log.
///
/// # Errors
///
/// The server's.
pub fn main_tail(session: &mut Session<'_>, amount: Amount) -> Result<(), CallError> {
    if !session.upcheck()? {
        return Ok(());
    }
    match amount {
        Amount::Last(bytes) => {
            let params = [bytes.saturating_neg().into(), 0.into()];
            show(session, "supervisord", "readLog", &params)
        }
        Amount::Follow => {
            follow(session, "/mainlogtail");
            Ok(())
        }
    }
}

fn show(
    session: &mut Session<'_>,
    name: &str,
    method: &str,
    params: &[Value],
) -> Result<(), CallError> {
    let error = match session.call(method, params) {
        Ok(Value::Text(text)) => {
            if session.at_terminal() {
                session.say_lines(&text);
            } else {
                session.say_as_it_is(&text);
            }
            return Ok(());
        }
        Ok(Value::Bytes(bytes)) => {
            let mut sifter = Sifter::default();
            session.pass(&mut sifter, &bytes);
            session.write(&sifter.end());
            session.write(b"\n");
            return Ok(());
        }
        Ok(_) => return Err(CallError::Garbled(format!("{method} gave no text"))),
        Err(error) => error,
    };
    let text = match error.fault() {
        Some(FaultCode::NoFile) => "no log file",
        Some(FaultCode::Failed) => "unknown error reading log",
        Some(FaultCode::BadName) => "no such process name",
        _ => return Err(error),
    };
    session.fail(&format!("{name}: ERROR ({text})"), outcome::FAILED);
    Ok(())
}

/// Shows what comes until there is no more, until nobody reads it, or until Ctrl-C. As in supervisorctl the exit code says
/// nothing about how it went.
fn follow(session: &mut Session<'_>, path: &str) {
    let catching = session.interruptible;
    let mut interrupts = if catching { Interrupts::catch() } else { Interrupts::none() };
    session.say("==> Press Ctrl-C to exit <==");
    let mut sifter = Sifter::default();
    let shown = session.server.follow(path).and_then(|mut answer| {
        while !session.deaf {
            match interrupts.read(answer.as_mut(), session.descriptor)? {
                Some(bytes) => session.pass(&mut sifter, &bytes),
                None => break,
            }
        }
        // Whatever came behind the last line is not to share it with a prompt.
        if interrupts.happened() {
            session.say("");
        }
        Ok(())
    });
    session.write(&sifter.end());
    if let Err(error) = shown {
        let url = session.server.url();
        complain(&[match error {
            CallError::Status(status, _) => {
                format!("{url}{path} Cannot read, status code {status}")
            }
            CallError::Unauthorized => format!("{url}{path} Cannot read, status code 401"),
            error => format!("{url}{path} Cannot connect, error: {error}"),
        }]);
    }
}

/// A name as a part of a path.
pub(crate) fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,=".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, run};
    use super::*;

    fn tailed(script: &mut Script, stream: Stream, amount: Amount) -> (String, u8) {
        run(script, |session| tail(session, "web:w1", stream, amount))
    }

    #[test]
    fn the_end_of_a_log_is_a_call() {
        for (stream, amount, call) in [
            (Stream::Stdout, 1600, "readProcessStdoutLog('web:w1', -1600, 0)"),
            (Stream::Stderr, 100, "readProcessStderrLog('web:w1', -100, 0)"),
            (Stream::Stdout, -5, "readProcessStdoutLog('web:w1', 5, 0)"),
        ] {
            let method = call.split('(').next().unwrap();
            let mut script = Script::default().up().answers(method, "a\nb\n".into());
            let said = tailed(&mut script, stream, Amount::Last(amount));
            assert_eq!(said, ("a\nb\n\n".to_owned(), 0));
            assert_eq!(script.calls, ["getVersion()", call]);
        }
        let mut script = Script::default().up().answers("readLog", "x".into());
        let said = run(&mut script, |session| main_tail(session, Amount::Last(300)));
        assert_eq!((said, script.calls[1].as_str()), (("x\n".to_owned(), 0), "readLog(-300, 0)"));
    }

    #[test]
    fn a_log_that_is_not_there_is_named() {
        for (code, text) in [
            (20, "web:w1: ERROR (no log file)"),
            (30, "web:w1: ERROR (unknown error reading log)"),
            (10, "web:w1: ERROR (no such process name)"),
            (3, "error: X"),
        ] {
            let mut script = Script::default().up().faults("readProcessStdoutLog", code, "X");
            let said = tailed(&mut script, Stream::Stdout, Amount::Last(1));
            assert_eq!(said, (format!("{text}\n"), 1));
        }
        let mut script = Script::default().up().faults("readLog", 20, "NO_FILE");
        let said = run(&mut script, |session| main_tail(session, Amount::Last(1)));
        assert_eq!(said, ("supervisord: ERROR (no log file)\n".to_owned(), 1));
    }

    #[test]
    fn what_is_followed_passes_through() {
        let banner = "==> Press Ctrl-C to exit <==\n";
        let mut script = Script::default().up().follows(Ok(vec![b"a\n", b"", b"b"]));
        let said = tailed(&mut script, Stream::Stderr, Amount::Follow);
        assert_eq!(said, (format!("{banner}a\nb"), 0));
        assert_eq!(script.calls, ["getVersion()", "GET /logtail/web:w1/stderr"]);

        let none = CallError::Status(404, "Not Found".to_owned());
        let mut script = Script::default().up().follows(Err(none));
        let said = run(&mut script, |session| main_tail(session, Amount::Follow));
        assert_eq!(said, (banner.to_owned(), 0));
        assert_eq!(script.calls[1], "GET /mainlogtail");
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(escape("web:w_1-a.b"), "web:w_1-a.b");
        assert_eq!(escape("a/b?c#d e%é\r\n"), "a%2Fb%3Fc%23d%20e%25%C3%A9%0D%0A");
    }
}
