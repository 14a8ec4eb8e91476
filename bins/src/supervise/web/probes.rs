//! `/health` and `/ready`, for those who ask again and again.

use fdpass::wire::push_json_string;

use super::{JSON, Reply, TEXT, listing, namespec};
use crate::supervise::machine::types::{Mood, State};
use crate::supervise::methods::world::{Info, Supervisor};

/// So many processes are named.
const NAMED: usize = 20;

/// 200 while nothing has failed for good: no process is FATAL or UNKNOWN. 503 otherwise, until such a
/// process is started or removed: it is stopped already, so an order to stop it changes nothing.
///
/// While everything is being stopped it is 200: what is killed for it then would only stop less well.
/// `accept` is the header of that name; JSON is for those who ask for `application/json`.
#[must_use]
pub fn health(world: &dyn Supervisor, accept: Option<&str>) -> Reply {
    let failed = if world.mood() == Mood::Running {
        select(world, |info| matches!(info.standing.state, State::Fatal | State::Unknown))
    } else {
        Vec::new()
    };
    let word = if failed.is_empty() { "ok" } else { "failed" };
    reply(failed.is_empty(), word, &failed, accept)
}

/// 200 when every program that starts by itself, and was not stopped by an order, is RUNNING or has
/// done its work: a oneshot, or any that EXITED as expected and is not started again. 503 otherwise,
/// and while everything is being stopped. A server that may end with 0 and is missed then is one with
/// `autorestart=true`.
#[must_use]
pub fn ready(world: &dyn Supervisor, accept: Option<&str>) -> Reply {
    let word = match world.mood() {
        Mood::ShuttingDown => "stopping",
        Mood::Restarting => "restarting",
        Mood::Running => {
            let missing = select(world, is_missing);
            let word = if missing.is_empty() { "ready" } else { "unready" };
            return reply(missing.is_empty(), word, &missing, accept);
        }
    };
    reply(false, word, &[], accept)
}

/// What those may know who did not say who they are: the status, and one word.
#[must_use]
pub fn brief(full: Reply) -> Reply {
    let word = if full.status == 200 { "ok" } else { "unavailable" };
    let body = match full.content_type {
        JSON => format!("{{\"status\":\"{word}\"}}\n"),
        _ => format!("{word}\n"),
    };
    Reply { body, ..full }
}

fn is_missing(info: &Info) -> bool {
    let standing = &info.standing;
    if !info.autostart || standing.by_hand && !standing.waiting {
        return false;
    }
    match standing.state {
        _ if standing.served => false,
        State::Running => false,
        State::Exited => standing.waiting || !(standing.done || info.expected),
        _ => !standing.done || standing.waiting,
    }
}

fn select(world: &dyn Supervisor, wanted: impl Fn(&Info) -> bool) -> Vec<Info> {
    listing(world).into_iter().flat_map(|(_, infos)| infos).filter(|info| wanted(info)).collect()
}

fn reply(well: bool, word: &str, infos: &[Info], accept: Option<&str>) -> Reply {
    let status = if well { 200 } else { 503 };
    if accepts(accept, JSON) {
        return Reply { status, content_type: JSON, body: json(word, infos) };
    }
    Reply { status, content_type: TEXT, body: text(word, infos) }
}

/// Whether the header `Accept` names this type. One with `q=0` is refused, RFC 9110 12.4.2.
pub(super) fn accepts(accept: Option<&str>, media: &str) -> bool {
    accept.unwrap_or_default().split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media));
        let refuses = |(key, value): (&str, &str)| {
            key.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0)
        };
        named && !parts.filter_map(|part| part.split_once('=')).any(refuses)
    })
}

fn text(word: &str, infos: &[Info]) -> String {
    let name = |info: &Info| format!("{} {}", namespec(info), info.standing.state.name());
    let names: Vec<String> = infos.iter().take(NAMED).map(name).collect();
    let more = match infos.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let colon = if names.is_empty() { "" } else { ": " };
    format!("{word}{colon}{}{more}\n", names.join(", "))
}

