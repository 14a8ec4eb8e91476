//! The faults that a server of this protocol answers with: supervisord's numbers and names.

use super::value::Fault;

/// Why a call failed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum FaultCode {
    /// There is no such method.
    UnknownMethod = 1,
    /// Too few, too many, or of a wrong type.
    IncorrectParameters = 2,
    /// Values that contradict each other.
    BadArguments = 3,
    /// Nothing is known of the method that was asked about.
    SignatureUnsupported = 4,
    /// Everything is being stopped.
    ShutdownState = 6,
    /// No such process or group.
    BadName = 10,
    /// No such signal.
    BadSignal = 11,
    /// No such command, or no log.
    NoFile = 20,
    /// The command cannot be executed.
    NotExecutable = 21,
    /// Anything else that went wrong.
    Failed = 30,
    /// It ended before it was up.
    AbnormalTermination = 40,
    /// No process could be made.
    SpawnError = 50,
    /// It runs already.
    AlreadyStarted = 60,
    /// It does not run.
    NotRunning = 70,
    /// No fault: what a row of a result says of a process that did as it was told.
    Success = 80,
    /// The group is active already.
    AlreadyAdded = 90,
    /// Processes of the group run.
    StillRunning = 91,
    /// The configuration has an error.
    CantReread = 92,
}

impl FaultCode {
    /// All of them, by number.
    pub const ALL: [FaultCode; 18] = [
        FaultCode::UnknownMethod,
        FaultCode::IncorrectParameters,
        FaultCode::BadArguments,
        FaultCode::SignatureUnsupported,
        FaultCode::ShutdownState,
        FaultCode::BadName,
        FaultCode::BadSignal,
        FaultCode::NoFile,
        FaultCode::NotExecutable,
        FaultCode::Failed,
        FaultCode::AbnormalTermination,
        FaultCode::SpawnError,
        FaultCode::AlreadyStarted,
        FaultCode::NotRunning,
        FaultCode::Success,
        FaultCode::AlreadyAdded,
        FaultCode::StillRunning,
        FaultCode::CantReread,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Its name, with which the text of a fault begins.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FaultCode::UnknownMethod => "UNKNOWN_METHOD",
            FaultCode::IncorrectParameters => "INCORRECT_PARAMETERS",
            FaultCode::BadArguments => "BAD_ARGUMENTS",
            FaultCode::SignatureUnsupported => "SIGNATURE_UNSUPPORTED",
            FaultCode::ShutdownState => "SHUTDOWN_STATE",
            FaultCode::BadName => "BAD_NAME",
            FaultCode::BadSignal => "BAD_SIGNAL",
            FaultCode::NoFile => "NO_FILE",
            FaultCode::NotExecutable => "NOT_EXECUTABLE",
            FaultCode::Failed => "FAILED",
            FaultCode::AbnormalTermination => "ABNORMAL_TERMINATION",
            FaultCode::SpawnError => "SPAWN_ERROR",
            FaultCode::AlreadyStarted => "ALREADY_STARTED",
            FaultCode::NotRunning => "NOT_RUNNING",
            FaultCode::Success => "SUCCESS",
            FaultCode::AlreadyAdded => "ALREADY_ADDED",
            FaultCode::StillRunning => "STILL_RUNNING",
            FaultCode::CantReread => "CANT_REREAD",
        }
    }

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<FaultCode> {
        FaultCode::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The fault that says no more: `BAD_ARGUMENTS`.
    #[must_use]
    pub fn bare(self) -> Fault {
        Fault { code: self.number(), text: self.name().to_owned() }
    }

    /// The fault that says what it is about: `BAD_NAME: x`.
    #[must_use]
    pub fn with(self, what: impl std::fmt::Display) -> Fault {
        Fault { code: self.number(), text: format!("{}: {what}", self.name()) }
    }
}

/// The name of a number; `UNKNOWN` if it has none.
#[must_use]
pub fn name_of(number: i32) -> &'static str {
    FaultCode::from_number(number).map_or("UNKNOWN", FaultCode::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_begin_with_the_name() {
        assert_eq!(FaultCode::BadName.with("web:*"), Fault::new(10, "BAD_NAME: web:*"));
        assert_eq!(FaultCode::NoFile.bare(), Fault::new(20, "NO_FILE"));
    }

    #[test]
    fn names_are_found_by_number() {
        let numbers: Vec<i32> = FaultCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 6, 10, 11, 20, 21, 30, 40, 50, 60, 70, 80, 90, 91, 92]);
        for code in FaultCode::ALL {
            assert_eq!(FaultCode::from_number(code.number()), Some(code));
            assert_eq!(name_of(code.number()), code.name());
        }
        assert_eq!(name_of(5), "UNKNOWN");
        assert_eq!(FaultCode::from_number(0), None);
    }
}
