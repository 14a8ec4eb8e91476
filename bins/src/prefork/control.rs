//! What may be asked of a running pool, one line of text each.

use sigpolicy::Signal;

use super::status::shown;

/// What a client asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `status`: answered at once with [`Status::encode`](super::status::Status::encode).
    Status,
    /// `reload`: like all that follow answered with [`reply`], when it is done.
    Reload,
    /// `stop`.
    Stop,
    /// `add N`.
    Add(u32),
    /// `remove N`.
    Remove(u32),
    /// `signal SIG`.
    Signal(Signal),
}

/// Reads a request.
///
/// # Errors
/// One line on what is wrong with it, for the answer.
pub fn parse(line: &str) -> Result<Request, String> {
    let (verb, operand) = match line.split_once(' ') {
        Some((verb, operand)) => (verb, Some(operand)),
        None => (line, None),
    };
    match (verb, operand) {
        ("status", None) => Ok(Request::Status),
        ("reload", None) => Ok(Request::Reload),
        ("stop", None) => Ok(Request::Stop),
        ("add", Some(count)) => Ok(Request::Add(number(verb, count)?)),
        ("remove", Some(count)) => Ok(Request::Remove(number(verb, count)?)),
        ("signal", Some(signal)) => match signal.parse() {
            Ok(signal) => Ok(Request::Signal(signal)),
            Err(error) => Err(format!("signal: {error}")),
        },
        ("status" | "reload" | "stop", Some(_)) => Err(format!("{verb} takes no operand")),
        ("add" | "remove", None) => Err(format!("{verb} needs a number of workers")),
        ("signal", None) => Err("signal needs the name of a signal".to_owned()),
        _ => Err(format!("unknown request: {}", shown(verb.as_bytes()))),
    }
}

fn number(verb: &str, text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|count| digits && *count > 0);
    count.ok_or_else(|| {
        let text = shown(text.as_bytes());
        format!("{verb} needs a number of workers from 1 to {}, not {text}", u32::MAX)
    })
}

/// An answer to a command.
#[must_use]
pub fn reply(outcome: &Result<String, String>) -> String {
    let (word, text) = match outcome {
        Ok(text) => ("done", text),
        Err(text) => ("failed", text),
    };
    format!("{word}\n{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_line_each() {
        assert_eq!(parse("status"), Ok(Request::Status));
        assert_eq!(parse("reload"), Ok(Request::Reload));
        assert_eq!(parse("stop"), Ok(Request::Stop));
        assert_eq!(parse("add 2"), Ok(Request::Add(2)));
        assert_eq!(parse("remove 1"), Ok(Request::Remove(1)));
        assert_eq!(parse("signal sigusr2"), Ok(Request::Signal(Signal::USR2)));
        for (line, why) in [
            ("", "unknown request: "),
            ("\x1b[2J", "unknown request: \\u{1b}[2J"),
            ("status now", "status takes no operand"),
            ("add", "add needs a number of workers"),
            ("add 0", "add needs a number of workers from 1 to 4294967295, not 0"),
            ("add +1", "add needs a number of workers from 1 to 4294967295, not +1"),
            (
                "remove 4294967296",
                "remove needs a number of workers from 1 to 4294967295, not 4294967296",
            ),
            ("add  1", "add needs a number of workers from 1 to 4294967295, not  1"),
            ("signal", "signal needs the name of a signal"),
        ] {
            assert_eq!(parse(line), Err(why.to_owned()), "{line}");
        }
        assert!(parse("signal NONE").unwrap_err().starts_with("signal: "));
    }

    #[test]
    fn replies_say_first_how_it_went() {
        assert_eq!(reply(&Ok("3 workers".to_owned())), "done\n3 workers\n");
        assert_eq!(reply(&Err("no\n".to_owned())), "failed\nno\n");
    }
}
