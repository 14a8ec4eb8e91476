//! What the child will execute: every C string is made here, before any fork.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where `execvp(3)` looks when the environment has no PATH.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// A program, its arguments and its environment, ready for `execve(2)`.
///
/// The program is found as `execvp(3)` finds it: a name with a slash is taken
/// as it is, any other is tried in every directory of PATH – the PATH of the
/// *child's* environment, `/bin:/usr/bin` when that has none, and an empty
/// element means the child's working directory. Unlike `execvp`, a file that
/// is no program (ENOEXEC) is never handed to `/bin/sh`.
///
/// The same image can be spawned any number of times.
///
/// ```
/// use reaper::Image;
/// use std::ffi::{OsStr, OsString};
///
/// let env = [("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
/// let image = Image::new(OsStr::new("ls"), [OsString::from("-l")], env)?;
/// # Ok::<(), reaper::ImageError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    program: CString,
    candidates: Vec<CString>,
    args: Vec<CString>,
    env: Vec<CString>,
    own_pid: Vec<Vec<u8>>,
}

impl Image {
    /// Prepares `program` with the arguments after its name and its whole
    /// environment. Arguments and values are arbitrary bytes without NUL; when
    /// a variable occurs twice, the last one wins.
    ///
    /// # Errors
    ///
    /// An empty program name, a NUL byte in any string, a variable name that
    /// is empty or contains `=` after its first byte.
    pub fn new(
        program: &OsStr,
        args: impl IntoIterator<Item = OsString>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Image, ImageError> {
        if program.is_empty() {
            return Err(ImageError(Problem::EmptyProgram));
        }
        let mut argv = vec![c_string(program.as_bytes().to_vec(), "program name")?];
        for arg in args {
            argv.push(c_string(arg.into_vec(), "argument")?);
        }
        let mut position: HashMap<OsString, usize> = HashMap::new();
        let mut entries: Vec<CString> = Vec::new();
        let mut path = None;
        for (key, value) in env {
            if !is_variable_name(key.as_bytes()) {
                return Err(ImageError(Problem::BadVariable(key)));
            }
            if key == "PATH" {
                path = Some(value.clone());
            }
            let mut text = key.as_bytes().to_vec();
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
            let text = c_string(text, "environment")?;
            match position.get(&key).and_then(|&at| entries.get_mut(at)) {
                Some(entry) => *entry = text,
                None => {
                    position.insert(key, entries.len());
                    entries.push(text);
                }
            }
        }
        let path = path.as_ref().map_or(DEFAULT_PATH, |path| path.as_bytes());
        Ok(Image {
            program: c_string(program.as_bytes().to_vec(), "program name")?,
            candidates: candidates(program.as_bytes(), path)?,
            args: argv,
            env: entries,
            own_pid: Vec::new(),
        })
    }

    /// Makes the child write its own decimal pid into the variable `name`
    /// just before it executes the program, as `LISTEN_PID` of
    /// `sd_listen_fds(3)` needs it. Replaces a variable of that name.
    ///
    /// A name that cannot be a variable's (empty, with `=` or NUL) makes
    /// [`spawn`](crate::spawn()) fail with EINVAL.
    #[must_use]
    pub fn env_own_pid(mut self, name: &str) -> Image {
        let mut prefix = name.as_bytes().to_vec();
        prefix.push(b'=');
        self.env.retain(|entry| !entry.as_bytes().starts_with(&prefix));
        if !self.own_pid.contains(&prefix) {
            self.own_pid.push(prefix);
        }
        self
    }

    /// The present program: no command, but a name for messages.
    pub(crate) fn present() -> Image {
        let none = Vec::new;
        let program = c"the worker".to_owned();
        Image { program, candidates: none(), args: none(), env: none(), own_pid: Vec::new() }
    }

    /// The program as it was given.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        OsStr::from_bytes(self.program.as_bytes())
    }

    /// The paths to try, in this order.
    pub(crate) fn candidates(&self) -> &[CString] {
        &self.candidates
    }

    pub(crate) fn args(&self) -> &[CString] {
        &self.args
    }

    pub(crate) fn env(&self) -> &[CString] {
        &self.env
    }

    /// `NAME=` of every variable that gets the child's pid.
    pub(crate) fn own_pid(&self) -> &[Vec<u8>] {
        &self.own_pid
    }

    /// Whether every name given to `env_own_pid` can be a variable's.
    pub(crate) fn own_pid_names_valid(&self) -> bool {
        self.own_pid.iter().all(|prefix| match prefix.split_last() {
            Some((_, name)) => is_variable_name(name) && !name.contains(&0),
            None => false,
        })
    }
}

impl fmt::Debug for Image {
    /// Shows the program and the sizes only: arguments and environment may
    /// hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.len())
            .finish_non_exhaustive()
    }
}

/// A first byte `=` is let through: `std::env::vars_os` reports the odd
/// variable `=x=y` as key `=x`, and what a manager got it must be able to hand on.
fn is_variable_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().skip(1).any(|&byte| byte == b'=')
}

