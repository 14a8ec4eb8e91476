//! What was done, as it travels from the answer to a form to the page that is loaded next.
//!
//! It travels in the address, where anybody can write: so it is a choice of words and counts, the
//! names in it are shown only if something has that name, and no text is taken over.

use super::escape::part;
use super::{Fields, field, find};
use crate::supervise::methods::world::{Supervisor, Unstartable};

/// What a button wants.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    Stop,
    Restart,
    Clear,
}

impl Action {
    pub(super) const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Restart, Self::Clear];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Clear => "clear",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// With what: `group:name`, `group:*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Process(String, String),
    Group(String),
    All,
}

impl Target {
    pub(super) fn parse(text: &str) -> Self {
        match text.split_once(':') {
            None if text == "*" => Self::All,
            None => Self::Process(text.to_owned(), text.to_owned()),
            Some((group, "*")) => Self::Group(group.to_owned()),
            Some((group, name)) => Self::Process(group.to_owned(), name.to_owned()),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Process(group, name) => format!("{group}:{name}"),
            Self::Group(group) => format!("{group}:*"),
            Self::All => "*".to_owned(),
        }
    }
}

/// What came of it for one process.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It runs already; it does not run.
    Needless,
    Stopping,
    Unknown,
    Shutdown,
    NoName,
    NoFile,
    SpawnError,
    LogError,
}

const OUTCOMES: [(Outcome, &str); 9] = [
    (Outcome::Done, "ok"),
    (Outcome::Needless, "needless"),
    (Outcome::Stopping, "stopping"),
    (Outcome::Unknown, "unknown"),
    (Outcome::Shutdown, "shutdown"),
    (Outcome::NoName, "name"),
    (Outcome::NoFile, "file"),
    (Outcome::SpawnError, "spawn"),
    (Outcome::LogError, "log"),
];

impl Outcome {
    fn word(self) -> &'static str {
        OUTCOMES.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, word)| word)
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Did {
    pub(super) action: Action,
    pub(super) target: Target,
    /// Of one process, or the worst of several.
    pub(super) outcome: Outcome,
    /// Of several: for how many it was done, needless, impossible.
    pub(super) counts: [usize; 3],
}

impl Did {
    /// Of several processes.
    pub(super) fn several(action: Action, target: Target, outcomes: &[Outcome]) -> Self {
        let mut counts = [0usize; 3];
        let mut worst = Outcome::Done;
        for outcome in outcomes {
            let [done, needless, failed] = &mut counts;
            let count = match outcome {
                Outcome::Done => done,
                Outcome::Needless => needless,
                _ => {
                    worst = *outcome;
                    failed
                }
            };
            *count = count.saturating_add(1);
        }
        if worst == Outcome::Done && counts.first() == Some(&0) {
            worst = Outcome::Needless;
        }
        Self { action, target, outcome: worst, counts }
    }

    /// For a query.
    pub(super) fn query(&self) -> String {
        let [done, needless, failed] = self.counts;
        let (action, target) = (self.action.word(), part(&self.target.text()));
        let outcome = self.outcome.word();
        format!("did={action}&of={target}&came={outcome}&n={done}.{needless}.{failed}")
    }

    pub(super) fn parse(query: &Fields) -> Option<Self> {
        let came = field(query, "came")?;
        let counts = field(query, "n").unwrap_or_default();
        let mut counts = counts.split('.').map(|count| count.parse::<u32>().unwrap_or(0));
        let mut count = || counts.next().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        Some(Self {
            action: Action::parse(field(query, "did")?)?,
            target: Target::parse(field(query, "of")?),
            outcome: OUTCOMES.iter().find(|(_, word)| *word == came)?.0,
            counts: [count(), count(), count()],
        })
    }

