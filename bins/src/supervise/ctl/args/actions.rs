//! What `supervise ctl` can do: names, operands and help. Completion scripts are made of it, too.

/// An action.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ActionInfo {
    /// Its name.
    pub name: &'static str,
    /// What comes behind it.
    pub operands: Operands,
    /// The same as a synopsis has it.
    pub usage: &'static str,
    /// What it does, in one line without a full stop.
    pub about: &'static str,
    /// Long options that belong to it.
    pub options: &'static [&'static str],
    /// The lines of `help ACTION`, which are those of supervisorctl where that has the action.
    pub help: &'static [&'static str],
}

/// What the operands of an action name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Operands {
    /// There are none.
    Nothing,
    /// Any number of processes.
    Processes,
    /// One process.
    Process,
    /// A process, and perhaps one of its streams.
    Log,
    /// A signal, then processes.
    Signal,
    /// Groups.
    Groups,
    /// Another action.
    Action,
    /// A shell.
    Shell,
    /// The address of a server.
    Url,
    /// `-f` or a number.
    Amount,
}

impl ActionInfo {
    /// The action of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static ActionInfo> {
        ACTIONS.iter().find(|action| action.name == name)
    }
}

const fn action(
    name: &'static str,
    operands: Operands,
    usage: &'static str,
    about: &'static str,
    help: &'static [&'static str],
) -> ActionInfo {
    ActionInfo { name, operands, usage, about, options: &[], help }
}

const KILL: &[&str] = &[
    "kill <name> [...]\tSend KILL to processes. They stay stopped; supervisord starts them again",
    "\t\t\tas after any other death",
    "killme <name> [...]\tThe same",
];

const RESTART: ActionInfo = ActionInfo {
    options: &["rolling", "hot"],
    ..action(
        "restart",
        Operands::Processes,
        "NAME...",
        "stop and start processes",
        &[
            "restart <name>\t\tRestart a process",
            "restart <gname>:*\tRestart all processes in a group",
            "restart <name> <name>\tRestart multiple processes or groups",
            "restart all\t\tRestart all processes",
            "Note: restart does not reread config files. For that, see reread and update.",
            "restart --rolling ...\tOne process after the other, each RUNNING before the next; the first",
            "\t\t\tfailure ends it",
            "restart --hot ...\tBy a new process that is ready before the old one goes; for programs",
            "\t\t\twith hot=true",
        ],
    )
};

const WATCH: ActionInfo = ActionInfo {
    options: &["interval"],
    ..action(
        "watch",
        Operands::Processes,
        "[-n SECONDS] [NAME...]",
        "show states again and again",
        &[
            "watch [<name> ...]\tShow states every second, in place; q or Ctrl-C ends it. Without a",
            "\t\t\tterminal only the lines that have changed are written",
            "watch -n 5 ...\t\tEvery five seconds",
        ],
    )
};