fn c_string(bytes: Vec<u8>, what: &'static str) -> Result<CString, ImageError> {
    CString::new(bytes).map_err(|_| ImageError(Problem::Nul(what)))
}

fn candidates(program: &[u8], path: &[u8]) -> Result<Vec<CString>, ImageError> {
    if program.contains(&b'/') {
        return Ok(vec![c_string(program.to_vec(), "program name")?]);
    }
    path.split(|&byte| byte == b':')
        .map(|dir| {
            let mut full = if dir.is_empty() { b".".to_vec() } else { dir.to_vec() };
            full.push(b'/');
            full.extend_from_slice(program);
            c_string(full, "PATH")
        })
        .collect()
}

/// Why a command cannot be given to `execve(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageError(Problem);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    EmptyProgram,
    Nul(&'static str),
    BadVariable(OsString),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::EmptyProgram => f.write_str("the program name is empty"),
            Problem::Nul(what) => write!(f, "{what} contains a NUL byte, which no program can get"),
            Problem::BadVariable(name) => {
                write!(f, "{name:?} cannot name an environment variable: empty, or with a '='")
            }
        }
    }
}

impl Error for ImageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn paths(program: &str, pairs: &[(&str, &str)]) -> Vec<String> {
        let image = Image::new(OsStr::new(program), [], env(pairs)).unwrap();
        image.candidates().iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn path_search() {
        assert_eq!(paths("ls", &[("PATH", "/a:/b/c")]), ["/a/ls", "/b/c/ls"]);
        assert_eq!(
            paths("ls", &[("PATH", ":/a::/b:")]),
            ["./ls", "/a/ls", "./ls", "/b/ls", "./ls"]
        );
        assert_eq!(paths("ls", &[("PATH", "")]), ["./ls"]);
        assert_eq!(paths("ls", &[]), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(paths("./ls", &[("PATH", "/a")]), ["./ls"]);
        assert_eq!(paths("a/ls", &[("PATH", "/a")]), ["a/ls"]);
        assert_eq!(paths("ls", &[("PATH", "/a"), ("PATH", "/z")]), ["/z/ls"]);
    }

    #[test]
    fn the_last_duplicate_wins() {
        let pairs = env(&[("A", "1"), ("B", "2"), ("A", "3"), ("=odd", "x")]);
        let image = Image::new(OsStr::new("x"), [], pairs).unwrap();
        assert_eq!(image.env(), [c"A=3", c"B=2", c"=odd=x"].map(|entry| entry.to_owned()));
    }

    #[test]
    fn arbitrary_bytes_pass() {
        let odd = OsString::from_vec(vec![0xff, b'\n', 0xfe]);
        let image = Image::new(&odd, [odd.clone()], [(odd.clone(), odd.clone())]).unwrap();
        assert_eq!(image.args().len(), 2);
        assert_eq!(image.program(), odd);
        assert_eq!(image.env().first().unwrap().as_bytes(), b"\xff\n\xfe=\xff\n\xfe");
    }

    #[test]
    fn what_is_refused() {
        let text = |program: &str, arg: &str, pairs: &[(&str, &str)]| {
            Image::new(OsStr::new(program), [arg.into()], env(pairs)).unwrap_err().to_string()
        };
        assert_eq!(text("", "", &[]), "the program name is empty");
        assert!(text("a\0b", "", &[]).starts_with("program name contains a NUL"));
        assert!(text("a", "b\0", &[]).starts_with("argument contains a NUL"));
        assert!(text("a", "", &[("A", "secret\0")]).starts_with("environment contains a NUL"));
        assert!(!text("a", "", &[("A", "secret\0")]).contains("secret"));
        assert!(text("a", "", &[("A\0", "")]).starts_with("environment contains a NUL"));
        assert!(text("a", "", &[("", "x")]).contains("cannot name"));
        assert!(text("a", "", &[("A=B", "x")]).contains("\"A=B\""));
    }

    #[test]
    fn own_pid_replaces_the_variable() {
        let pairs = env(&[("LISTEN_PID", "1"), ("LISTEN_PIDS", "2")]);
        let image = Image::new(OsStr::new("x"), [], pairs).unwrap();
        let image = image.env_own_pid("LISTEN_PID").env_own_pid("LISTEN_PID");
        assert_eq!(image.env(), [c"LISTEN_PIDS=2".to_owned()]);
        assert_eq!(image.own_pid(), [b"LISTEN_PID=".to_vec()]);
        assert!(image.own_pid_names_valid());
        for bad in ["", "A=B", "A\0B"] {
            assert!(!image.clone().env_own_pid(bad).own_pid_names_valid(), "{bad:?}");
        }
    }

    #[test]
    fn debug_keeps_secrets() {
        let image = Image::new(OsStr::new("x"), ["pw".into()], env(&[("KEY", "pw")])).unwrap();
        assert!(!format!("{image:?}").contains("pw"));
    }
}
