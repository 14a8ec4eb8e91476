//! All sinks of the supervisor; a file has one however many programs name it.

use std::io;
use std::path::{Path, PathBuf};

use super::device::is_descriptor;
use super::{Sink, SinkTarget, Trouble};

/// One of [`Sinks`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkId(usize);

#[derive(Debug)]
struct Shared {
    sink: Sink,
    /// `None` is shared by nobody.
    path: Option<PathBuf>,
    users: usize,
}

/// The sinks that are open.
///
/// What two streams write to the same file goes through one sink: else each would rotate it
/// under the other, and hold lines of the other apart.
#[derive(Debug, Default)]
pub struct Sinks(Vec<Option<Shared>>);

impl Sinks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a target, or joins those who have it open; the limits are then the newest ones. An
    /// open file that was removed from outside is made again.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn open(
        &mut self,
        target: &SinkTarget,
        maxbytes: i64,
        backups: i64,
    ) -> io::Result<(SinkId, Option<Trouble>)> {
        let path = match target {
            SinkTarget::Path(path) => Some(identity(path)),
            SinkTarget::Nothing | SinkTarget::Syslog { .. } => None,
        };
        if path.is_some() {
            for (index, slot) in self.0.iter_mut().enumerate() {
                let Some(shared) = slot.as_mut().filter(|shared| shared.path == path) else {
                    continue;
                };
                shared.users = shared.users.saturating_add(1);
                shared.sink.limit(maxbytes, backups);
                return Ok((SinkId(index), shared.sink.renew()));
            }
        }
        let shared = Some(Shared { sink: Sink::open(target, maxbytes, backups)?, path, users: 1 });
        let index = match self.0.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.0.push(None);
                self.0.len().saturating_sub(1)
            }
        };
        if let Some(slot) = self.0.get_mut(index) {
            *slot = shared;
        }
        Ok((SinkId(index), None))
    }

    /// One that is open.
    #[must_use]
    pub fn get(&self, id: SinkId) -> Option<&Sink> {
        Some(&self.0.get(id.0)?.as_ref()?.sink)
    }

    /// One that is open.
    #[must_use]
    pub fn get_mut(&mut self, id: SinkId) -> Option<&mut Sink> {
        Some(&mut self.0.get_mut(id.0)?.as_mut()?.sink)
    }

    /// All that are open.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SinkId, &mut Sink)> {
        self.0.iter_mut().enumerate().filter_map(|(index, slot)| {
            let shared = slot.as_mut()?;
            Some((SinkId(index), &mut shared.sink))
        })
    }

    /// One user fewer; the last one closes it.
    pub fn close(&mut self, id: SinkId) -> Vec<Trouble> {
        let Some(slot) = self.0.get_mut(id.0) else {
            return Vec::new();
        };
        let Some(mut shared) = slot.take() else {
            return Vec::new();
        };
        shared.users = shared.users.saturating_sub(1);
        if shared.users == 0 {
            return shared.sink.close();
        }
        let last = shared.sink.end();
        *slot = Some(shared);
        last.into_iter().collect()
    }

    /// [`Sink::reopen`]s all of them.
    pub fn reopen(&mut self) -> Vec<Trouble> {
        self.iter_mut().filter_map(|(_, sink)| sink.reopen()).collect()
    }
}

/// What two names of one log have in common: its directory, whatever leads there, and its name.
fn identity(path: &Path) -> PathBuf {
    if is_descriptor(path) {
        return match path.to_str() {
            Some("/dev/fd/1" | "/proc/self/fd/1") => PathBuf::from("/dev/stdout"),
            Some("/dev/fd/2" | "/proc/self/fd/2") => PathBuf::from("/dev/stderr"),
            _ => path.to_owned(),
        };
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match parent.canonicalize() {
        Ok(parent) => parent.join(name),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    #[test]
    fn one_file_has_one_sink() {
        let dir = Dir::new();
        std::fs::create_dir(dir.path("sub")).unwrap();
        let path = |name: &str| SinkTarget::Path(dir.path(name));
        let mut sinks = Sinks::new();
        let (a, _) = sinks.open(&path("log"), 10, 1).unwrap();
        let (b, _) = sinks.open(&path("sub/../log"), 4, 1).unwrap();
        let (c, _) = sinks.open(&path("other"), 10, 1).unwrap();
        assert_eq!(a, b);
        assert_ne!(a, c);
        for id in [a, b] {
            let _ = sinks.get_mut(id).unwrap().write(b"abc");
        }
        assert_eq!(dir.read("log.1"), "abcabc", "rotated by the newest limit, and once");
        assert_eq!(dir.read("log"), "");
        assert_eq!(sinks.close(a), []);
        assert!(sinks.get(b).is_some(), "another still writes");
        assert_eq!(sinks.close(b), []);
        assert!(sinks.get(a).is_none());
        assert_eq!(sinks.close(a), [], "closed twice does no harm");
        let (d, _) = sinks.open(&path("third"), 0, 0).unwrap();
        assert_eq!(d, a, "a place is used again");
        assert_eq!(sinks.iter_mut().count(), 2);
        let nowhere: Vec<_> =
            (0..2).map(|_| sinks.open(&SinkTarget::Nothing, 0, 0).unwrap().0).collect();
        assert_ne!(nowhere[0], nowhere[1]);
    }

    #[test]
    fn a_log_that_was_removed_comes_back_with_the_next_start() {
        let dir = Dir::new();
        let target = SinkTarget::Path(dir.path("log"));
        let mut sinks = Sinks::new();
        let (id, _) = sinks.open(&target, 0, 0).unwrap();
        std::fs::remove_file(dir.path("log")).unwrap();
        assert_eq!(sinks.open(&target, 0, 0).unwrap(), (id, None));
        let _ = sinks.get_mut(id).unwrap().write(b"new");
        assert_eq!(dir.read("log"), "new");
        std::fs::rename(dir.path("log"), dir.path("old")).unwrap();
        let _ = sinks.get_mut(id).unwrap().write(b" and old");
        assert_eq!(sinks.reopen(), []);
        let _ = sinks.get_mut(id).unwrap().write(b"again");
        assert_eq!((dir.read("old").as_str(), dir.read("log").as_str()), ("new and old", "again"));
    }
}
