//! How a program is started in a sandbox.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::sandbox::{MARK, puppet};
use crate::sandbox_server::Server;

/// A program about to be started. The current directory is the sandbox's, stdin is /dev/null.
pub struct Launch {
    words: Vec<OsString>,
    worker: Vec<OsString>,
    variables: Vec<(OsString, Option<OsString>)>,
    clear: bool,
    stdin: Stdio,
    dir: PathBuf,
    own_group: bool,
    separate: bool,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Launch {
    pub fn new(root: &Path, program: &OsStr) -> Self {
        let foreign = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
        let mut variables: Vec<_> =
            foreign.iter().map(|name| (OsString::from(name), None)).collect();
        variables.push((MARK.into(), Some(root.into())));
        Self {
            words: vec![program.to_owned()],
            worker: Vec::new(),
            variables,
            clear: false,
            stdin: Stdio::null(),
            dir: root.to_owned(),
            own_group: false,
            separate: false,
        }
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Puts words before the program: a stage that ends in an exec of its arguments.
    pub fn through<W: AsRef<OsStr>>(mut self, stage: impl IntoIterator<Item = W>) -> Self {
        let stage: Vec<OsString> = stage.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.words.splice(0..0, stage);
        self
    }

    /// A shell line that runs first; it must end in `exec "$@"`.
    pub fn through_shell(self, line: &str) -> Self {
        self.through(["/bin/sh", "-c", line, "sh"])
    }

    /// Only the standard streams are open: whoever runs the tests may have left others.
    pub fn bare(self) -> Self {
        self.through(["perl", "-e", "use POSIX; POSIX::close($_) for 3 .. 1023; exec @ARGV or die"])
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().into(), None));
        self
    }

    /// Takes nothing over from the tests' own environment.
    pub fn env_clear(mut self) -> Self {
        self.clear = true;
        self
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// A process group of its own.
    pub fn own_group(mut self) -> Self {
        self.own_group = true;
        self
    }

    /// Two pipes, not one: [`Line::is_stdout`](crate::sandbox::Line) tells which.
    ///
    /// With one pipe, as otherwise, the order of lines is the order in which they were written.
    pub fn separate(mut self) -> Self {
        self.separate = true;
        self
    }

    /// The puppet with this script as the server program, at the end of the command line.
    pub fn worker(self, script: impl AsRef<Path>) -> Self {
        let script = script.as_ref().to_owned();
        self.program([puppet().as_os_str(), script.as_os_str()])
    }

    /// Any server program, at the end of the command line.
    pub fn program<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.worker = vec!["--".into()];
        self.worker.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// More words for the server program.
    pub fn arg_after<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.worker.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    fn start(self, stdout: OwnedFd, stderr: OwnedFd) -> (Child, String) {
        let mut words = self.words.into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(self.worker).current_dir(self.dir);
        command.stdin(self.stdin).stdout(stdout).stderr(stderr);
        if self.clear {
            command.env_clear();
        }
        for (name, value) in self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if self.own_group {
            command.process_group(0);
        }
        let shown = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        (child, shown)
    }

    pub fn spawn(self) -> Server {
        let (out, out_end) = pipe();
        if self.separate {
            let (err, err_end) = pipe();
            let (child, shown) = self.start(out_end, err_end);
            Server::new(child, shown, Some(out), Some(err))
        } else {
            let (child, shown) = self.start(out_end.try_clone().unwrap(), out_end);
            Server::new(child, shown, Some(out), None)
        }
    }

    /// Sends stdout and stderr to this file instead of a pipe.
    pub fn spawn_into(self, path: &Path) -> Server {
        let file = File::options().create(true).append(true).open(path).unwrap();
        let (child, shown) = self.start(file.try_clone().unwrap().into(), file.into());
        Server::new(child, shown, None, None)
    }

    /// Runs the program to its end.
    pub fn output(mut self) -> Finished {
        self.separate = true;
        let mut server = self.spawn();
        let code = server.wait_exit().code();
        let (stdout, stderr) = server.texts();
        Finished { code, stdout, stderr }
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}