fn json(word: &str, infos: &[Info]) -> String {
    let mut json = "{\"status\":".to_owned();
    push_json_string(&mut json, word);
    json.push_str(",\"processes\":[");
    for (at, info) in infos.iter().enumerate() {
        json.push_str(if at > 0 { ",{\"name\":" } else { "{\"name\":" });
        push_json_string(&mut json, &namespec(info));
        json.push_str(",\"state\":");
        push_json_string(&mut json, info.standing.state.name());
        json.push_str(",\"reason\":");
        push_json_string(&mut json, &info.spawnerr);
        json.push('}');
    }
    json.push_str("]}\n");
    json
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    fn asked(world: &Fake) -> (u16, String, u16, String) {
        let (health, ready) = (health(world, None), ready(world, Some("*/*")));
        (health.status, health.body, ready.status, ready.body)
    }

    fn are(health: &str, ready: &str, world: &Fake) {
        let expected =
            |body: &str, good| (if body == good { 200 } else { 503 }, format!("{body}\n"));
        let (health, ready) = (expected(health, "ok"), expected(ready, "ready"));
        assert_eq!(asked(world), (health.0, health.1, ready.0, ready.1));
    }

    #[test]
    fn nothing_to_run_is_well() {
        are("ok", "ready", &Fake::new());
    }

    #[test]
    fn each_state() {
        for (state, health, ready) in [
            (State::Running, "ok", "ready"),
            (State::Starting, "ok", "unready: web:a STARTING"),
            (State::Stopping, "ok", "unready: web:a STOPPING"),
            (State::Stopped, "ok", "unready: web:a STOPPED"),
            (State::Exited, "ok", "unready: web:a EXITED"),
            (State::Backoff, "ok", "unready: web:a BACKOFF"),
            (State::Fatal, "failed: web:a FATAL", "unready: web:a FATAL"),
            (State::Unknown, "failed: web:a UNKNOWN", "unready: web:a UNKNOWN"),
        ] {
            let mut world = Fake::new();
            let id = world.add("web", "a", state);
            world.add("web", "b", State::Running);
            are(health, ready, &world);
            // What nobody started is not waited for, but what has failed has failed.
            world.of(id).autostart = false;
            are(health, "ready", &world);
            world.of(id).autostart = true;
            world.of(id).standing.by_hand = true;
            are(health, "ready", &world);
        }
    }

    #[test]
    fn work_that_is_done_is_not_missing() {
        let mut world = Fake::new();
        let id = world.add("migrate", "migrate", State::Exited);
        are("ok", "unready: migrate EXITED", &world);
        world.of(id).expected = true;
        are("ok", "ready", &world);
        world.of(id).expected = false;
        world.of(id).standing.done = true;
        are("ok", "ready", &world);
        // It is to be done once more.
        world.of(id).standing.waiting = true;
        are("ok", "unready: migrate EXITED", &world);
    }

    #[test]
    fn what_is_replaced_while_it_serves_is_there() {
        let mut world = Fake::new();
        let id = world.add("web", "a", State::Starting);
        world.of(id).standing.served = true;
        are("ok", "ready", &world);
        world.of(id).standing.served = false;
        are("ok", "unready: web:a STARTING", &world);
    }

    #[test]
    fn while_all_is_being_stopped() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        world.add("web", "b", State::Fatal);
        world.mood = Mood::ShuttingDown;
        are("ok", "stopping", &world);
        world.mood = Mood::Restarting;
        are("ok", "restarting", &world);
    }

    #[test]
    fn a_long_list_is_cut() {
        let mut world = Fake::new();
        for number in 0..23 {
            world.add("web", &format!("p{number}"), State::Fatal);
        }
        let body = health(&world, None).body;
        assert!(body.ends_with(", web:p19 FATAL and 3 more\n"), "{body}");
    }

    #[test]
    fn json_for_those_who_ask() {
        let mut world = Fake::new();
        let id = world.add("we\"b", "a", State::Fatal);
        world.of(id).spawnerr = "can't find command '/x'\n".to_owned();
        let accept = Some("text/html, application/json;q=0.9");
        let reply = health(&world, accept);
        assert_eq!((reply.status, reply.content_type), (503, "application/json"));
        let parsed: tinyjson::JsonValue = reply.body.parse().unwrap();
        assert_eq!(parsed["status"].get::<String>().unwrap(), "failed");
        assert_eq!(parsed["processes"][0]["name"].get::<String>().unwrap(), "we\"b:a");
        assert_eq!(parsed["processes"][0]["state"].get::<String>().unwrap(), "FATAL");
        let reason = parsed["processes"][0]["reason"].get::<String>().unwrap();
        assert_eq!(reason, "can't find command '/x'\n");
        let short = brief(reply);
        assert_eq!((short.status, short.body.as_str()), (503, "{\"status\":\"unavailable\"}\n"));
        let empty: tinyjson::JsonValue = ready(&Fake::new(), accept).body.parse().unwrap();
        assert_eq!(empty["status"].get::<String>().unwrap(), "ready");
        assert!(empty["processes"].get::<Vec<tinyjson::JsonValue>>().unwrap().is_empty());
    }

    #[test]
    fn what_is_accepted() {
        for accept in [
            "application/json",
            "text/html,application/json;q=0.9",
            " Application/JSON ; charset=utf-8 ; Q=0.001",
            "application/json;q=0,application/json",
            "application/json;q=odd",
        ] {
            assert!(accepts(Some(accept), JSON), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/json;q=0",
            "text/plain, application/json ; q = 0.000, */*;q=0.1",
            "application/json-seq, x-application/json",
        ] {
            assert!(!accepts(Some(accept), JSON), "{accept}");
        }
        assert!(!accepts(None, JSON));
    }

    #[test]
    fn strangers_learn_no_names() {
        let mut world = Fake::new();
        world.add("secret", "a", State::Fatal);
        assert_eq!(brief(health(&world, None)), Reply::text(503, "unavailable\n"));
        assert_eq!(brief(ready(&world, None)), Reply::text(503, "unavailable\n"));
        assert_eq!(brief(health(&Fake::new(), None)), Reply::text(200, "ok\n"));
    }
}
