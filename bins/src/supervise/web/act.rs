//! What the buttons of the page do.

use super::did::{Action, Did, Outcome, Target};
use super::view::View;
use super::{Fields, HTML, Reply, Restarts, escape, field, find, listing, style};
use crate::supervise::machine::types::{Mood, Order, ProcId, Refusal, State};
use crate::supervise::methods::world::{Info, Supervisor};

/// An order from the page that was followed as far as it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Where the browser finds what came of it: the `Location` of a 303.
    pub location: String,
    /// What came of it, in words.
    pub message: String,
}

/// Does what a form of the page asks for. Nothing waits: what is restarted is started by
/// [`Restarts::changed`] when it has stopped.
///
/// A button sends its action and what for, `stop=web:a`, `stop=web:*` (a group) or `stop=*`. The same
/// can be said as `action=stop` with `process=`, `group=` or `all=1`. `query` is that of the request,
/// which says what the page showed.
///
/// # Errors
/// 403 without the token of the page, 400 for what is no order, as pages.
pub fn act(
    world: &mut dyn Supervisor,
    restarts: &mut Restarts,
    token: &str,
    query: &Fields,
    form: &Fields,
) -> Result<Acted, Reply> {
    if !same(field(form, "token").unwrap_or_default(), token) {
        let text = "Nothing was done: this page is older than the supervisor that answers now, \
                    or does not come from it.";
        return Err(notice(403, text));
    }
    let Some((action, target)) = order(form) else {
        return Err(notice(400, "Nothing was done: the form does not say what to do with what."));
    };
    let did = perform(world, restarts, action, target);
    let message = did.words(world);
    let view = View { turn: 0, ..View::of(query) };
    Ok(Acted { location: view.address(Some(&did)), message })
}

/// Compares in a time that does not tell how much is right.
fn same(given: &str, token: &str) -> bool {
    if token.is_empty() || given.len() != token.len() {
        return false;
    }
    let differ = given.bytes().zip(token.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    std::hint::black_box(differ) == 0
}

fn order(form: &Fields) -> Option<(Action, Target)> {
    for (key, value) in form {
        if let Some(action) = Action::parse(key) {
            return Some((action, Target::parse(value)));
        }
    }
    let action = Action::parse(field(form, "action")?)?;
    let target = match (field(form, "process"), field(form, "group"), field(form, "all")) {
        (Some(name), None, None) => Target::parse(name),
        (None, Some(group), None) => Target::Group(group.to_owned()),
        (None, None, Some("1")) => Target::All,
        _ => return None,
    };
    Some((action, target))
}

/// A page that says one thing.
fn notice(status: u16, text: &str) -> Reply {
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Refused</title><style>{}</style></head>\n\
         <body><main><p class=\"said bad\" role=\"status\">{}</p>\
         <p><a href=\"/\">Load the page anew</a></p></main></body></html>\n",
        style::STYLE,
        escape::html(text),
    );
    Reply { status, content_type: HTML, body }
}

fn perform(
    world: &mut dyn Supervisor,
    restarts: &mut Restarts,
    action: Action,
    target: Target,
) -> Did {
    if let Target::Process(..) = target {
        let id = find(world, &target.text());
        let outcome = id.map_or(Outcome::NoName, |id| one(world, restarts, action, id));
        return Did { action, target, outcome, counts: [0; 3] };
    }
    let mut ids: Vec<ProcId> = listing(world)
        .into_iter()
        .filter(|(group, _)| match &target {
            Target::Group(name) => *name == group.name,
            Target::All | Target::Process(..) => true,
        })
        .flat_map(|(_, infos)| infos.into_iter().map(|info| info.id))
        .collect();
    if action == Action::Stop {
        ids.reverse();
    }
    let outcomes: Vec<Outcome> = ids.iter().map(|id| one(world, restarts, action, *id)).collect();
    Did::several(action, target, &outcomes)
}

fn one(world: &mut dyn Supervisor, restarts: &mut Restarts, action: Action, id: ProcId) -> Outcome {
    match action {
        Action::Start => start(world, id),
        Action::Stop => {
            let canceled = restarts.cancel(id);
            match world.order(Order::Stop(id)) {
                Err(Refusal::NotRunning) if canceled => Outcome::Done,
                outcome => refused(outcome),
            }
        }
        Action::Restart => restart(world, restarts, id),
        Action::Clear => clear(world, id),
    }
}

fn start(world: &mut dyn Supervisor, id: ProcId) -> Outcome {
    if world.mood() != Mood::Running {
        return Outcome::Shutdown;
    }
    if world.startable(id).is_err() {
        return Outcome::NoFile;
    }
    match refused(world.order(Order::Start(id))) {
        Outcome::Done if has_failed(world, id) => Outcome::SpawnError,
        outcome => outcome,
    }
}

fn has_failed(world: &dyn Supervisor, id: ProcId) -> bool {
    world.state(id).is_some_and(|now| {
        now.failed && !now.waiting && matches!(now.state, State::Backoff | State::Fatal)
    })
}

/// As the command line has it: what does not run is started.
fn restart(world: &mut dyn Supervisor, restarts: &mut Restarts, id: ProcId) -> Outcome {
    // What could not come back is better left running.
    if world.startable(id).is_err() {
        return Outcome::NoFile;
    }
    match world.order(Order::Stop(id)) {
        Ok(()) | Err(Refusal::NotRunning) => {}
        Err(refusal) => return refused(Err(refusal)),
    }
    match world.state(id).map(|now| now.state) {
        None => Outcome::NoName,
        Some(State::Stopping) => {
            restarts.add(id);
            Outcome::Done
        }
        Some(_) => start(world, id),
    }
}

fn clear(world: &mut dyn Supervisor, id: ProcId) -> Outcome {
    match world.info(id) {
        None => Outcome::NoName,
        Some(info) if !has_log(&info) => Outcome::Needless,
        Some(_) => match world.clear_logs(id) {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::LogError,
        },
    }
}

/// There is something to clear.
pub(super) fn has_log(info: &Info) -> bool {
    !info.stdout_logfile.is_empty() || !info.stderr_logfile.is_empty()
}

fn refused(result: Result<(), Refusal>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(Refusal::BadName) => Outcome::NoName,
        Err(Refusal::AlreadyStarted | Refusal::NotRunning) => Outcome::Needless,
        Err(Refusal::AbnormalTermination) => Outcome::Stopping,
        Err(Refusal::Failed) => Outcome::Unknown,
        Err(Refusal::ShutdownState) => Outcome::Shutdown,
    }
}

#[cfg(test)]
mod tests;
