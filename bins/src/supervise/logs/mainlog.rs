//! The supervisor's own log, line by line in supervisord's format.

use std::fmt::Display;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::sink::{Sink, SinkTarget, Written};
use super::{Trouble, clock};
use crate::report::{Outlet, Stream};
use crate::supervise::config::model::{Daemon, Level};
use crate::supervise::lines::Line;

/// Bytes that may wait for a log that cannot be written.
const BACKLOG: usize = 256 * 1024;

/// What the configuration says of the main log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainLogOptions {
    /// A path, or `syslog`.
    pub logfile: String,
    /// Bytes after which it rotates; 0 never.
    pub maxbytes: i64,
    /// Rotated logs that are kept.
    pub backups: i64,
    /// What is less serious is left out.
    pub level: Level,
    /// Copy each line to standard output.
    pub stdout: bool,
}

impl MainLogOptions {
    /// What `[supervisord]` says.
    #[must_use]
    pub fn of(daemon: &Daemon) -> Self {
        // supervisord writes each line twice when the log itself is standard output.
        let copied = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        let twice = copied.contains(&daemon.logfile.as_str());
        Self {
            logfile: daemon.logfile.clone(),
            maxbytes: daemon.logfile_maxbytes,
            backups: daemon.logfile_backups,
            level: daemon.loglevel,
            stdout: daemon.nodaemon && !daemon.silent && !twice,
        }
    }

    fn target(&self) -> SinkTarget {
        match self.logfile.as_str() {
            "syslog" => SinkTarget::Syslog { name: String::new() },
            path => SinkTarget::Path(PathBuf::from(path)),
        }
    }
}

/// The supervisor's own log.
///
/// It neither waits nor fails: what cannot be written waits within bounds, what exceeds them is
/// counted, and standard error is told once.
#[derive(Debug)]
pub struct MainLog {
    options: MainLogOptions,
    /// `None` while it cannot be opened, which each line tries again.
    sink: Option<Sink>,
    copy: Option<Outlet>,
    errors: Outlet,
    /// It has been told that the log cannot be opened.
    told: bool,
    lost: u64,
}

impl MainLog {
    /// Opens the log; if that fails, standard error says so, and the next line tries again.
    #[must_use]
    pub fn open(options: MainLogOptions) -> Self {
        let copy = options.stdout.then(|| Outlet::new(Stream::Out));
        let errors = Outlet::new(Stream::Err);
        let mut log = Self { options, sink: None, copy, errors, told: false, lost: 0 };
        log.try_open();
        log
    }

    fn try_open(&mut self) {
        let Self { options, .. } = self;
        match Sink::open(&options.target(), options.maxbytes, options.backups) {
            Ok(sink) => {
                self.sink = Some(sink);
                self.told = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    let name = &self.options.logfile;
                    self.errors.line(&format_args!("could not open log {name}: {error}"));
                }
            }
        }
    }

    /// Whether a line of this level would be written.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        level >= self.options.level
    }

    /// Whether it could be opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sink.is_some()
    }

    /// Writes a line, if it is serious enough.
    pub fn log(&mut self, level: Level, text: &dyn Display) {
        if self.wants(level) {
            let line = line(level, text, SystemTime::now());
            if let Some(copy) = &mut self.copy {
                copy.bytes(line.clone().into_bytes());
            }
            self.write(&line);
        }
    }

    fn write(&mut self, line: &str) {
        if self.sink.is_none() {
            self.try_open();
        }
        let Some(sink) = &mut self.sink else {
            self.lost = self.lost.saturating_add(1);
            return;
        };
        if sink.backlog().saturating_add(line.len()) > BACKLOG {
            let written = sink.flush();
            self.tell(written);
        }
        let Some(sink) = &mut self.sink else {
            return;
        };
        if sink.backlog().saturating_add(line.len()) > BACKLOG {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let mut written = Written::default();
        if self.lost > 0 {
            let text = format!("{} lines of this log were lost", self.lost);
            written = sink.write(self::line(Level::Warn, &text, SystemTime::now()).as_bytes());
            self.lost = 0;
        }
        let last = sink.write(line.as_bytes());
        written.troubles.extend(last.troubles);
        self.tell(written);
    }

    fn tell(&mut self, written: Written) {
        for trouble in written.troubles {
            self.errors.line(&trouble);
        }
    }

    /// Writes one of the known lines, if it is serious enough.
    pub fn say(&mut self, line: &Line) {
        self.log(line.level(), line);
    }

    /// A log of a program is in trouble, or no longer.
    pub fn trouble(&mut self, trouble: &Trouble) {
        self.log(trouble.level(), trouble);
    }

    /// Tries again to write what waits.
    pub fn flush(&mut self) {
        if let Some(copy) = &mut self.copy {
            copy.flush();
        }
        self.errors.flush();
        let written = self.sink.as_mut().map(Sink::flush);
        if let Some(written) = written {
            self.tell(written);
        }
    }

    /// What to wait for (POLLOUT) before the next [`flush`](Self::flush).
    pub fn fds_to_wait_for(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let busy = |outlet: &Outlet| outlet.backlog() > 0;
        let copy = self.copy.as_ref().filter(|copy| busy(copy)).map(|_| Stream::Out.fd());
        let errors = busy(&self.errors).then(|| Stream::Err.fd());
        let sink = self.sink.as_ref().and_then(Sink::fd_to_wait_for);
        copy.into_iter().chain(errors).chain(sink)
    }

    /// When to [`flush`](Self::flush) although no descriptor says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.sink.as_ref().and_then(Sink::retry_after)
    }

    /// Opens the file under its name once more.
    pub fn reopen(&mut self) {
        match self.sink.as_mut().map(Sink::reopen) {
            Some(Some(trouble)) => self.errors.line(&trouble),
            Some(None) => {}
            None => self.try_open(),
        }
    }

    /// Empties the file.
    ///
    /// # Errors
    /// When it could not be emptied.
    pub fn clear(&mut self) -> std::io::Result<()> {
        self.sink.as_mut().map_or(Ok(()), Sink::clear)
    }

    /// The path of a regular file, from which the log can be read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.sink.as_ref().and_then(Sink::file)
    }

    /// What the configuration says now. The same file goes on.
    pub fn configure(&mut self, options: MainLogOptions) {
        if options.stdout != self.copy.is_some() {
            self.copy = options.stdout.then(|| Outlet::new(Stream::Out));
        }
        let same = options.logfile == self.options.logfile;
        self.options = options;
        match &mut self.sink {
            Some(sink) if same => sink.limit(self.options.maxbytes, self.options.backups),
            _ => {
                self.sink = None;
                self.try_open();
            }
        }
    }

    /// The last words: waits a little for standard output and standard error.
    pub fn close(mut self) {
        self.flush();
        let limit = Duration::from_secs(1);
        if let Some(copy) = &mut self.copy {
            copy.drain(limit);
        }
        for trouble in self.sink.take().map(Sink::close).unwrap_or_default() {
            self.errors.line(&trouble);
        }
        self.errors.drain(limit);
    }
}

