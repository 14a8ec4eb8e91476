//! Files whose change reloads the pool.

mod burst;
mod tree;

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reaper::Moment;
use rustix::event::epoll;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::config::AutoReload;
use burst::{Burst, is_noise};
use tree::{MOST_DIRECTORIES, Picture};

/// How often files are looked at where inotify does not reach.
const FALLBACK: Duration = Duration::from_secs(2);
/// Looks must not keep the manager busy: at least so long for each file between two of them.
const PER_FILE: Duration = Duration::from_micros(60);
/// Events taken by one [`Watch::read`]; the rest waits for the next one.
const MOST_EVENTS: usize = 4096;

/// A directory that inotify watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    /// Names in it that lead to a path.
    names: BTreeSet<OsString>,
    /// It is, or is below, a path.
    tree: bool,
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Changed,
    /// A new directory.
    Entered(PathBuf),
    /// What is watched must be found anew.
    Moved,
    /// The kernel has let go of the directory.
    Ignored,
}

fn judge(place: Option<&Place>, flags: ReadFlags, name: Option<&OsStr>) -> Verdict {
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Verdict::Moved;
    }
    let Some(place) = place else { return Verdict::Nothing };
    if flags.contains(ReadFlags::IGNORED) {
        return Verdict::Ignored;
    }
    let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
    let vanished = flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
    match name {
        None => {
            let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
            if flags.intersects(gone) { Verdict::Moved } else { Verdict::Nothing }
        }
        Some(name) if place.names.contains(name) => match appeared || vanished {
            true => Verdict::Moved,
            // What changes in a directory tells the directory's own watch.
            false if flags.contains(ReadFlags::ISDIR) => Verdict::Nothing,
            false => Verdict::Changed,
        },
        Some(name) if !place.tree || is_noise(name) => Verdict::Nothing,
        Some(name) if flags.contains(ReadFlags::ISDIR) => match (appeared, vanished) {
            (true, _) => Verdict::Entered(place.path.join(name)),
            (false, true) => Verdict::Moved,
            (false, false) => Verdict::Nothing,
        },
        Some(_) => Verdict::Changed,
    }
}

/// Watches files and directories, with all that is below them, for changes.
///
/// A change is: written, touched, replaced, moved, made, removed. Editors' temporary files, hidden
/// files, byte code and version control are not looked at, unless a path names them. Paths may be
/// or contain symbolic links; that one is set to another target is a change, while links inside a
/// watched directory are not followed. A path may vanish and come back.
///
/// inotify(7) sees what is done on this machine through the same directory; network file systems,
/// mapped memory and other hard links want [`AutoReload::every`].
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    every: Option<Duration>,
    inotify: OwnedFd,
    /// `inotify` is something else, which never speaks.
    deaf: bool,
    places: HashMap<i32, Place>,
    /// Something is out of inotify's reach.
    blind: bool,
    moved: bool,
    burst: Burst,
    picture: Picture,
    next_look: Option<Moment>,
    told: bool,
    notes: Vec<String>,
}

