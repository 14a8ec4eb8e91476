//! What a worker finds in its environment, and the settings that live there.
//!
//! Layers, the later over the earlier: the server's own environment, the option
//! variables, the envdir as it was at the start, the envdir as it is now, and
//! last what only the server can know (sockets, generation, NOTIFY_SOCKET).
//! Server::Starter works the same way, except that an envdir there can replace
//! SERVER_STARTER_PORT from the second generation on.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Settings;
use crate::birth::PRIVATE;

/// A value longer than this is no environment value: execve(2) refuses 128 KiB.
const LONGEST: u64 = 128 * 1024;
/// Warnings that are remembered, so that none is repeated at each turn.
const MOST_WARNED: usize = 32;
type Variables = BTreeMap<OsString, OsString>;

/// The options that have a variable of the same name.
#[derive(Clone, Debug, Default)]
pub struct OptionVariables {
    /// `--envdir`
    pub envdir: Option<PathBuf>,
    /// `--enable-auto-restart`
    pub enable_auto_restart: bool,
    /// `--auto-restart-interval`
    pub auto_restart_interval: Option<i64>,
    /// `--kill-old-delay`
    pub kill_old_delay: Option<i64>,
}

/// The layers below what the server itself adds.
#[derive(Debug)]
pub struct Environment {
    base: Variables,
    now: Variables,
    warned: Vec<String>,
}

impl Environment {
    /// Takes the server's own environment, the options, and a first look at the envdir.
    #[must_use]
    pub fn new(
        own: impl IntoIterator<Item = (OsString, OsString)>,
        options: &OptionVariables,
    ) -> Self {
        let mut base: Variables = own.into_iter().collect();
        for name in PRIVATE {
            base.remove(OsStr::new(name));
        }
        let mut set = |name: &str, value: OsString| base.insert(name.into(), value);
        if let Some(dir) = &options.envdir {
            set("ENVDIR", dir.clone().into_os_string());
        }
        if options.enable_auto_restart {
            set("ENABLE_AUTO_RESTART", "1".into());
        }
        if let Some(delay) = options.kill_old_delay {
            set("KILL_OLD_DELAY", delay.to_string().into());
        }
        if let Some(interval) = options.auto_restart_interval {
            set("AUTO_RESTART_INTERVAL", interval.to_string().into());
        }
        let mut environment = Self { base, now: Variables::new(), warned: Vec::new() };
        environment.reload();
        let first = environment.now.clone();
        environment.base.extend(first);
        environment
    }

    /// Reads the envdir again.
    pub fn reload(&mut self) {
        let dir = self.base.get(OsStr::new("ENVDIR")).filter(|dir| !dir.is_empty());
        self.now = match dir {
            Some(dir) => read_envdir(Path::new(dir)),
            None => Variables::new(),
        };
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        let name = OsStr::new(name);
        self.now.get(name).or_else(|| self.base.get(name)).map(OsString::as_os_str)
    }

    /// Perl's idea of truth.
    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_empty() && value != "0")
    }

    fn auto_restarts(&self) -> bool {
        self.is_true("ENABLE_AUTO_RESTART")
    }

    /// The settings as they stand, and a warning for each value that is no number, once.
    pub fn settings(&mut self) -> (Settings, Vec<String>) {
        let mut warnings = Vec::new();
        let enabled = self.auto_restarts();
        let interval = self.number("AUTO_RESTART_INTERVAL", &mut warnings);
        let delay = self.number("KILL_OLD_DELAY", &mut warnings);
        // Server::Starter's `||= 360`: zero is "not set" too.
        let interval =
            interval.filter(|interval| !interval.is_zero()).unwrap_or(Duration::from_secs(360));
        let auto_delay = if enabled { Duration::from_secs(5) } else { Duration::ZERO };
        let settings = Settings {
            kill_old_delay: delay.unwrap_or(auto_delay),
            auto_restart: enabled.then_some(interval),
        };
        warnings.retain(|warning| !self.warned.contains(warning));
        self.warned.extend(warnings.iter().cloned());
        let excess = self.warned.len().saturating_sub(MOST_WARNED);
        self.warned.drain(..excess);
        (settings, warnings)
    }

    fn number(&self, name: &str, warnings: &mut Vec<String>) -> Option<Duration> {
        let value = self.get(name)?;
        let number = value.to_str().map(str::trim).and_then(|text| text.parse::<f64>().ok());
        match number {
            Some(number) if number.is_finite() => {
                // A year is as good as for ever, and keeps all arithmetic far from overflow.
                Some(Duration::from_secs_f64(number.clamp(0.0, 31_536_000.0)))
            }
            _ if value.is_empty() => Some(Duration::ZERO),
            _ => {
                let text = value.to_string_lossy();
                warnings.push(format!("{name} is not a number, taken as 0: {text:?}"));
                Some(Duration::ZERO)
            }
        }
    }

    /// The worker's environment: the layers with `own` on top.
    #[must_use]
    pub fn for_worker(&self, own: Vec<(&'static str, OsString)>) -> Vec<(OsString, OsString)> {
        let mut variables = self.base.clone();
        variables.extend(self.now.iter().map(|(name, value)| (name.clone(), value.clone())));
        for name in PRIVATE {
            variables.remove(OsStr::new(name));
        }
        // Perl's `||= 360` is an assignment, so workers see it.
        let interval = OsStr::new("AUTO_RESTART_INTERVAL");
        if self.auto_restarts() && !self.is_true("AUTO_RESTART_INTERVAL") {
            variables.insert(interval.to_owned(), "360".into());
        }
        variables.extend(own.into_iter().map(|(name, value)| (name.into(), value)));
        variables.into_iter().collect()
    }
}

