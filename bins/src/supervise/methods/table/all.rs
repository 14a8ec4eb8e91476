//! The table itself.

use super::{Id, Kind, Method, Param};

const NAME: Param = Param { name: "name", kind: Kind::Process };
const GROUP: Param = Param { name: "name", kind: Kind::Group };
const WAIT: Param = Param { name: "wait", kind: Kind::Flag };
const SIGNAL: Param = Param { name: "signal", kind: Kind::Signal };
const OFFSET: Param = Param { name: "offset", kind: Kind::Number };
const LENGTH: Param = Param { name: "length", kind: Kind::Number };
const CHARS: Param = Param { name: "chars", kind: Kind::Chars };
const TYPE: Param = Param { name: "type", kind: Kind::Words };
const DATA: Param = Param { name: "data", kind: Kind::Words };
const METHOD: Param = Param { name: "name", kind: Kind::Method };
const CALLS: Param = Param { name: "calls", kind: Kind::Calls };

const CLEAR: &str = "Empties both logs of a process.";
const API: &str = "The version of this interface, as supervisord numbers it.";
const READ_MAIN: &str = "A part of the main log. With an offset below 0 and the length 0, the last bytes; with the length \
    0, everything from the offset on.";
const READ_OUTPUT: &str = "A part of what a process wrote to its standard output. With an offset below 0 and the length 0, \
    the last bytes; with the length 0, everything from the offset on.";
const TAIL_OUTPUT: &str = "The end of what a process wrote to its standard output: the last length bytes at most. The \
    result has the text, the size of the log, which is the offset for the next call, and whether \
    anything between offset and the text was left out.";

const fn method(
    id: Id,
    name: &'static str,
    returns: &'static str,
    params: &'static [Param],
    help: &'static str,
) -> Method {
    Method { id, name, returns, params, help }
}

