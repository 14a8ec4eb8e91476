//! Every method that can be called: its name, what it takes and gives, and what it does.

mod all;

use crate::supervise::rpc::{Call, Fault, FaultCode};

/// What is to be done. Names that mean the same have the same one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    /// `supervisor.addProcessGroup`
    AddProcessGroup,
    /// `supervisor.clearAllProcessLogs`
    ClearAllProcessLogs,
    /// `supervisor.clearLog`
    ClearLog,
    /// `supervisor.clearProcessLogs`, `clearProcessLog`
    ClearProcessLogs,
    /// `supervisor.getAPIVersion`, `getVersion`
    GetApiVersion,
    /// `supervisor.getAllConfigInfo`
    GetAllConfigInfo,
    /// `supervisor.getAllProcessInfo`
    GetAllProcessInfo,
    /// `supervisor.getIdentification`
    GetIdentification,
    /// `supervisor.getPID`
    GetPid,
    /// `supervisor.getProcessInfo`
    GetProcessInfo,
    /// `supervisor.getState`
    GetState,
    /// `supervisor.getSupervisorVersion`
    GetSupervisorVersion,
    /// `supervisor.readLog`, `readMainLog`
    ReadLog,
    /// `supervisor.readProcessStderrLog`
    ReadProcessStderrLog,
    /// `supervisor.readProcessStdoutLog`, `readProcessLog`
    ReadProcessStdoutLog,
    /// `supervisor.reloadConfig`
    ReloadConfig,
    /// `supervisor.removeProcessGroup`
    RemoveProcessGroup,
    /// `supervisor.restart`
    Restart,
    /// `supervisor.sendProcessStdin`
    SendProcessStdin,
    /// `supervisor.sendRemoteCommEvent`
    SendRemoteCommEvent,
    /// `supervisor.shutdown`
    Shutdown,
    /// `supervisor.signalAllProcesses`
    SignalAllProcesses,
    /// `supervisor.signalProcess`
    SignalProcess,
    /// `supervisor.signalProcessGroup`
    SignalProcessGroup,
    /// `supervisor.startAllProcesses`
    StartAllProcesses,
    /// `supervisor.startProcess`
    StartProcess,
    /// `supervisor.startProcessGroup`
    StartProcessGroup,
    /// `supervisor.stopAllProcesses`
    StopAllProcesses,
    /// `supervisor.stopProcess`
    StopProcess,
    /// `supervisor.stopProcessGroup`
    StopProcessGroup,
    /// `supervisor.tailProcessStderrLog`
    TailProcessStderrLog,
    /// `supervisor.tailProcessStdoutLog`, `tailProcessLog`
    TailProcessStdoutLog,
    /// `supervise.getAllProcessStatus`
    GetAllProcessStatus,
    /// `supervise.killProcess`
    KillProcess,
    /// `supervise.reloadProcess`
    ReloadProcess,
    /// `supervise.replaceProcess`
    ReplaceProcess,
    /// `system.listMethods`
    ListMethods,
    /// `system.methodHelp`
    MethodHelp,
    /// `system.methodSignature`
    MethodSignature,
    /// `system.multicall`
    Multicall,
}

impl Id {
    /// `system.*` answers during a shutdown as well; all others fault with SHUTDOWN_STATE then.
    pub(crate) const fn always(self) -> bool {
        matches!(self, Id::ListMethods | Id::MethodHelp | Id::MethodSignature | Id::Multicall)
    }
}

/// What a parameter stands for, which says how values of other types are taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process, or `group:process`.
    Process,
    /// A group.
    Group,
    /// A signal: its name, or its number as text or as a number.
    Signal,
    /// What a program is to read.
    Chars,
    /// Text, or anything that can be shown as a word.
    Words,
    /// A number.
    Number,
    /// Anything that is true or not; true when it is missing.
    Flag,
    /// The name of a method.
    Method,
    /// Calls.
    Calls,
}

impl Kind {
    /// The type that `system.methodSignature` says it has.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Kind::Process
            | Kind::Group
            | Kind::Signal
            | Kind::Chars
            | Kind::Words
            | Kind::Method => "string",
            Kind::Number => "int",
            Kind::Flag => "boolean",
            Kind::Calls => "array",
        }
    }
}