/// Reads an envdir: each file's first line without its newline, blanks kept.
///
/// Names that begin with a dot, empty files, anything but a regular file, and
/// what cannot be read or cannot stand in an environment (a `=` in the name, a
/// NUL in the value) are passed over; a directory that is not there is empty.
#[must_use]
pub fn read_envdir(dir: &Path) -> BTreeMap<OsString, OsString> {
    let mut variables = Variables::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_bytes().starts_with(b".") || name.as_bytes().contains(&b'=') {
            continue;
        }
        if let Some(value) = first_line(&entry.path()) {
            variables.insert(name, value);
        }
    }
    variables
}

fn first_line(path: &Path) -> Option<OsString> {
    // A FIFO must not hold up the server.
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content).ok()?;
    parse_value(&content)
}

/// The value that an envdir file's content stands for; `None` when it stands for nothing.
#[must_use]
pub fn parse_value(content: &[u8]) -> Option<OsString> {
    if content.is_empty() {
        return None;
    }
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    (!line.contains(&0)).then(|| OsString::from_vec(line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("superdaemon-env-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn value(environment: &Environment, name: &str) -> Option<String> {
        let all = environment.for_worker(Vec::new());
        let found = all.into_iter().find(|(key, _)| key == name)?;
        Some(found.1.into_string().unwrap())
    }

    #[test]
    fn layers_and_removed_files() {
        let dir = scratch("layers");
        fs::write(dir.join("KEPT"), "start\nsecond line\n").unwrap();
        fs::write(dir.join("EMPTY"), "").unwrap();
        fs::write(dir.join(".hidden"), "x").unwrap();
        fs::write(dir.join("BLANKS"), "  two  ").unwrap();
        fs::write(dir.join("NUL"), "a\0b").unwrap();
        fs::create_dir(dir.join("DIR")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.join("FIFO"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from(0o600),
            0,
        )
        .unwrap();
        let own = [("KEPT", "own"), ("OWN", "1"), ("NOTIFY_SOCKET", "@secret")];
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let options = OptionVariables { envdir: Some(dir.clone()), ..Default::default() };
        let mut environment = Environment::new(own, &options);
        assert_eq!(value(&environment, "KEPT").unwrap(), "start");
        assert_eq!(value(&environment, "BLANKS").unwrap(), "  two  ");
        assert_eq!(value(&environment, "OWN").unwrap(), "1");
        for absent in ["EMPTY", ".hidden", "NUL", "DIR", "FIFO", "NOTIFY_SOCKET"] {
            assert_eq!(value(&environment, absent), None, "{absent}");
        }
        fs::write(dir.join("KEPT"), "changed").unwrap();
        fs::write(dir.join("LATER"), "new").unwrap();
        environment.reload();
        assert_eq!(value(&environment, "KEPT").unwrap(), "changed");
        assert_eq!(value(&environment, "LATER").unwrap(), "new");
        fs::remove_dir_all(&dir).unwrap();
        environment.reload();
        assert_eq!(value(&environment, "KEPT").unwrap(), "start", "back to the value at the start");
        assert_eq!(value(&environment, "LATER"), None);
    }

    #[test]
    fn settings_follow_option_environment_and_envdir() {
        let dir = scratch("settings");
        let own = [("KILL_OLD_DELAY", "9")].map(|(n, v)| (OsString::from(n), OsString::from(v)));
        let options = OptionVariables { envdir: Some(dir.clone()), ..Default::default() };
        let mut environment = Environment::new(own.clone(), &options);
        assert_eq!(environment.settings().0.kill_old_delay, Duration::from_secs(9));
        let options = OptionVariables { kill_old_delay: Some(3), ..options };
        let mut environment = Environment::new(own, &options);
        assert_eq!(environment.settings().0.kill_old_delay, Duration::from_secs(3));
        fs::write(dir.join("KILL_OLD_DELAY"), "0.5\n").unwrap();
        fs::write(dir.join("ENABLE_AUTO_RESTART"), "1\n").unwrap();
        environment.reload();
        let (settings, warnings) = environment.settings();
        assert_eq!(settings.kill_old_delay, Duration::from_millis(500));
        assert_eq!(settings.auto_restart, Some(Duration::from_secs(360)));
        assert!(warnings.is_empty());
        fs::write(dir.join("KILL_OLD_DELAY"), "soon\n").unwrap();
        environment.reload();
        assert_eq!(environment.settings().1.len(), 1);
        assert_eq!(environment.settings().1.len(), 0, "a warning comes once");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn auto_restart_brings_a_delay_of_five_seconds() {
        let options = OptionVariables {
            enable_auto_restart: true,
            auto_restart_interval: Some(0),
            ..Default::default()
        };
        let (settings, _) = Environment::new([], &options).settings();
        assert_eq!(settings.kill_old_delay, Duration::from_secs(5));
        assert_eq!(settings.auto_restart, Some(Duration::from_secs(360)));
    }

    #[test]
    fn any_bytes_make_a_value_or_none() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let content: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(..)).collect();
            if let Some(value) = parse_value(&content) {
                assert!(!value.as_bytes().contains(&0) && !value.as_bytes().contains(&b'\n'));
                assert!(content.starts_with(value.as_bytes()));
            } else {
                assert!(content.is_empty() || content.contains(&0));
            }
        }
    }
}