impl Watch {
    /// Watches from now on.
    ///
    /// # Errors
    /// When a path leads nowhere, or no descriptor is left. That inotify cannot be used is no error,
    /// but a note.
    pub fn new(settings: &AutoReload) -> io::Result<Self> {
        tree::check(&settings.paths)?;
        let paths = settings.paths.iter().map(std::path::absolute).collect::<io::Result<_>>()?;
        let (inotify, failure) = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => (inotify, None),
            Err(errno) => (epoll::create(epoll::CreateFlags::CLOEXEC)?, Some(errno)),
        };
        let mut watch = Self {
            paths,
            every: settings.every.filter(|every| !every.is_zero()),
            inotify,
            deaf: failure.is_some(),
            places: HashMap::new(),
            blind: false,
            moved: false,
            burst: Burst::default(),
            picture: Picture::default(),
            next_look: None,
            told: false,
            notes: Vec::new(),
        };
        if let Some(errno) = failure {
            watch.tell(errno);
        }
        watch.arm();
        watch.schedule(Moment::ZERO);
        Ok(watch)
    }

    /// Takes what inotify has to say. Never blocks.
    pub fn read(&mut self, now: Moment) {
        if self.deaf {
            return;
        }
        let (mut entered, mut moved) = (Vec::new(), false);
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut taken = 0;
        while taken < MOST_EVENTS || !reader.is_buffer_empty() {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            taken = taken.saturating_add(1);
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            match judge(self.places.get(&event.wd()), event.events(), name) {
                Verdict::Nothing => continue,
                Verdict::Changed => {}
                Verdict::Entered(path) => entered.push(path),
                Verdict::Moved => moved = true,
                Verdict::Ignored => {
                    self.places.remove(&event.wd());
                    moved = true;
                }
            }
            self.burst.changed(now);
        }
        let mut short = None;
        for path in entered {
            match plant(&self.inotify, &path, &mut self.places) {
                Ok(true) => {}
                Ok(false) => short = Some(Errno::NOSPC),
                Err(errno) => short = Some(errno),
            }
        }
        if let Some(errno) = short {
            self.blind = true;
            self.tell(errno);
        }
        if moved {
            self.moved = true;
            self.arm();
        }
        self.schedule(now);
    }

    /// When [`due`](Self::due) is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.burst.deadline().into_iter().chain(self.next_look).min()
    }

    /// True once for each burst of changes: when nothing has changed for 200 ms, at most 2 s after
    /// the first change.
    pub fn due(&mut self, now: Moment) -> bool {
        if self.next_look.is_some_and(|next| next <= now) {
            if self.blind {
                self.arm();
            }
            let picture = Picture::take(&self.paths);
            if picture != self.picture {
                self.burst.changed(now);
            }
            self.picture = picture;
            self.next_look = self.period().map(|period| now.saturating_add(period));
        }
        let due = self.burst.due(now);
        if due {
            // What was made while the watches were moved may have been missed.
            if std::mem::take(&mut self.moved) {
                self.arm();
            }
            if self.next_look.is_some() {
                self.picture = Picture::take(&self.paths);
            }
        }
        self.schedule(now);
        due
    }

    /// Lines for the log, each said once.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn period(&self) -> Option<Duration> {
        let fallback = (self.blind || self.deaf).then_some(FALLBACK);
        let period = fallback.into_iter().chain(self.every).min()?;
        let files = u32::try_from(self.picture.len()).unwrap_or(u32::MAX);
        Some(period.max(PER_FILE.saturating_mul(files)))
    }

    /// Begins to compare pictures when that has become necessary, and ends it.
    fn schedule(&mut self, now: Moment) {
        match (self.period(), self.next_look) {
            (Some(period), None) => {
                self.picture = Picture::take(&self.paths);
                self.next_look = Some(now.saturating_add(period));
            }
            (None, Some(_)) => {
                self.picture = Picture::default();
                self.next_look = None;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Watches what the paths lead to now, and nothing else.
    fn arm(&mut self) {
        if self.deaf {
            return;
        }
        let inotify = &self.inotify;
        let mut places = HashMap::new();
        let mut result = Ok(());
        let mut all = true;
        for path in &self.paths {
            for anchor in tree::anchors(path) {
                match add(inotify, &anchor.dir, &mut places) {
                    Ok(place) => {
                        place.names.insert(anchor.name);
                    }
                    Err(errno) => {
                        all = false;
                        if is_short(errno) {
                            result = Err(errno);
                        }
                    }
                }
            }
            match plant(inotify, path, &mut places) {
                Ok(planted) => all &= planted,
                Err(errno) => result = Err(errno),
            }
        }
        for wd in self.places.keys().filter(|wd| !places.contains_key(wd)) {
            let _ = inotify::remove_watch(inotify, *wd);
        }
        self.places = places;
        self.blind = !all || result.is_err();
        if let Err(errno) = result {
            self.tell(errno);
        } else if self.places.len() >= MOST_DIRECTORIES {
            self.tell(Errno::NOSPC);
        }
    }

    fn tell(&mut self, errno: Errno) {
        if !self.told {
            self.told = true;
            let seconds = FALLBACK.as_secs();
            let note = format!(
                "not all files can be watched ({errno}; see fs.inotify in sysctl(8)): \
                 they are looked at every {seconds} seconds"
            );
            self.notes.push(note);
        }
    }
}

impl AsFd for Watch {
    /// Readable when there is something to [`read`](Watch::read).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Not about one path: there is no room for more watches.
fn is_short(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::NOMEM | Errno::MFILE | Errno::NFILE)
}

/// Watches a directory and those below it; false when not all of them are.
fn plant(inotify: &OwnedFd, path: &Path, places: &mut HashMap<i32, Place>) -> Result<bool, Errno> {
    let mut result = Ok(());
    let complete = tree::walk(path, &mut |path, meta| {
        if !meta.is_dir() {
            return true;
        }
        match add(inotify, path, places) {
            Ok(place) => place.tree = true,
            Err(errno) if is_short(errno) => result = Err(errno),
            // Gone again, which its parent tells; or closed to this user, also for a look.
            Err(_) => {}
        }
        result.is_ok() && places.len() < MOST_DIRECTORIES
    });
    result.map(|()| complete)
}

fn add<'p>(
    inotify: &OwnedFd,
    path: &Path,
    places: &'p mut HashMap<i32, Place>,
) -> Result<&'p mut Place, Errno> {
    // Writing shows as MODIFY; that a file was closed which somebody might have written does not
    // count. touch(1) shows as ATTRIB.
    let flags = WatchFlags::MODIFY
        | WatchFlags::ATTRIB
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::EXCL_UNLINK
        | WatchFlags::ONLYDIR;
    let wd = inotify::add_watch(inotify, path, flags)?;
    let place = places.entry(wd).or_default();
    path.clone_into(&mut place.path);
    Ok(place)
}

#[cfg(test)]
mod tests;