/// All actions, sorted by name.
#[rustfmt::skip]
pub const ACTIONS: &[ActionInfo] = &[
    action("add", Operands::Groups, "GROUP...", "make groups active that are configured",
        &["add <name> [...]\tActivates any updates in config for process/group"]),
    action("avail", Operands::Nothing, "", "show what is configured",
        &["avail\t\t\tDisplay all configured processes"]),
    action("clear", Operands::Processes, "NAME...", "empty the logs of processes", &[
        "clear <name>\t\tClear a process' log files.",
        "clear <name> <name>\tClear multiple process' log files",
        "clear all\t\tClear all process' log files",
    ]),
    action("completions", Operands::Shell, "SHELL", "print a completion script for a shell", &[
        "completions <shell>\tPrint what makes bash, zsh or fish complete command lines",
    ]),
    action("exit", Operands::Nothing, "", "leave the prompt", &["exit\tExit the supervisor shell."]),
    action("fg", Operands::Process, "NAME", "talk to a process in the foreground", &[
        "fg <process>\tConnect to a process in foreground mode",
        "\t\tCtrl-C to exit",
    ]),
    action("help", Operands::Action, "[ACTION]", "explain an action, or list them all", &[
        "help\t\tPrint a list of available actions",
        "help <action>\tPrint help for <action>",
    ]),
    action("kill", Operands::Processes, "NAME...", "send KILL to processes", KILL),
    action("killme", Operands::Processes, "NAME...", "the same as kill", KILL),
    action("maintail", Operands::Amount, "[-f | -BYTES]", "show the end of the main log", &[
        "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)",
        "maintail -100\tlast 100 *bytes* of supervisord main log file",
        "maintail\tlast 1600 *bytes* of supervisor main log file",
        "",
    ]),
    action("open", Operands::Url, "URL", "talk to another server", &[
        "open <url>\tConnect to a remote supervisord process.",
        "\t\t(for UNIX domain socket, use unix:///socket/path)",
    ]),
    action("pid", Operands::Processes, "[NAME... | all]", "show process IDs", &[
        "pid\t\t\tGet the PID of supervisord.",
        "pid <name>\t\tGet the PID of a single child process by name.",
        "pid all\t\t\tGet the PID of every child process, one per line.",
    ]),
    action("quit", Operands::Nothing, "", "leave the prompt", &["quit\tExit the supervisor shell."]),
    action("reload", Operands::Processes, "[NAME...]", "have processes reload; without: restart the server", &[
        "reload \t\tRestart the remote supervisord.",
        "reload <name> [...]\tHave processes read their configuration: send them their reloadsignal",
    ]),
    action("remove", Operands::Groups, "GROUP...", "forget groups whose processes are stopped",
        &["remove <name> [...]\tRemoves process/group from active config"]),
    action("reread", Operands::Nothing, "", "read the configuration again without applying it",
        &["reread \t\t\tReload the daemon's configuration files without add/remove"]),
    RESTART,
    action("shutdown", Operands::Nothing, "", "stop everything and end the supervisor",
        &["shutdown \tShut the remote supervisord down."]),
    action("signal", Operands::Signal, "SIGNAL NAME...", "send a signal to processes", &[
        "signal <signal name> <name>\t\tSignal a process",
        "signal <signal name> <gname>:*\t\tSignal all processes in a group",
        "signal <signal name> <name> <name>\tSignal multiple processes or groups",
        "signal <signal name> all\t\tSignal all processes",
    ]),
    action("start", Operands::Processes, "NAME...", "start processes", &[
        "start <name>\t\tStart a process",
        "start <gname>:*\t\tStart all processes in a group",
        "start <name> <name>\tStart multiple processes or groups",
        "start all\t\tStart all processes",
    ]),
    action("stat", Operands::Processes, "NAME...", "say whether processes are alive or dead", &[
        "stat <name> [...]\tSay \"alive\" or \"dead\"; the exit code is 0 if all are alive",
    ]),
    action("status", Operands::Processes, "[NAME...]", "show the states of processes", &[
        "status <name>\t\tGet status for a single process",
        "status <gname>:*\tGet status for all processes in a group",
        "status <name> <name>\tGet status for multiple named processes",
        "status\t\t\tGet all process status info",
    ]),
    action("stop", Operands::Processes, "NAME...", "stop processes", &[
        "stop <name>\t\tStop a process",
        "stop <gname>:*\t\tStop all processes in a group",
        "stop <name> <name>\tStop multiple processes or groups",
        "stop all\t\tStop all processes",
    ]),
    action("tail", Operands::Log, "[-f | -BYTES] NAME [stdout | stderr]", "show the end of a log", &[
        "tail [-f] <name> [stdout|stderr] (default stdout)",
        "Ex:",
        "tail -f <name>\t\tContinuous tail of named process stdout",
        "\t\t\tCtrl-C to exit.",
        "tail -100 <name>\tlast 100 *bytes* of process stdout",
        "tail <name> stderr\tlast 1600 *bytes* of process stderr",
    ]),
    action("update", Operands::Groups, "[GROUP...]", "read the configuration again and apply it", &[
        "update\t\t\tReload config and add/remove as necessary, and will restart affected programs",
        "update all\t\tReload config and add/remove as necessary, and will restart affected programs",
        "update <gname> [...]\tUpdate specific groups",
    ]),
    action("version", Operands::Nothing, "", "show the version of the server",
        &["version\t\t\tShow the version of the remote supervisord process"]),
    WATCH,
];
