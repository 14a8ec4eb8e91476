//! What a browser, a probe and a scraper get: the page, `/health`, `/ready` and `/metrics`. Pure.
//!
//! The host takes requests apart and answers with what these functions make of them:
//!
//! | request | function |
//! | --- | --- |
//! | `GET /`, `/index.html` | [`page`](fn@page) |
//! | `POST /control` | [`act`](fn@act), then the turns of [`Restarts`] |
//! | `GET /tail`, `/tail.html` | [`tail`](fn@tail) |
//! | `GET /metrics` | [`metrics`](fn@metrics) |
//! | `GET /health`, `/ready` | [`health`], [`ready`]; [`brief`] for strangers |

mod act;
mod buttons;
mod did;
mod escape;
#[cfg(test)]
mod fake;
mod metrics;
mod page;
mod probes;
mod restarts;
mod style;
mod table;
mod tail;
mod view;

use std::collections::HashSet;

pub use act::{Acted, act};
pub use metrics::metrics;
pub use page::page;
pub use probes::{brief, health, ready};
pub use restarts::Restarts;
pub use tail::tail;

use crate::supervise::machine::types::{ProcId, State};
use crate::supervise::methods::join;
use crate::supervise::methods::world::{GroupView, Info, Supervisor};

/// What a query or a form holds, decoded.
pub type Fields = [(String, String)];

/// Reads the end of a log: of which process, which stream, and how many bytes at most.
pub type Tails<'a> = dyn Fn(ProcId, crate::supervise::events::Stream, usize) -> Vec<u8> + 'a;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// `Content-Type`
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Our version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// States in the order in which they are counted: what is well, what moves, what rests, what fails.
const STATES: [State; 8] = [
    State::Running,
    State::Starting,
    State::Stopping,
    State::Stopped,
    State::Exited,
    State::Backoff,
    State::Fatal,
    State::Unknown,
];

impl Reply {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT, body: body.into() }
    }
}

/// The first value of a field.
fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Groups with what is known of their processes. While a hot program is replaced there are two
/// processes of one name; this one is the one that the name stands for.
fn listing(world: &dyn Supervisor) -> Vec<(GroupView, Vec<Info>)> {
    let known = |group: GroupView| {
        let mut infos: Vec<Info> =
            group.processes.iter().filter_map(|id| world.info(*id)).collect();
        let mut names = HashSet::new();
        if !infos.iter().all(|info| names.insert(info.name.clone())) {
            infos.retain(|info| world.find(&group.name, &info.name) == Some(info.id));
        }
        (group, infos)
    };
    world.groups().into_iter().map(known).collect()
}

/// As the command line names it: `name`, or `group:name` when they differ.
fn namespec(info: &Info) -> String {
    join(&info.group, &info.name)
}

/// `group:name`
fn full_name(info: &Info) -> String {
    format!("{}:{}", info.group, info.name)
}

/// How it ended, while it has: a start makes it 0 again.
fn exit_status(info: &Info) -> Option<i32> {
    let ended = matches!(
        info.standing.state,
        State::Stopped | State::Exited | State::Backoff | State::Fatal
    );
    Some(info.exitstatus).filter(|_| ended && info.start > 0 && info.stop > 0)
}

/// What a name of a process stands for; without a group it has that of its name.
fn find(world: &dyn Supervisor, name: &str) -> Option<ProcId> {
    let (group, process) = name.split_once(':').unwrap_or((name, name));
    world.find(group, process)
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn the_new_one_of_two_with_one_name_counts() {
        let mut fake = Fake::new();
        fake.add("web", "a", State::Running);
        let new = fake.add("web", "a", State::Starting);
        fake.add("web", "b", State::Stopped);
        let listing = listing(&fake);
        let ids: Vec<ProcId> = listing[0].1.iter().map(|info| info.id).collect();
        assert_eq!(ids, [new, ProcId(3)]);
    }

    #[test]
    fn names() {
        let mut fake = Fake::new();
        let alone = fake.add("cron", "cron", State::Running);
        let member = fake.add("web", "a", State::Running);
        assert_eq!(namespec(&fake.info(alone).unwrap()), "cron");
        assert_eq!(namespec(&fake.info(member).unwrap()), "web:a");
        assert_eq!(find(&fake, "cron"), Some(alone));
        assert_eq!(find(&fake, "cron:cron"), Some(alone));
        assert_eq!(find(&fake, "web:a"), Some(member));
        assert_eq!((find(&fake, "web"), find(&fake, "")), (None, None));
    }
}