/// Sorted by name, which is how they are found and listed.
pub(super) const METHODS: &[Method] = &[
    method(
        Id::GetAllProcessStatus,
        "supervise.getAllProcessStatus",
        "array",
        &[],
        "Everything that is known of every process, one struct for each.",
    ),
    method(
        Id::KillProcess,
        "supervise.killProcess",
        "boolean",
        &[NAME],
        "Kills a process and what it started with KILL, without waiting for it to stop by itself.",
    ),
    method(
        Id::ReloadProcess,
        "supervise.reloadProcess",
        "boolean",
        &[NAME],
        "Sends a process the signal that makes it read its settings again (reloadsignal).",
    ),
    method(
        Id::ReplaceProcess,
        "supervise.replaceProcess",
        "boolean",
        &[NAME, WAIT],
        "Replaces a hot program while it serves: a new process is started beside the old one, which is \
        stopped once the new one runs. Waits until both are done if wait is true.",
    ),
    method(
        Id::AddProcessGroup,
        "supervisor.addProcessGroup",
        "boolean",
        &[GROUP],
        "Makes a group active that the configuration as it was read last has. Its processes start if they \
        start by themselves.",
    ),
    method(
        Id::ClearAllProcessLogs,
        "supervisor.clearAllProcessLogs",
        "array",
        &[],
        "Empties the logs of all processes. The result has one row for each, with what came of it.",
    ),
    method(Id::ClearLog, "supervisor.clearLog", "boolean", &[], "Empties the main log."),
    method(Id::ClearProcessLogs, "supervisor.clearProcessLog", "boolean", &[NAME], CLEAR),
    method(Id::ClearProcessLogs, "supervisor.clearProcessLogs", "boolean", &[NAME], CLEAR),
    method(Id::GetApiVersion, "supervisor.getAPIVersion", "string", &[], API),
    method(
        Id::GetAllConfigInfo,
        "supervisor.getAllConfigInfo",
        "array",
        &[],
        "The settings of every process in the configuration, active or not, one struct for each.",
    ),
    method(
        Id::GetAllProcessInfo,
        "supervisor.getAllProcessInfo",
        "array",
        &[],
        "The state of every process, one struct for each, as getProcessInfo gives it.",
    ),
    method(
        Id::GetIdentification,
        "supervisor.getIdentification",
        "string",
        &[],
        "The identifier of this supervisor, from its configuration.",
    ),
    method(Id::GetPid, "supervisor.getPID", "int", &[], "The process number of this supervisor."),
    method(
        Id::GetProcessInfo,
        "supervisor.getProcessInfo",
        "struct",
        &[NAME],
        "The state of a process: its names, number, times in seconds since 1970, last exit, logs, and a \
        description for people.",
    ),
    method(
        Id::GetState,
        "supervisor.getState",
        "struct",
        &[],
        "The state of this supervisor: statecode is 1 and statename RUNNING while programs are kept \
        running.",
    ),
    method(
        Id::GetSupervisorVersion,
        "supervisor.getSupervisorVersion",
        "string",
        &[],
        "The version of supervisord that this supervisor behaves as.",
    ),
    method(Id::GetApiVersion, "supervisor.getVersion", "string", &[], API),
    method(Id::ReadLog, "supervisor.readLog", "string", &[OFFSET, LENGTH], READ_MAIN),
    method(Id::ReadLog, "supervisor.readMainLog", "string", &[OFFSET, LENGTH], READ_MAIN),
    method(
        Id::ReadProcessStdoutLog,
        "supervisor.readProcessLog",
        "string",
        &[NAME, OFFSET, LENGTH],
        READ_OUTPUT,
    ),
    method(
        Id::ReadProcessStderrLog,
        "supervisor.readProcessStderrLog",
        "string",
        &[NAME, OFFSET, LENGTH],
        "A part of what a process wrote to its standard error. With an offset below 0 and the length 0, \
        the last bytes; with the length 0, everything from the offset on.",
    ),
    method(
        Id::ReadProcessStdoutLog,
        "supervisor.readProcessStdoutLog",
        "string",
        &[NAME, OFFSET, LENGTH],
        READ_OUTPUT,
    ),
    method(
        Id::ReloadConfig,
        "supervisor.reloadConfig",
        "array",
        &[],
        "Reads the configuration again, without applying it. The result holds one array of three: the \
        groups that are new, those that have changed, and those that are gone. Each is applied by \
        removing and adding the group.",
    ),
    method(
        Id::RemoveProcessGroup,
        "supervisor.removeProcessGroup",
        "boolean",
        &[GROUP],
        "Makes a group inactive. All its processes must have stopped.",
    ),
    method(
        Id::Restart,
        "supervisor.restart",
        "boolean",
        &[],
        "Stops everything, reads the configuration again and begins anew.",
    ),
    method(
        Id::SendProcessStdin,
        "supervisor.sendProcessStdin",
        "boolean",
        &[NAME, CHARS],
        "Writes text, in UTF-8, or bytes to the standard input of a process.",
    ),
    method(
        Id::SendRemoteCommEvent,
        "supervisor.sendRemoteCommEvent",
        "boolean",
        &[TYPE, DATA],
        "Sends event listeners a REMOTE_COMMUNICATION event of this type, with this text.",
    ),
    method(
        Id::Shutdown,
        "supervisor.shutdown",
        "boolean",
        &[],
        "Stops everything and ends this supervisor.",
    ),
    method(
        Id::SignalAllProcesses,
        "supervisor.signalAllProcesses",
        "array",
        &[SIGNAL],
        "Sends a signal, by name or number, to every process that runs. The result has one row for each.",
    ),
    method(
        Id::SignalProcess,
        "supervisor.signalProcess",
        "boolean",
        &[NAME, SIGNAL],
        "Sends a signal, by name or number, to a process.",
    ),
    method(
        Id::SignalProcessGroup,
        "supervisor.signalProcessGroup",
        "array",
        &[GROUP, SIGNAL],
        "Sends a signal, by name or number, to the processes of a group that run. The result has one row \
        for each.",
    ),
    method(
        Id::StartAllProcesses,
        "supervisor.startAllProcesses",
        "array",
        &[WAIT],
        "Starts every process that does not run, and waits until they are up if wait is true. The \
        result has one row for each, with what came of it.",
    ),
    method(
        Id::StartProcess,
        "supervisor.startProcess",
        "boolean",
        &[NAME, WAIT],
        "Starts a process, and waits until it is up if wait is true. With group:* it starts the \
        group, and the result is startProcessGroup's.",
    ),
    method(
        Id::StartProcessGroup,
        "supervisor.startProcessGroup",
        "array",
        &[GROUP, WAIT],
        "Starts the processes of a group that do not run, and waits until they are up if wait is true. \
        The result has one row for each, with what came of it.",
    ),
    method(
        Id::StopAllProcesses,
        "supervisor.stopAllProcesses",
        "array",
        &[WAIT],
        "Stops every process that runs, and waits until they have ended if wait is true. The result has \
        one row for each, with what came of it.",
    ),
    method(
        Id::StopProcess,
        "supervisor.stopProcess",
        "boolean",
        &[NAME, WAIT],
        "Stops a process, and waits until it has ended if wait is true. With group:* it stops the \
        group, and the result is stopProcessGroup's.",
    ),
    method(
        Id::StopProcessGroup,
        "supervisor.stopProcessGroup",
        "array",
        &[GROUP, WAIT],
        "Stops the processes of a group that run, and waits until they have ended if wait is true. The \
        result has one row for each, with what came of it.",
    ),
    method(
        Id::TailProcessStdoutLog,
        "supervisor.tailProcessLog",
        "array",
        &[NAME, OFFSET, LENGTH],
        TAIL_OUTPUT,
    ),
    method(
        Id::TailProcessStderrLog,
        "supervisor.tailProcessStderrLog",
        "array",
        &[NAME, OFFSET, LENGTH],
        "The end of what a process wrote to its standard error: the last length bytes at most. The \
        result has the text, the size of the log, which is the offset for the next call, and whether \
        anything between offset and the text was left out.",
    ),
    method(
        Id::TailProcessStdoutLog,
        "supervisor.tailProcessStdoutLog",
        "array",
        &[NAME, OFFSET, LENGTH],
        TAIL_OUTPUT,
    ),
    method(Id::ListMethods, "system.listMethods", "array", &[], "The names of all methods."),
    method(
        Id::MethodHelp,
        "system.methodHelp",
        "string",
        &[METHOD],
        "What a method does, and the types of what it takes and gives.",
    ),
    method(
        Id::MethodSignature,
        "system.methodSignature",
        "array",
        &[METHOD],
        "The type of a method's result, then the types of its parameters.",
    ),
    method(
        Id::Multicall,
        "system.multicall",
        "array",
        &[CALLS],
        "Makes calls one after the other, each a struct with methodName and params. The result has in the \
        place of each what it gave, or a struct with faultCode and faultString.",
    ),
];
