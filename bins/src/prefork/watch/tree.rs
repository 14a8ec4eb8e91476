//! What the paths lead to: the names to watch, the directories below, and how all of it looks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::burst::is_noise;

/// Directories that inotify is asked to watch.
pub(super) const MOST_DIRECTORIES: usize = 8192;
/// Files that are compared.
const MOST_FILES: usize = 65_536;
/// Symbolic links that are followed, one leading to the next (ELOOP is at 40).
const MOST_LINKS: usize = 16;
/// Directories in each other.
const DEEPEST: usize = 64;

/// A name in a directory, where a path or a link on its way can be replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Anchor {
    pub(super) dir: PathBuf,
    pub(super) name: OsString,
}

/// Where a change of what `path` means shows itself: its own name, and the name of every symbolic
/// link on the way to it.
pub(super) fn anchors(path: &Path) -> Vec<Anchor> {
    let mut found = Vec::new();
    follow(path, &mut found, 0);
    found
}

fn follow(path: &Path, found: &mut Vec<Anchor>, depth: usize) {
    if depth > MOST_LINKS {
        return;
    }
    let mut so_far = PathBuf::new();
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let parent = match so_far.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => so_far.clone(),
        };
        so_far.push(component);
        let Component::Normal(name) = component else { continue };
        let target = fs::read_link(&so_far).ok();
        if target.is_some() || components.peek().is_none() {
            let anchor = Anchor { dir: parent.clone(), name: name.to_owned() };
            if !found.contains(&anchor) {
                found.push(anchor);
            }
        }
        if let Some(target) = target {
            follow(&parent.join(target), found, depth.saturating_add(1));
        }
    }
}

/// Calls `visit` with every directory at or below `path` and what is known of it, noise left out.
/// Links are not followed, except `path` itself; false from `visit`: enough.
pub(super) fn walk(path: &Path, visit: &mut dyn FnMut(&Path, &Metadata) -> bool) -> bool {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => visit(path, &meta) && descend(path, visit, 0),
        Ok(meta) => visit(path, &meta),
        Err(_) => true,
    }
}

fn descend(dir: &Path, visit: &mut dyn FnMut(&Path, &Metadata) -> bool, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return true };
    for entry in entries.flatten() {
        if is_noise(&entry.file_name()) {
            continue;
        }
        // Of a link: the link itself.
        let Ok(meta) = entry.metadata() else { continue };
        let path = entry.path();
        if !visit(&path, &meta) {
            return false;
        }
        let deeper = depth.saturating_add(1);
        if meta.is_dir() && deeper < DEEPEST && !descend(&path, visit, deeper) {
            return false;
        }
    }
    true
}

/// What of a file changes with its content.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    place: (u64, u64),
}

impl Stamp {
    /// A directory's times and size change with noise, too.
    fn of(meta: &Metadata) -> Self {
        let place = (meta.dev(), meta.ino());
        if meta.is_dir() {
            return Self { modified: (0, 0), size: 0, place };
        }
        Self { modified: (meta.mtime(), meta.mtime_nsec()), size: meta.size(), place }
    }
}

/// How all files look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture(BTreeMap<PathBuf, Stamp>);

impl Picture {
    /// Looks at every file at or below the paths. Of too many only so many are compared.
    pub(super) fn take(paths: &[PathBuf]) -> Self {
        let mut files = BTreeMap::new();
        for path in paths {
            walk(path, &mut |path, meta| {
                files.insert(path.to_owned(), Stamp::of(meta));
                files.len() < MOST_FILES
            });
        }
        Self(files)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Refuses paths that lead nowhere: most likely they are mistyped.
pub(super) fn check(paths: &[PathBuf]) -> io::Result<()> {
    for path in paths {
        fs::metadata(path).map_err(|error| {
            let text = format!("cannot watch {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("superdaemon-tree-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn every_link_on_the_way_is_an_anchor() {
        use std::os::unix::fs::symlink;
        let dir = scratch("anchors");
        fs::create_dir_all(dir.join("releases/1/lib")).unwrap();
        symlink("releases/1", dir.join("current")).unwrap();
        symlink("current", dir.join("alias")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        let shown = |path: &str| -> Vec<String> {
            let mut all: Vec<String> = anchors(&dir.join(path))
                .iter()
                .map(|anchor| anchor.dir.join(&anchor.name).display().to_string())
                .map(|text| text.replace(dir.to_str().unwrap(), ""))
                .collect();
            all.sort();
            all
        };
        assert_eq!(shown("releases/1"), ["/releases/1"]);
        assert_eq!(shown("current"), ["/current", "/releases/1"]);
        assert_eq!(shown("alias/lib"), ["/alias", "/alias/lib", "/current", "/releases/1"]);
        assert_eq!(shown("nowhere/x"), ["/nowhere/x"]);
        assert_eq!(shown("loop"), ["/loop"]);
        assert_eq!(anchors(Path::new("/")), []);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_picture_shows_what_matters() {
        let dir = scratch("picture");
        fs::create_dir_all(dir.join("lib/.git")).unwrap();
        fs::write(dir.join("lib/a"), "1").unwrap();
        let paths = [dir.clone(), dir.join("missing")];
        let first = Picture::take(&paths);
        assert_eq!(first.len(), 3);
        fs::write(dir.join("lib/.git/index"), "x").unwrap();
        fs::write(dir.join("lib/a~"), "x").unwrap();
        assert_eq!(Picture::take(&paths), first, "noise");
        fs::write(dir.join("new"), "1").unwrap();
        fs::rename(dir.join("new"), dir.join("lib/a")).unwrap();
        let second = Picture::take(&paths);
        assert_ne!(second, first, "replaced by one of the same size");
        fs::write(dir.join("missing"), "").unwrap();
        assert_ne!(Picture::take(&paths), second);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(Picture::take(&paths), Picture::default());
        assert!(check(&paths).unwrap_err().to_string().starts_with("cannot watch /"));
    }
}