fn line(level: Level, text: &dyn Display, now: SystemTime) -> String {
    let level = match level {
        Level::Blather => "BLAT",
        Level::Trace => "TRAC",
        Level::Debug => "DEBG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERRO",
        Level::Critical => "CRIT",
    };
    format!("{} {level} {text}\n", clock::local(now))
}

/// What a program wrote, as the main log has it at level debug.
#[must_use]
pub fn output(name: &str, channel: &str, bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("'{name}' {channel} output:\n{text}"),
        Err(_) => {
            format!("'{name}' {channel} output:\nUndecodable: b'{}'", bytes.escape_ascii())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    fn options(logfile: &Path) -> MainLogOptions {
        MainLogOptions {
            logfile: logfile.to_str().unwrap().to_owned(),
            maxbytes: 0,
            backups: 0,
            level: Level::Info,
            stdout: false,
        }
    }

    /// The lines without their times, which are looked at.
    fn texts(log: &str) -> Vec<&str> {
        let line = |line: &'_ str| line.len() > 24 && line.as_bytes()[19] == b',';
        assert!(log.lines().all(line), "{log}");
        log.lines().filter_map(|line| line.get(24..)).collect()
    }

    #[test]
    fn lines_have_supervisords_form() {
        let dir = Dir::new();
        let mut log = MainLog::open(options(&dir.path("log")));
        for (level, text) in [
            (Level::Critical, "c"),
            (Level::Error, "e"),
            (Level::Warn, "w"),
            (Level::Info, "spawned: 'cat' with pid 7"),
            (Level::Debug, "hidden"),
        ] {
            log.log(level, &text);
        }
        let text = dir.read("log");
        assert_eq!(texts(&text), ["CRIT c", "ERRO e", "WARN w", "INFO spawned: 'cat' with pid 7"]);
        log.configure(MainLogOptions { level: Level::Blather, ..options(&dir.path("log")) });
        log.log(Level::Blather, &"b");
        log.log(Level::Trace, &"t");
        log.log(Level::Debug, &"d");
        assert_eq!(texts(&dir.read("log"))[4..], ["BLAT b", "TRAC t", "DEBG d"]);
        let date = text.split(' ').next().unwrap();
        assert_eq!(date, clock::local(SystemTime::now()).to_string().split(' ').next().unwrap());
        log.close();
    }

    #[test]
    fn a_directory_that_comes_later_is_found() {
        let dir = Dir::new();
        let mut log = MainLog::open(options(&dir.path("later/log")));
        log.log(Level::Info, &"lost");
        std::fs::create_dir(dir.path("later")).unwrap();
        log.log(Level::Info, &"written");
        let text = dir.read("later/log");
        assert_eq!(texts(&text), ["WARN 1 lines of this log were lost", "INFO written"]);
    }

    #[test]
    fn a_log_that_nobody_reads_is_bounded() {
        let dir = Dir::new();
        let fifo = dir.fifo("log");
        let mut log = MainLog::open(options(&fifo));
        for number in 0..20_000 {
            log.log(Level::Info, &format_args!("line {number:05}"));
        }
        assert_eq!(log.fds_to_wait_for().count(), 1);
        assert!(log.lost > 5_000, "{} lines lost", log.lost);
        let mut text = dir.drain(&fifo);
        while log.fds_to_wait_for().next().is_some() {
            log.flush();
            text += &dir.drain(&fifo);
        }
        log.log(Level::Info, &"again");
        text += &dir.drain(&fifo);
        let lines = texts(&text);
        let kept = lines.len() - 2;
        assert_eq!(lines[0], "INFO line 00000");
        assert_eq!(lines[kept - 1], format!("INFO line {:05}", kept - 1), "none left out so far");
        let lost = format!("WARN {} lines of this log were lost", 20_000 - kept);
        assert_eq!(lines[kept..], [lost.as_str(), "INFO again"]);
    }

    #[test]
    fn output_of_programs_is_shown_as_supervisord_shows_it() {
        assert_eq!(output("cat", "stdout", b"a\n"), "'cat' stdout output:\na\n");
        assert_eq!(
            output("cat", "stderr", b"\xffa'\n"),
            "'cat' stderr output:\nUndecodable: b'\\xffa\\'\\n'"
        );
    }
}
