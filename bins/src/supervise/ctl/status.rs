//! `status`: what every process does.

use super::names::{self, list, namespec, number, text};
use super::outcome;
use super::plain;
use super::server::CallError;
use super::session::Session;
use crate::supervise::rpc::Value;

/// The states of a process that does not run and is not about to: STOPPED, EXITED, FATAL, UNKNOWN.
const STOPPED: [i64; 4] = [0, 100, 200, 1000];
/// The narrowest column of names.
const NAMES: usize = 30;

/// Shows these processes and groups, or all when there are no names.
///
/// # Errors
///
/// The server's.
pub fn status(session: &mut Session<'_>, names: &[String]) -> Result<(), CallError> {
    if !session.upcheck()? {
        session.exit = outcome::UNKNOWN;
        return Ok(());
    }
    let all = list(session.call("getAllProcessInfo", &[])?)?;
    let shown = select(session, all, names)?;
    for line in lines(session, &shown)? {
        session.say_as_it_is(&line);
    }
    for info in &shown {
        if STOPPED.contains(&number(info, "state")?) {
            session.exit = outcome::NOT_RUNNING;
        }
    }
    Ok(())
}

/// Those that are named, in the order of the names, and a word about every name that is not known.
pub(crate) fn select(
    session: &mut Session<'_>,
    all: Vec<Value>,
    names: &[String],
) -> Result<Vec<Value>, CallError> {
    if names.is_empty() || names::all(names) {
        return Ok(all);
    }
    let mut shown = Vec::new();
    for name in names {
        let (group, process) = names::split(name);
        let before = shown.len();
        for info in &all {
            let in_group = text(info, "group")? == group;
            if in_group && process.map_or(Ok(true), |name| text(info, "name").map(|n| n == name))? {
                shown.push(info.clone());
            }
        }
        if shown.len() == before {
            let line = match process {
                None => format!("{group}: ERROR (no such group)"),
                Some(_) => format!("{name}: ERROR (no such process)"),
            };
            session.fail(&line, outcome::UNKNOWN);
        }
    }
    Ok(shown)
}

/// One line for each, the columns as wide as in supervisorctl; only colours are left of control
/// characters.
pub(crate) fn lines(session: &Session<'_>, infos: &[Value]) -> Result<Vec<String>, CallError> {
    let names = infos.iter().map(namespec).collect::<Result<Vec<_>, _>>()?;
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let width = longest.max(NAMES).saturating_add(3);
    infos
        .iter()
        .zip(names)
        .map(|(info, name)| {
            let state = text(info, "statename")?;
            let padded = format!("{:<10}", plain::line(state));
            let state = session.style.state(state, &padded);
            let description = plain::line(text(info, "description")?);
            Ok(format!("{:<width$}{state}{description}", plain::line(&name)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, info, run, words};
    use super::*;

    fn some() -> Value {
        Value::Array(vec![
            info("cat", "cat", 20, "RUNNING", "pid 7, uptime 0:00:01"),
            info("web", "w1", 20, "RUNNING", "pid 8, uptime 1 day, 2:00:00"),
            info("web", "w2", 10, "STARTING", ""),
        ])
    }

    fn shown(answer: Value, names: &str) -> (String, u8) {
        let mut script = Script::default().up().answers("getAllProcessInfo", answer);
        let (text, exit) = run(&mut script, |session| status(session, &words(names)));
        script.done();
        (text, exit)
    }

    #[test]
    fn columns_are_supervisorctls() {
        let (text, exit) = shown(some(), "");
        assert_eq!(exit, 0);
        assert_eq!(
            text,
            "cat                              RUNNING   pid 7, uptime 0:00:01\n\
             web:w1                           RUNNING   pid 8, uptime 1 day, 2:00:00\n\
             web:w2                           STARTING  \n"
        );
        let long = "g".repeat(28);
        let one = info(&long, "pröcess", 200, "FATAL", "x");
        let (text, exit) = shown(Value::Array(vec![one]), "");
        assert_eq!((text, exit), (format!("{long}:pröcess   FATAL     x\n"), 3));
    }

    #[test]
    fn names_select_and_repeat() {
        for (names, shown_names, exit) in [
            ("all", &["cat", "web:w1", "web:w2"][..], 0),
            ("nosuch all", &["cat", "web:w1", "web:w2"], 0),
            ("web:* cat", &["web:w1", "web:w2", "cat"], 0),
            ("web:w1 web:", &["web:w1", "web:w1", "web:w2"], 0),
            ("w1", &["w1: ERROR (no such process)"], 4),
            ("web", &["web: ERROR (no such process)"], 4),
            (
                "cat no:* cat:x",
                &["no: ERROR (no such group)", "cat:x: ERROR (no such process)", "cat"],
                4,
            ),
        ] {
            let (text, code) = shown(some(), names);
            let found: Vec<&str> =
                text.lines().map(|line| line.split("   ").next().unwrap()).collect();
            assert_eq!((found.as_slice(), code), (shown_names, exit), "{names}");
        }
    }

    #[test]
    fn what_does_not_run_wins_over_what_is_not_known() {
        for (state, exit) in
            [(0, 3), (100, 3), (200, 3), (1000, 3), (10, 4), (20, 4), (30, 4), (40, 4)]
        {
            let one = Value::Array(vec![info("a", "a", state, "X", "")]);
            assert_eq!(shown(one, "a nosuch").1, exit, "{state}");
        }
    }

    #[test]
    fn what_a_server_says_is_no_order_to_the_terminal() {
        let wild = info("g\x1b[2J", "w\n\u{9b}", 20, "RUN\x07", "\x1b]0;x\x07\u{7f}\nb");
        let (text, _) = shown(Value::Array(vec![wild]), "");
        let name = format!("{:<33}", "g␛[2J:w␊\u{fffd}");
        assert_eq!(text, format!("{name}RUN␇      ␛]0;x␇␡␊b\n"));
        let (text, _) = shown(Value::Array(Vec::new()), "a\x1bc");
        assert_eq!(text, "a␛c: ERROR (no such process)\n");
    }

    #[test]
    fn without_a_server_nothing_is_known() {
        for script in [Script::default().refuses(), Script::default().has_no_socket()] {
            let mut script = script;
            let (_, exit) = run(&mut script, |session| status(session, &[]));
            assert_eq!(exit, 4);
        }
    }
}
