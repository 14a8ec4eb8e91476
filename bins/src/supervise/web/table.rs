//! The table of the page: groups, their processes, and what these wrote last.

use std::fmt::Write;

use super::escape::{html, part, push_html, readable};
use super::page::{lasting, look_of};
use super::view::View;
use super::{Tails, buttons, exit_status, full_name};
use crate::supervise::events::Stream;
use crate::supervise::machine::types::{Mood, State};
use crate::supervise::methods::world::{GroupView, Info, LogPlace, Supervisor};

/// Logs are read for so many processes at most.
const LOGS: usize = 50;
/// So much of each log is read.
const BYTES: usize = 2048;
/// So many lines of it are shown.
const LINES: usize = 10;

pub(super) fn push(
    body: &mut String,
    world: &dyn Supervisor,
    listing: &[(GroupView, Vec<Info>)],
    view: &View,
    tails: &Tails<'_>,
) {
    let shown: Vec<(&GroupView, &[Info], Vec<&Info>)> = listing
        .iter()
        .map(|(group, infos)| {
            let shown = infos.iter().filter(|info| view.shows(info)).collect::<Vec<_>>();
            (group, infos.as_slice(), shown)
        })
        .filter(|(_, _, shown)| !shown.is_empty())
        .collect();
    let count: usize = shown.iter().map(|(_, _, infos)| infos.len()).sum();
    if count == 0 {
        let none = if listing.is_empty() { "There are no programs." } else { "None is so." };
        let _ = writeln!(body, "<p class=\"soft\">{none}</p>");
        return;
    }
    body.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Process</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Since</th><th scope=\"col\" class=\"num\">pid</th>\
         <th scope=\"col\" class=\"num\">Restarts</th><th scope=\"col\" class=\"num\">Exit</th>\
         <td></td><th scope=\"col\" class=\"logs\">Logs</th></tr></thead>\n",
    );
    let logs = count <= LOGS && !view.quiet;
    let runs = world.mood() == Mood::Running;
    for (group, all, infos) in shown {
        body.push_str("<tbody>\n");
        let alone = matches!(all, [info] if info.name == group.name);
        if !alone {
            push_group(body, group, all, view, runs);
        }
        for info in infos {
            push_process(body, world, info, alone, runs);
            if logs {
                push_log(body, world, info, tails);
            }
        }
        body.push_str("</tbody>\n");
    }
    body.push_str("</table>\n");
    if !logs && !view.quiet {
        let _ = writeln!(
            body,
            "<p class=\"soft\">The ends of logs are shown for up to {LOGS} processes: choose a group \
             or a state.</p>"
        );
    }
}

fn push_group(body: &mut String, group: &GroupView, all: &[Info], view: &View, runs: bool) {
    let only = View { group: Some(group.name.clone()), turn: 0, ..view.clone() };
    let running = all.iter().filter(|info| info.standing.state == State::Running).count();
    let _ = write!(
        body,
        "<tr class=\"group\"><th colspan=\"6\" scope=\"rowgroup\"><a href=\"{}\">{}</a> \
         <span class=\"soft\">{running} of {} running</span></th><td class=\"acts\">",
        html(&only.address(None)),
        html(&group.name),
        all.len()
    );
    buttons::of_several(body, all.iter(), &format!("{}:*", group.name), runs);
    body.push_str("</td><td class=\"logs\"></td></tr>\n");
}

fn push_process(body: &mut String, world: &dyn Supervisor, info: &Info, alone: bool, runs: bool) {
    let (name, state) = (full_name(info), info.standing.state);
    let member = if alone { "" } else { " class=\"member\"" };
    let _ = write!(body, "<tr class=\"one\" id=\"{}\"><th scope=\"row\"{member}>", html(&name));
    if info.group != info.name {
        let _ = write!(body, "<span class=\"soft\">{}:</span>", html(&info.group));
    }
    push_html(body, &info.name);
    let _ = write!(
        body,
        "</th><td><span class=\"s {}\">{}</span></td><td class=\"what\">{}</td>",
        look_of(state),
        state.name(),
        html(&since(info, world.now()))
    );
    let pid = if info.standing.pid > 0 { info.standing.pid.to_string() } else { String::new() };
    let exit = match exit_status(info) {
        None => String::new(),
        Some(-1) => "signal".to_owned(),
        Some(code) => code.to_string(),
    };
    let restarts = info.starts.saturating_sub(1);
    for (label, value) in [("pid", pid), ("restarts", restarts.to_string()), ("exit", exit)] {
        let _ = write!(body, "<td class=\"num\" data-l=\"{label}\">{value}</td>");
    }
    body.push_str("<td class=\"acts\">");
    buttons::of_process(body, info, &name, runs);
    body.push_str("</td><td class=\"logs\">");
    for (stream, word) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
        if matches!(world.log(info.id, stream), LogPlace::File(_)) {
            let path = part(&name);
            let tail = html(&format!("/tail?process={path}&stream={word}"));
            let _ = write!(body, "<a href=\"{tail}\">{word}</a>");
            let _ = write!(
                body,
                "<a href=\"/logtail/{path}/{word}\" title=\"follow {word}\" \
                 aria-label=\"follow {word}\">\u{2193}</a>"
            );
        }
    }
    body.push_str("</td></tr>\n");
}

