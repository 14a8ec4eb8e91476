//! One `[program:...]` section: the parameters of Supervisor::Process, by what its documentation
//! says of each.

use std::path::Path;
use std::time::Duration;

use sigpolicy::Signal;

use super::super::load::World;
use super::super::model::{AutoRestart, Extra, LogFile, Note, Output, Process, Weight};
use super::super::{paths, user, value};
use super::ini::Section;

/// The keys, and the parameter that each of them is.
pub(super) const KEYS: [(&str, &str); 20] = [
    ("command", "Command"),
    ("name", "Name"),
    ("user", "User"),
    ("group", "Group"),
    ("directory", "Directory"),
    ("environment", "Environment"),
    ("umask", "Umask"),
    ("exit-codes", "ExitCodes"),
    ("priority", "Priority"),
    ("auto-start", "AutoStart"),
    ("auto-restart", "AutoRestart"),
    ("stop-signal", "StopSignal"),
    ("stop-retries", "StopRetries"),
    ("stop-wait-secs", "StopWaitSecs"),
    ("start-retries", "StartRetries"),
    ("start-wait-secs", "StartWaitSecs"),
    ("reload-signal", "ReloadSignal"),
    ("logfile", "Logfile"),
    ("supervisor", "Supervisor"),
    ("debug", "Debug"),
];

/// A section that is being read.
pub(super) struct Reader<'a> {
    pub(super) section: &'a Section,
    pub(super) file: &'a Path,
    pub(super) world: &'a World,
    pub(super) notes: &'a mut Vec<Note>,
}