    /// Nothing of it failed.
    pub(super) fn is_well(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Needless)
    }

    /// For the reader.
    pub(super) fn words(&self, world: &dyn Supervisor) -> String {
        match &self.target {
            Target::Process(group, name) => match find(world, &self.target.text()) {
                Some(_) if group == name => self.one(world, name),
                Some(_) => self.one(world, &self.target.text()),
                None => "There is no process of that name.".to_owned(),
            },
            Target::Group(name) if world.group(name).is_some() => self.many(&format!("{name}: ")),
            Target::Group(_) => "There is no group of that name.".to_owned(),
            Target::All => self.many(""),
        }
    }

    fn one(&self, world: &dyn Supervisor, name: &str) -> String {
        let id = find(world, &self.target.text());
        let what = match (self.outcome, self.action) {
            (Outcome::Done, Action::Start) => "started",
            (Outcome::Done, Action::Stop) => "told to stop",
            (Outcome::Done, Action::Restart) => "restarted",
            (Outcome::Done, Action::Clear) => "log cleared",
            (Outcome::Needless, Action::Start | Action::Restart) => "already started",
            (Outcome::Needless, Action::Stop) => "not running",
            (Outcome::Needless, Action::Clear) => "it has no log",
            (Outcome::NoFile, _) => {
                return match id.map(|id| world.startable(id)) {
                    Some(Err(Unstartable::NoFile(why) | Unstartable::NotExecutable(why))) => {
                        format!("{name}: not started: {why}")
                    }
                    _ => format!("{name}: not started: its command could not be run"),
                };
            }
            (Outcome::SpawnError, _) => {
                let why = id.and_then(|id| world.info(id)).map(|info| info.spawnerr);
                let why =
                    why.filter(|why| !why.is_empty()).unwrap_or_else(|| "spawn error".to_owned());
                return format!("{name}: not started: {why}");
            }
            (outcome, _) => why(outcome),
        };
        format!("{name}: {what}")
    }

    fn many(&self, whose: &str) -> String {
        let [done, needless, failed] = self.counts;
        let (did, idle, not) = match self.action {
            Action::Start => ("started", "ran already", "not started"),
            Action::Stop => ("told to stop", "did not run", "not stopped"),
            Action::Restart => ("restarted", "already started", "not restarted"),
            Action::Clear => ("logs cleared", "without a log", "not cleared"),
        };
        let mut parts = Vec::new();
        if done > 0 || needless == 0 && failed == 0 {
            parts.push(format!("{done} {did}"));
        }
        if needless > 0 {
            parts.push(format!("{needless} {idle}"));
        }
        if failed > 0 {
            parts.push(format!("{failed} {not} ({})", why(self.outcome)));
        }
        format!("{whose}{}", parts.join(", "))
    }
}

fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done | Outcome::Needless => "",
        Outcome::Stopping => "it is being stopped just now",
        Outcome::Unknown => "it cannot be signalled",
        Outcome::Shutdown => "everything is being stopped",
        Outcome::NoName => "there is no such process any more",
        Outcome::NoFile => "the command cannot be run",
        Outcome::SpawnError => "spawn error",
        Outcome::LogError => "the log could not be emptied",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;
    use crate::supervise::machine::types::State;

    fn fields(query: &str) -> Vec<(String, String)> {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), value.replace("%26", "&"))
        };
        query.split('&').map(pair).collect()
    }

    #[test]
    fn it_travels() {
        for (action, outcome) in Action::ALL.iter().flat_map(|a| OUTCOMES.map(|(o, _)| (*a, o))) {
            for target in ["web:a&b", "web:*", "*"] {
                let target = Target::parse(target);
                let did = Did { action, target, outcome, counts: [1, 2, 3] };
                assert_eq!(Did::parse(&fields(&did.query())), Some(did));
            }
        }
    }

    #[test]
    fn foreign_words_are_not_shown() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        let said = |query: &str| Did::parse(&fields(query)).map(|did| did.words(&world));
        assert_eq!(said("did=pay&of=web:a&came=ok"), None);
        assert_eq!(said("did=start&of=web:a&came=call-us"), None);
        let unknown = said("did=start&of=call 555&came=ok").unwrap();
        assert_eq!(unknown, "There is no process of that name.");
        let unknown = said("did=start&of=call 555:*&came=ok").unwrap();
        assert_eq!(unknown, "There is no group of that name.");
        assert_eq!(said("did=stop&of=web:a&came=ok").unwrap(), "web:a: told to stop");
        assert_eq!(
            said("did=stop&of=*&came=ok&n=x.99999999999999999999").unwrap(),
            "0 told to stop"
        );
    }

    #[test]
    fn counts_in_words() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        let several = |action, outcomes: &[Outcome]| {
            Did::several(action, Target::Group("web".to_owned()), outcomes)
        };
        let (ok, idle, bad) = (Outcome::Done, Outcome::Needless, Outcome::SpawnError);
        let did = several(Action::Start, &[ok, idle, bad, ok]);
        assert_eq!(did.words(&world), "web: 2 started, 1 ran already, 1 not started (spawn error)");
        assert!(!did.is_well());
        let did = several(Action::Stop, &[idle, idle]);
        assert_eq!(did.words(&world), "web: 2 did not run");
        assert!(did.is_well());
        assert_eq!(several(Action::Clear, &[]).words(&world), "web: 0 logs cleared");
    }
}