/// Since when it is what it is, and why.
fn since(info: &Info, now: i64) -> String {
    let ago = |then: i64| lasting(now.saturating_sub(then));
    let standing = &info.standing;
    let why = info.spawnerr.as_str();
    match standing.state {
        State::Running | State::Starting if info.start > 0 => format!("up {}", ago(info.start)),
        State::Backoff => match info.retry_in {
            Some(seconds) => format!("{why}; try {} in {seconds} s", info.tries.saturating_add(1)),
            None => why.to_owned(),
        },
        State::Fatal if why.is_empty() => "could not be started".to_owned(),
        State::Fatal => why.to_owned(),
        _ if standing.waiting => "waits for what it depends on".to_owned(),
        State::Stopped if info.start == 0 => "not started".to_owned(),
        State::Stopped if info.stop > 0 => format!("stopped {} ago", ago(info.stop)),
        State::Exited if info.stop > 0 => {
            let done = if standing.done { "done" } else { "ended" };
            format!("{done} {} ago", ago(info.stop))
        }
        _ => String::new(),
    }
}

fn push_log(body: &mut String, world: &dyn Supervisor, info: &Info, tails: &Tails<'_>) {
    for (stream, word) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
        if !matches!(world.log(info.id, stream), LogPlace::File(_)) {
            continue;
        }
        let text = readable(&tails(info.id, stream, BYTES));
        let Some((lines, last)) = ends(&text) else {
            continue;
        };
        let _ = write!(
            body,
            "<tr class=\"log\"><td colspan=\"8\"><details><summary title=\"{word}\"><span>"
        );
        push_html(body, last);
        body.push_str("</span></summary><pre>");
        // A first line break after the tag would be swallowed.
        body.push('\n');
        push_html(body, lines);
        body.push_str("</pre></details></td></tr>\n");
        return;
    }
}

/// The last lines, and of these the last one; none if nothing is there to read.
fn ends(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end();
    let last = text.lines().next_back().filter(|last| !last.is_empty())?;
    let mut breaks = text.rmatch_indices('\n').map(|(at, _)| at);
    let from = breaks.nth(LINES.saturating_sub(1)).map_or(0, |at| at.saturating_add(1));
    Some((text.get(from..)?, last.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, NOW};
    use super::*;

    #[test]
    fn the_end_of_a_log() {
        assert_eq!(ends("\n \n"), None);
        assert_eq!(ends("one"), Some(("one", "one")));
        assert_eq!(ends("one\n  two\n\n"), Some(("one\n  two", "two")));
        let long: String = (0..30).map(|line| format!("line {line}\n")).collect();
        let (lines, last) = ends(&long).unwrap();
        assert_eq!((lines.lines().count(), last), (LINES, "line 29"));
        assert!(lines.starts_with("line 20\n"), "{lines}");
    }

    #[test]
    fn since_when() {
        let mut world = Fake::new();
        let mut say = |state, change: fn(&mut Info)| {
            let id = world.add("web", "a", state);
            change(world.of(id));
            since(world.of(id), NOW)
        };
        assert_eq!(say(State::Running, |_| ()), "up 1:02:05");
        assert_eq!(say(State::Stopped, |_| ()), "not started");
        assert_eq!(say(State::Stopped, |info| info.standing.waiting = true), WAITS);
        assert_eq!(
            say(State::Stopped, |info| {
                (info.start, info.stop) = (NOW - 90, NOW - 30);
            }),
            "stopped 0:00:30 ago"
        );
        assert_eq!(say(State::Exited, |info| info.standing.done = true), "done 0:01:05 ago");
        assert_eq!(say(State::Fatal, |info| info.spawnerr = "no such file".into()), "no such file");
        assert_eq!(say(State::Fatal, |_| ()), "could not be started");
        assert_eq!(
            say(State::Backoff, |info| {
                info.spawnerr = "Exited too quickly".into();
                (info.tries, info.retry_in) = (2, Some(4));
            }),
            "Exited too quickly; try 3 in 4 s"
        );
    }

    const WAITS: &str = "waits for what it depends on";
}
