//! From a request to the command that does it.

use std::cell::RefCell;

use super::args::{Action, Misuse, Request};
use super::input::Input;
use super::server::CallError;
use super::session::{Ask, Session};
use super::{ask, avail, clear, completions, fg, groups, help, json, lifecycle, pid};
use super::{rolling, signal, start_stop, status, tail, watch};
use crate::report::complain;

/// Does what is asked for, and says what went wrong; the exit code is the session's.
///
/// In a dialogue a server that wants a password is given one, and the action is done again, as in
/// supervisorctl.
pub fn perform(session: &mut Session<'_>, request: &Request, input: &RefCell<Input<'_>>) {
    let action = &request.action;
    if request.options.json {
        if let Action::Watch { names, interval } = action {
            return json::watched(session, names, *interval);
        }
        let mut command = |inner: &mut Session<'_>| dispatch(inner, action, input);
        let ask: Option<Ask<'_>> = match &mut session.ask {
            Some(ask) => Some(&mut **ask),
            None => None,
        };
        let (server, out) = (&mut *session.server, &mut *session.out);
        session.exit = json::run(server, out, ask, action, &mut command);
        return;
    }
    let mut done = dispatch(session, action, input);
    if matches!(done, Err(CallError::Unauthorized)) && session.ask.is_some() {
        session.say("Server requires authentication");
        let username = ask::ask("Username:", false);
        let Some((username, password)) = username.zip(ask::ask("Password:", true)) else { return };
        session.server.login(username, password);
        done = dispatch(session, action, input);
    }
    session.server.announce("");
    if let Err(error) = done {
        session.fail_by(&error);
    }
}

/// Says what is wrong with a line, where supervisorctl does.
pub fn misused(session: &mut Session<'_>, misuse: &Misuse, json: bool) {
    if json {
        session.exit = json::misused(session, misuse);
        return;
    }
    if misuse.asks_first {
        match session.upcheck() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return session.fail_by(&error),
        }
    }
    for line in &misuse.lines {
        session.say_lines(line);
    }
    complain(misuse.advice.as_slice());
    session.exit = misuse.code;
}

fn dispatch(
    session: &mut Session<'_>,
    action: &Action,
    input: &RefCell<Input<'_>>,
) -> Result<(), CallError> {
    match action {
        Action::Status(names) => status::status(session, names),
        Action::Start(names) => start_stop::start(session, names),
        Action::Stop(names) => start_stop::stop(session, names),
        Action::Restart { names, rolling: false, hot: false } => {
            start_stop::restart(session, names)
        }
        Action::Restart { names, rolling, hot } => rolling::restart(session, names, *rolling, *hot),
        Action::Reload(names) if names.is_empty() => lifecycle::reload(session),
        Action::Reload(names) => signal::reload(session, names),
        Action::Signal { signal, names } => signal::signal(session, signal, names),
        Action::Kill(names) => signal::kill(session, names),
        Action::Stat(names) => pid::stat(session, names),
        Action::Pid(names) => pid::pid(session, names),
        Action::Tail { name, stream, amount } => tail::tail(session, name, *stream, *amount),
        Action::MainTail(amount) => tail::main_tail(session, *amount),
        Action::Clear(names) => clear::clear(session, names),
        Action::Reread => groups::reread(session),
        Action::Update(names) => groups::update(session, names),
        Action::Add(names) => groups::add(session, names),
        Action::Remove(names) => groups::remove(session, names),
        Action::Avail => avail::avail(session),
        Action::Shutdown => lifecycle::shutdown(session),
        Action::Version => lifecycle::version(session),
        Action::Open(url) => lifecycle::open(session, url),
        Action::Watch { names, interval } => watch::watch(session, names, *interval, false),
        Action::Fg(name) => fg::fg(session, name, &mut input.borrow_mut()),
        Action::Help(topic) => {
            let known = help::topic(topic.as_deref());
            let unknown = || format!("*** No help on {}\n", topic.as_deref().unwrap_or_default());
            session.write(known.unwrap_or_else(unknown).as_bytes());
            Ok(())
        }
        Action::Completions(shell) => {
            session.write(completions::script(*shell).as_bytes());
            Ok(())
        }
        Action::Exit => {
            session.say("");
            Ok(())
        }
    }
}
