//! The types of events, and what a subscription to a name means.

use std::ops::BitOr;

use crate::supervise::machine::types::{Mood, State};

/// Which of the two streams of a process.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// As it stands in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)*) => {
        /// What can happen. The abstract types, such as PROCESS_STATE, are [`Kinds`].
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every type there is.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// `eventname:` in the header, and a word of `events=`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A process was stopped.
    ProcessStateStopped "PROCESS_STATE_STOPPED",
    /// A process has exited.
    ProcessStateExited "PROCESS_STATE_EXITED",
    /// A process is being started.
    ProcessStateStarting "PROCESS_STATE_STARTING",
    /// A process is being stopped.
    ProcessStateStopping "PROCESS_STATE_STOPPING",
    /// A process did not stay up long enough.
    ProcessStateBackoff "PROCESS_STATE_BACKOFF",
    /// A process did not come up after all tries.
    ProcessStateFatal "PROCESS_STATE_FATAL",
    /// A process is up.
    ProcessStateRunning "PROCESS_STATE_RUNNING",
    /// A process could not be signalled.
    ProcessStateUnknown "PROCESS_STATE_UNKNOWN",
    /// A process wrote something between the capture marks on standard output.
    ProcessCommunicationStdout "PROCESS_COMMUNICATION_STDOUT",
    /// The same on standard error.
    ProcessCommunicationStderr "PROCESS_COMMUNICATION_STDERR",
    /// A process wrote to its standard output.
    ProcessLogStdout "PROCESS_LOG_STDOUT",
    /// A process wrote to its standard error.
    ProcessLogStderr "PROCESS_LOG_STDERR",
    /// `sendRemoteCommEvent` was called.
    RemoteCommunication "REMOTE_COMMUNICATION",
    /// The supervisor is up.
    SupervisorStateChangeRunning "SUPERVISOR_STATE_CHANGE_RUNNING",
    /// The supervisor stops everything.
    SupervisorStateChangeStopping "SUPERVISOR_STATE_CHANGE_STOPPING",
    /// A multiple of five seconds of the clock.
    Tick5 "TICK_5",
    /// A minute of the clock.
    Tick60 "TICK_60",
    /// An hour of the clock.
    Tick3600 "TICK_3600",
    /// A group came into the running configuration.
    ProcessGroupAdded "PROCESS_GROUP_ADDED",
    /// A group left it.
    ProcessGroupRemoved "PROCESS_GROUP_REMOVED",
}

impl Kind {
    /// The event of a process that is now in this state.
    #[must_use]
    pub const fn of_state(state: State) -> Kind {
        match state {
            State::Stopped => Kind::ProcessStateStopped,
            State::Starting => Kind::ProcessStateStarting,
            State::Running => Kind::ProcessStateRunning,
            State::Backoff => Kind::ProcessStateBackoff,
            State::Stopping => Kind::ProcessStateStopping,
            State::Exited => Kind::ProcessStateExited,
            State::Fatal => Kind::ProcessStateFatal,
            State::Unknown => Kind::ProcessStateUnknown,
        }
    }

    /// The event of the supervisor's own change; a restart is a stop first.
    #[must_use]
    pub const fn of_mood(mood: Mood) -> Kind {
        match mood {
            Mood::Running => Kind::SupervisorStateChangeRunning,
            Mood::Restarting | Mood::ShuttingDown => Kind::SupervisorStateChangeStopping,
        }
    }

    /// The event of output.
    #[must_use]
    pub const fn of_log(stream: Stream) -> Kind {
        match stream {
            Stream::Stdout => Kind::ProcessLogStdout,
            Stream::Stderr => Kind::ProcessLogStderr,
        }
    }

    /// The event of captured output.
    #[must_use]
    pub const fn of_communication(stream: Stream) -> Kind {
        match stream {
            Stream::Stdout => Kind::ProcessCommunicationStdout,
            Stream::Stderr => Kind::ProcessCommunicationStderr,
        }
    }

    const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

/// The abstract types: each stands for all whose names begin with it.
const PARENTS: &[&str] = &[
    "PROCESS_STATE",
    "PROCESS_COMMUNICATION",
    "PROCESS_LOG",
    "SUPERVISOR_STATE_CHANGE",
    "TICK",
    "PROCESS_GROUP",
];

/// Several types of events.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(u32);

impl Kinds {
    /// Nothing.
    pub const NONE: Kinds = Kinds(0);

    /// What a word of `events=` stands for, in capitals; `None`: there is no such type.
    ///
    /// ```
    /// use superdaemon::supervise::events::{Kind, Kinds};
    ///
    /// let ticks = Kinds::named("TICK").unwrap();
    /// assert!(ticks.contains(Kind::Tick60) && !ticks.contains(Kind::ProcessGroupAdded));
    /// assert_eq!(Kinds::named("TOCK"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Kinds> {
        let parent = PARENTS.contains(&name);
        let under = |kind: &&Kind| {
            let rest = kind.name().strip_prefix(name);
            name == "EVENT" || rest.is_some_and(|it| it.is_empty() || parent && it.starts_with('_'))
        };
        let found: Kinds = Kind::ALL.iter().filter(under).copied().collect();
        (found != Kinds::NONE).then_some(found)
    }

    /// It is one of these.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }
}

impl BitOr for Kinds {
    type Output = Kinds;

    fn bitor(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Kinds {
        kinds.into_iter().fold(Kinds::NONE, |all, kind| Kinds(all.0 | kind.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_bit_and_a_name_of_its_own() {
        assert_eq!(Kind::ALL.len(), 20);
        for (at, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind.bit(), 1 << at);
            let alone: Kinds = [*kind].into_iter().collect();
            assert_eq!(Kinds::named(kind.name()), Some(alone));
        }
    }

    #[test]
    fn abstract_names_stand_for_their_children() {
        let count = |name| {
            let kinds = Kinds::named(name).unwrap_or_default();
            Kind::ALL.iter().filter(|kind| kinds.contains(**kind)).count()
        };
        let expected = [
            ("EVENT", 20),
            ("PROCESS_STATE", 8),
            ("PROCESS_COMMUNICATION", 2),
            ("PROCESS_LOG", 2),
            ("SUPERVISOR_STATE_CHANGE", 2),
            ("TICK", 3),
            ("PROCESS_GROUP", 2),
            ("REMOTE_COMMUNICATION", 1),
        ];
        for (name, children) in expected {
            assert_eq!(count(name), children, "{name}");
        }
        for name in ["", "PROCESS", "PROCESS_", "TICK_", "TICK_6", "tick", "EVENTS", "REMOTE"] {
            assert_eq!(Kinds::named(name), None, "{name}");
        }
    }

    #[test]
    fn states_and_moods_have_their_events() {
        for state in [State::Stopped, State::Exited, State::Fatal, State::Unknown] {
            let name = format!("PROCESS_STATE_{state:?}").to_uppercase();
            assert_eq!(Kind::of_state(state).name(), name);
        }
        for state in [State::Starting, State::Running, State::Backoff, State::Stopping] {
            let name = format!("PROCESS_STATE_{state:?}").to_uppercase();
            assert_eq!(Kind::of_state(state).name(), name);
        }
        assert_eq!(Kind::of_mood(Mood::Restarting), Kind::SupervisorStateChangeStopping);
        assert_eq!(Kind::of_log(Stream::Stderr).name(), "PROCESS_LOG_STDERR");
    }
}
