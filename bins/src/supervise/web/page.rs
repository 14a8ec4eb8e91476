//! The page: one file, without scripts and without anything from elsewhere.

use std::fmt::Write;

use super::did::{Did, Target};
use super::escape::{html, push_html};
use super::view::View;
use super::{Fields, HTML, Reply, STATES, Tails, VERSION, buttons, find, listing, style, table};
use crate::supervise::machine::types::{Mood, State};
use crate::supervise::methods::world::{GroupView, Info, Standing, Supervisor};

type Listing = [(GroupView, Vec<Info>)];

/// `GET /` and `/index.html`: every process, or those that the query chooses (`group=`, `state=`).
///
/// The ends of logs are shown for up to 50 processes, which is a group or a state of a large
/// supervisor; `logs=0` leaves them out. `refresh=5` loads the page again every five seconds. `token`
/// is what [`act`](fn@super::act) is given as well; it must be hard to guess.
#[must_use]
pub fn page(world: &dyn Supervisor, token: &str, query: &Fields, tails: &Tails<'_>) -> Reply {
    let view = View::of(query);
    let did = Did::parse(query);
    let listing = listing(world);
    let mut body = String::with_capacity(16_384);
    push_head(&mut body, world, &listing, &view, did.as_ref());
    push_header(&mut body, world, &listing, &view);
    if let Some(did) = &did {
        let look = if did.is_well() { "well" } else { "bad" };
        let words = html(&did.words(world));
        let _ = writeln!(body, "<p class=\"said {look}\" role=\"status\">{words}</p>");
    }
    let query = view.query(None);
    let action = if query.is_empty() { "/control".to_owned() } else { format!("/control?{query}") };
    let _ = writeln!(
        body,
        "<form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"token\" value=\"{}\">",
        html(&action),
        html(token)
    );
    push_everything(&mut body, world, &listing);
    table::push(&mut body, world, &listing, &view, tails);
    body.push_str("</form>\n</main>\n</body>\n</html>\n");
    Reply { status: 200, content_type: HTML, body }
}

fn push_head(
    body: &mut String,
    world: &dyn Supervisor,
    listing: &Listing,
    view: &View,
    did: Option<&Did>,
) {
    let failed = count(listing, |standing| look_of(standing.state) == "bad");
    let mut title = html(world.identifier());
    if failed > 0 {
        title = format!("{failed} failed \u{2013} {title}");
    }
    let colour = if failed > 0 { "d3212d" } else { "1f9d55" };
    body.push_str(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n",
    );
    let _ = write!(
        body,
        "<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'\
         %20viewBox='0%200%2016%2016'%3E%3Ccircle%20cx='8'%20cy='8'%20r='7'%20fill='%23{colour}'/\
         %3E%3C/svg%3E\">\n"
    );
    if let Some((seconds, address)) = again(world, view, did) {
        let address = html(&address);
        let _ = writeln!(body, "<meta http-equiv=\"refresh\" content=\"{seconds};url={address}\">");
    }
    let _ = writeln!(body, "<style>{}</style>\n</head>\n<body>\n<main>", style::STYLE);
}

/// When the page is loaded again by itself: soon, to see an order through; else as it was asked for.
fn again(world: &dyn Supervisor, view: &View, did: Option<&Did>) -> Option<(u32, String)> {
    if let Some(did) = did.filter(|did| is_under_way(world, did)) {
        if let Some(next) = view.next_turn() {
            return Some((1, next.address(Some(did))));
        }
    }
    view.refresh.map(|seconds| (seconds, view.address(None)))
}

/// What was ordered still starts or stops.
fn is_under_way(world: &dyn Supervisor, did: &Did) -> bool {
    let moves = |standing: Standing| matches!(standing.state, State::Starting | State::Stopping);
    let any =
        |group: &GroupView| group.processes.iter().filter_map(|id| world.state(*id)).any(moves);
    match &did.target {
        Target::Process(..) => {
            find(world, &did.target.text()).and_then(|id| world.state(id)).is_some_and(moves)
        }
        Target::Group(name) => world.group(name).as_ref().is_some_and(any),
        Target::All => world.groups().iter().any(any),
    }
}