/// A parameter.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Param {
    /// What faults and help call it.
    pub name: &'static str,
    /// What it stands for.
    pub kind: Kind,
}

/// A method.
#[derive(Debug)]
pub(crate) struct Method {
    /// What is to be done.
    pub id: Id,
    /// With its namespace.
    pub name: &'static str,
    /// The type of its result.
    pub returns: &'static str,
    /// By position.
    pub params: &'static [Param],
    /// What it does, in some sentences.
    pub help: &'static str,
}

impl Method {
    /// Whether it can be called with so many parameters. Flags can be left out.
    fn takes(&self, count: usize) -> bool {
        let required = self.params.iter().filter(|param| param.kind != Kind::Flag).count();
        (required..=self.params.len()).contains(&count)
    }
}

/// All methods, sorted by name.
pub(crate) fn methods() -> &'static [Method] {
    all::METHODS
}

/// The method of this name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    let at = all::METHODS.binary_search_by(|method| method.name.cmp(name)).ok()?;
    all::METHODS.get(at)
}

/// The method that is called, if it takes so many parameters. Of which types they are is seen when they
/// are used, since supervisord finds other faults before that one.
///
/// # Errors
/// UNKNOWN_METHOD, INCORRECT_PARAMETERS.
pub(crate) fn check(call: &Call) -> Result<&'static Method, Fault> {
    let method = find(&call.method).ok_or_else(|| FaultCode::UnknownMethod.bare())?;
    if !method.takes(call.params.len()) {
        return Err(FaultCode::IncorrectParameters.bare());
    }
    Ok(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, count: usize) -> Call {
        Call {
            method: method.to_owned(),
            params: vec![crate::supervise::rpc::Value::Int(0); count],
        }
    }

    #[test]
    fn sorted_with_help() {
        for pair in methods().windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
        for method in methods() {
            assert!(
                method.help.ends_with('.') && !method.help.contains("  "),
                "{}: {}",
                method.name,
                method.help
            );
            assert_eq!(find(method.name).map(|found| found.id), Some(method.id));
            // Flags can be left out, so nothing that must be there may follow one.
            let flags = method.params.iter().skip_while(|param| param.kind != Kind::Flag);
            assert!(flags.clone().all(|param| param.kind == Kind::Flag), "{}", method.name);
            assert_eq!(method.id.always(), method.name.starts_with("system."));
        }
    }

    #[test]
    fn names_of_old() {
        for (alias, name) in [
            ("getVersion", "getAPIVersion"),
            ("readMainLog", "readLog"),
            ("readProcessLog", "readProcessStdoutLog"),
            ("tailProcessLog", "tailProcessStdoutLog"),
            ("clearProcessLog", "clearProcessLogs"),
        ] {
            let id = |name: &str| find(&format!("supervisor.{name}")).unwrap().id;
            assert_eq!(id(alias), id(name));
        }
    }

    #[test]
    fn numbers_of_parameters() {
        for (method, counts) in [
            ("supervisor.getPID", 0..=0),
            ("supervisor.startProcess", 1..=2),
            ("supervisor.startAllProcesses", 0..=1),
            ("supervisor.signalProcess", 2..=2),
            ("supervisor.tailProcessLog", 3..=3),
            ("system.listMethods", 0..=0),
            ("system.multicall", 1..=1),
            ("supervise.replaceProcess", 1..=2),
        ] {
            for count in 0..5 {
                let checked = check(&call(method, count)).map(|found| found.name);
                let wrong = Err(FaultCode::IncorrectParameters.bare());
                assert_eq!(
                    checked,
                    if counts.contains(&count) { Ok(method) } else { wrong },
                    "{method} {count}"
                );
            }
        }
    }

    #[test]
    fn unknown_methods() {
        for name in [
            "",
            "getPID",
            "supervisor",
            "supervisor.",
            ".getPID",
            "supervisor.getPID.x",
            "supervisor._update",
            "system._listMethods",
            "Supervisor.getPID",
            " supervisor.getPID",
            "supervisor.getpid",
        ] {
            assert_eq!(
                check(&call(name, 0)).unwrap_err(),
                FaultCode::UnknownMethod.bare(),
                "{name}"
            );
        }
    }
}