impl Reader<'_> {
    /// The process that the section describes; `log` is where its output goes unless it says so.
    pub(super) fn process(&mut self, log: &LogFile) -> Result<Process, String> {
        self.notice_unknown_keys();
        let name = self.required("name")?;
        let name = self.checked("name", &name, value::name)?;
        let command = self.required("command")?;
        let start_wait = self.number("start-wait-secs", 10)?;
        let stop_wait = self.number("stop-wait-secs", 10)?;
        let restarts = self.boolean("auto-restart")?;
        let log = self.log()?.unwrap_or_else(|| log.clone());
        let output = |level: &str| output(&log, &name, level);
        let (stdout, stderr) = (output("info"), output("error"));
        if self.text("user").is_none() {
            self.note(
                Weight::Advice,
                self.section.line,
                "no user: it runs as supervise itself does",
            );
        }
        Ok(Process {
            name,
            command,
            directory: Some(self.text("directory").unwrap_or("/").to_owned()),
            umask: Some(self.umask()?),
            uid: self.looked_up("user", user::user)?,
            priority: PRIORITY,
            autostart: self.boolean("auto-start")?,
            autorestart: if restarts { AutoRestart::Listed } else { AutoRestart::Never },
            startsecs: start_wait.into(),
            startretries: self.number("start-retries", 5)?.into(),
            stdout,
            stderr,
            redirect_stderr: false,
            stopsignal: self.signal("stop-signal", Signal::TERM)?.as_raw(),
            stopwaitsecs: stop_wait.into(),
            // Whatever a shell started for the command goes with it.
            stopasgroup: true,
            killasgroup: true,
            exitcodes: self.exit_codes()?,
            environment: self.environment()?,
            serverurl: None,
            extra: Extra {
                backoff_min: Some(Duration::from_secs(start_wait.into())),
                backoff_max: Some(Duration::from_secs(start_wait.into())),
                reloadsignal: Some(self.signal("reload-signal", Signal::HUP)?),
                stopretries: Some(self.number("stop-retries", 5)?),
                gid: self.looked_up("group", user::group)?,
                nice: self.nice()?,
                shell: true,
                ..Extra::default()
            }
            .into(),
        })
    }

    /// A value without blanks around it; an empty one is none, as in Perl.
    fn text(&self, key: &str) -> Option<&str> {
        let text = self.section.get(key)?.value.trim();
        Some(text).filter(|text| !text.is_empty())
    }

    fn required(&self, key: &str) -> Result<String, String> {
        let missing = || self.wrong(self.section.line, &format!("it has no {key}"));
        self.text(key).map(str::to_owned).ok_or_else(missing)
    }

    fn wrong(&self, line: usize, what: &str) -> String {
        format!("[{}]: {what} ({}:{line})", self.section.name, self.file.display())
    }

    /// What is wrong with the value of a key.
    fn bad(&self, key: &str, what: &str) -> String {
        let line = self.section.get(key).map_or(self.section.line, |entry| entry.line);
        self.wrong(line, &format!("{key}: {what}"))
    }

    fn checked<T>(
        &self,
        key: &str,
        text: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        check(text).map_err(|what| self.bad(key, &what))
    }

    fn number(&self, key: &str, default: u32) -> Result<u32, String> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
        number.flatten().ok_or_else(|| {
            self.bad(key, &format!("a whole number from 0 is expected, not \"{text}\""))
        })
    }

    /// A switch that is on unless something else is said. An empty value is false in Perl.
    fn boolean(&self, key: &str) -> Result<bool, String> {
        match self.section.get(key) {
            None => Ok(true),
            Some(entry) if entry.value.trim().is_empty() => Ok(false),
            Some(entry) => value::boolean(entry.value.trim()).map_err(|_| {
                self.bad(key, &format!("1 or 0 is expected, not \"{}\"", entry.value.trim()))
            }),
        }
    }

    fn signal(&self, key: &str, default: Signal) -> Result<Signal, String> {
        let Some(text) = self.text(key) else { return Ok(default) };
        self.checked(key, text, |text| text.parse::<Signal>().map_err(|error| error.to_string()))
    }

    fn log(&self) -> Result<Option<LogFile>, String> {
        let Some(text) = self.text("logfile") else { return Ok(None) };
        let found = |text: &str| paths::existing_parent(text, self.world);
        let path = self.checked("logfile", text, found)?;
        Ok(Some(LogFile::Path(paths::normalize(&path, self.world))))
    }

    fn umask(&self) -> Result<i64, String> {
        let text = self.text("umask").unwrap_or("0022");
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mask = octal.then(|| i64::from_str_radix(text, 8).ok()).flatten();
        mask.filter(|mask| *mask <= 0o777).ok_or_else(|| {
            self.bad("umask", &format!("an octal number to 0777 is expected, not \"{text}\""))
        })
    }

    /// 0, the default, adds nothing to what the supervisor itself has.
    fn nice(&self) -> Result<Option<i32>, String> {
        let Some(text) = self.text("priority") else { return Ok(None) };
        match text.parse::<i32>() {
            Ok(0) => Ok(None),
            Ok(nice @ -20..=19) => Ok(Some(nice)),
            _ => Err(self.bad("priority", &format!("-20 to 19 is expected, not \"{text}\""))),
        }
    }

    fn exit_codes(&self) -> Result<Vec<u8>, String> {
        let text = self.section.get("exit-codes").map_or("0,1", |entry| entry.value.trim());
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let code = |code: &str| {
            code.trim().parse::<u8>().map_err(|_| {
                self.bad("exit-codes", &format!("0 to 255 is expected, not \"{}\"", code.trim()))
            })
        };
        text.split(',').map(code).collect()
    }

    /// `A=1;;B=2`: what comes on top of the environment of the supervisor. A value goes to the next
    /// `;;`, whatever is in it.
    fn environment(&self) -> Result<Vec<(String, String)>, String> {
        let Some(entry) = self.section.get("environment") else { return Ok(Vec::new()) };
        let mut pairs: Vec<(String, String)> = Vec::new();
        for piece in entry.value.split(";;").filter(|piece| !piece.trim().is_empty()) {
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => (name.trim(), value),
                // The piece itself may be a secret.
                _ => return Err(self.bad("environment", "NAME=VALUE;;NAME=VALUE is expected")),
            };
            if value.contains('\0') || name.contains('\0') {
                return Err(self.bad("environment", "a NUL byte cannot be passed on"));
            }
            pairs.retain(|(known, _)| known != name);
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Ok(pairs)
    }

    fn looked_up(
        &self,
        key: &str,
        find: impl Fn(&str) -> Result<u32, String>,
    ) -> Result<Option<u32>, String> {
        self.text(key).map(|text| self.checked(key, text, find)).transpose()
    }

    fn note(&mut self, weight: Weight, line: usize, what: &str) {
        let text = self.wrong(line, what);
        self.notes.push(Note { weight, text });
    }

    fn notice_unknown_keys(&mut self) {
        for entry in &self.section.entries {
            if KEYS.iter().any(|(key, _)| *key == entry.key) {
                continue;
            }
            let plain = plain(&entry.key);
            let meant = KEYS.iter().find(|(key, _)| self::plain(key) == plain);
            match meant {
                Some((key, _)) => {
                    let what = format!("{} means nothing; is {key} meant?", entry.key);
                    self.note(Weight::Advice, entry.line, &what);
                }
                None => {
                    let what = format!("{} means nothing", entry.key);
                    self.note(Weight::Debug, entry.line, &what);
                }
            }
        }
    }
}

/// All programs start and stop at the same time, as they do under CPAN Supervisor.
pub(super) const PRIORITY: i64 = 999;

/// `AutoStart`, `auto_start` and `autostart` are all meant for `auto-start`.
fn plain(key: &str) -> String {
    key.to_lowercase().replace(['-', '_'], "")
}

/// Lines of CPAN Supervisor's log: `[name] level: text`, after the time. It never rotates.
fn output(file: &LogFile, name: &str, level: &str) -> Output {
    Output {
        logfile: file.clone(),
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
        prefix: Some(format!("[{name}] {level}: ")),
        timestamp: true,
    }
}