fn push_header(body: &mut String, world: &dyn Supervisor, listing: &Listing, view: &View) {
    let (mood, mood_look) = match world.mood() {
        Mood::Running => ("RUNNING", "well"),
        Mood::Restarting => ("RESTARTING", "warn"),
        Mood::ShuttingDown => ("SHUTDOWN", "warn"),
    };
    body.push_str("<header><h1>");
    push_html(body, world.identifier());
    let _ = write!(
        body,
        "</h1> <span class=\"s {mood_look}\">{mood}</span> \
         <span class=\"soft\">supervise {VERSION} \u{b7} pid {}",
        world.pid()
    );
    if world.began() > 0 {
        let up = lasting(world.now().saturating_sub(world.began()));
        let _ = write!(body, " \u{b7} up {up}");
    }
    body.push_str("</span></header>\n<nav class=\"bar\" aria-label=\"Processes by state\">\n");
    push_counts(body, listing, view);
    push_links(body, view);
    body.push_str("</nav>\n");
}

fn push_counts(body: &mut String, listing: &Listing, view: &View) {
    let all = View { state: None, group: None, turn: 0, ..view.clone() };
    let here = |here: bool| if here { " aria-current=\"true\"" } else { "" };
    let _ = writeln!(
        body,
        "<a class=\"s rest\" href=\"{}\"{}>{} processes</a>",
        html(&all.address(None)),
        here(view.state.is_none() && view.group.is_none()),
        count(listing, |_| true)
    );
    for state in STATES {
        let number = count(listing, |standing| standing.state == state);
        if number == 0 && view.state != Some(state) {
            continue;
        }
        let address = View { state: Some(state), ..all.clone() }.address(None);
        let _ = writeln!(
            body,
            "<a class=\"s {}\" href=\"{}\"{}>{number} {}</a>",
            look_of(state),
            html(&address),
            here(view.state == Some(state)),
            state.name()
        );
    }
    if let Some(group) = &view.group {
        let _ = writeln!(body, "<span>in group <b>{}</b></span>", html(group));
    }
}

fn push_links(body: &mut String, view: &View) {
    let plain = View { turn: 0, ..view.clone() };
    let still = View { refresh: None, ..plain.clone() };
    let _ =
        write!(body, "<span class=\"push\"><a href=\"{}\">Refresh</a>", html(&plain.address(None)));
    let (text, other) = match view.refresh {
        Some(seconds) => (format!("stop refreshing every {seconds} s"), still),
        None => ("every 5 s".to_owned(), View { refresh: Some(5), ..still }),
    };
    let _ = write!(body, " \u{b7} <a href=\"{}\">{text}</a>", html(&other.address(None)));
    let text = if view.quiet { "with logs" } else { "without logs" };
    let other = View { quiet: !view.quiet, ..plain };
    let _ = writeln!(body, " \u{b7} <a href=\"{}\">{text}</a></span>", html(&other.address(None)));
}

/// One step away, so that a slip does not stop everything.
fn push_everything(body: &mut String, world: &dyn Supervisor, listing: &Listing) {
    body.push_str("<details class=\"all\"><summary>All processes\u{2026}</summary>");
    let infos = listing.iter().flat_map(|(_, infos)| infos);
    buttons::of_several(body, infos, "*", world.mood() == Mood::Running);
    body.push_str("</details>\n");
}

fn count(listing: &Listing, wanted: impl Fn(&Standing) -> bool) -> usize {
    listing.iter().flat_map(|(_, infos)| infos).filter(|info| wanted(&info.standing)).count()
}

/// The class of a state.
pub(super) fn look_of(state: State) -> &'static str {
    match state {
        State::Running => "well",
        State::Starting | State::Stopping => "move",
        State::Stopped | State::Exited => "rest",
        State::Backoff => "warn",
        State::Fatal | State::Unknown => "bad",
    }
}

/// A time as the command line writes it: `1 day, 2:03:04`.
pub(super) fn lasting(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let of = |unit: i64| seconds.checked_div(unit).unwrap_or(0);
    let (days, hours, minutes) = (of(86_400), of(3600) % 24, of(60) % 60);
    let clock = format!("{hours}:{minutes:02}:{:02}", seconds % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests;
