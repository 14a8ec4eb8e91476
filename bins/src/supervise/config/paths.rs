//! Paths as supervisord reads them: `~`, what must exist, and what a relative one is relative to.

use std::path::Path;

use reaper::Credentials;

use super::load::World;

/// Puts a home directory in the place of a leading `~` or `~user`, as Python's `expanduser`: an
/// unknown user leaves the path alone.
pub(super) fn expand_user(path: &str, world: &World) -> String {
    let Some(after) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
    let home = if user.is_empty() {
        world.variable("HOME").map_or_else(|| home_of(&world.uid.to_string()), |h| Some(h.into()))
    } else {
        home_of(user)
    };
    let Some(home) = home else { return path.to_owned() };
    match format!("{}{rest}", home.trim_end_matches('/')) {
        empty if empty.is_empty() => "/".to_owned(),
        expanded => expanded,
    }
}

fn home_of(user: &str) -> Option<String> {
    let found = Credentials::lookup(Some(user), None).ok()?;
    found.home().and_then(Path::to_str).map(str::to_owned)
}

/// Makes a path absolute without asking the file system: `~`, the working directory, `.`, `..`
/// and repeated slashes. Two slashes at the very beginning stay, as POSIX has it.
pub(super) fn normalize(path: &str, world: &World) -> String {
    let expanded = expand_user(path, world);
    let whole = if expanded.starts_with('/') {
        expanded
    } else {
        format!("{}/{expanded}", world.cwd.display())
    };
    let root = if whole.starts_with("//") && !whole.starts_with("///") { "//" } else { "/" };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

/// What precedes the last slash, as Python's `dirname`: empty where there is none.
pub(super) fn directory_of(path: &str) -> &str {
    let Some(slash) = path.rfind('/') else { return "" };
    let (head, _) = path.split_at(slash);
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { path.split_at(slash.saturating_add(1)).0 } else { trimmed }
}

/// A directory that must exist; `~` is expanded.
///
/// # Errors
///
/// It does not.
pub(super) fn existing_directory(path: &str, world: &World) -> Result<String, String> {
    let expanded = expand_user(path, world);
    if !expanded.is_empty() && world.cwd.join(&expanded).is_dir() {
        return Ok(expanded);
    }
    Err(format!("{path} is not an existing directory"))
}

/// A file whose directory must exist; `~` is expanded.
///
/// # Errors
///
/// It does not.
pub(super) fn existing_parent(path: &str, world: &World) -> Result<String, String> {
    let expanded = expand_user(path, world);
    let directory = directory_of(&expanded);
    if directory.is_empty() || world.cwd.join(directory).is_dir() {
        return Ok(expanded);
    }
    Err(format!("The directory named as part of the path {path} does not exist"))
}

/// Where temporary files go, as Python finds it: TMPDIR, TEMP, TMP, then the usual places; the
/// first that can be written, or else the working directory.
pub(super) fn temporary(world: &World) -> String {
    let named = ["TMPDIR", "TEMP", "TMP"].into_iter().filter_map(|name| world.variable(name));
    let usual = ["/tmp", "/var/tmp", "/usr/tmp"];
    named
        .filter(|dir| !dir.is_empty())
        .chain(usual)
        .map(|dir| normalize(&world.cwd.join(dir).display().to_string(), world))
        .find(|dir| writable(Path::new(dir)))
        .unwrap_or_else(|| world.cwd.display().to_string())
}

fn writable(dir: &Path) -> bool {
    use rustix::fs::Access;
    dir.is_dir() && rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World {
            env: vec![("HOME".to_owned(), "/srv/me/".to_owned())],
            cwd: "/tmp".into(),
            host_node_name: "vm".to_owned(),
            uid: 0,
        }
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        for (path, expected) in [
            ("~", "/srv/me"),
            ("~/x", "/srv/me/x"),
            ("~root", "/root"),
            ("~daemon/x", "/usr/sbin/x"),
            ("~no-such-user/x", "~no-such-user/x"),
            ("a~", "a~"),
            ("/~", "/~"),
            ("", ""),
        ] {
            assert_eq!(expand_user(path, &world()), expected, "{path}");
        }
        let bare = World { env: Vec::new(), ..world() };
        assert_eq!(expand_user("~", &bare), "/root");
    }

    #[test]
    fn paths_become_absolute_and_short() {
        for (path, expected) in [
            ("a", "/tmp/a"),
            ("", "/tmp"),
            ("../a/./b//c/..", "/a/b"),
            ("/../..", "/"),
            ("//x/y", "//x/y"),
            ("///x", "/x"),
            ("~/x", "/srv/me/x"),
        ] {
            assert_eq!(normalize(path, &world()), expected, "{path}");
        }
    }

    #[test]
    fn directories_of_paths() {
        for (path, expected) in
            [("a", ""), ("/a", "/"), ("a/b", "a"), ("/a//b", "/a"), ("a/", "a"), ("//a", "//")]
        {
            assert_eq!(directory_of(path), expected, "{path}");
        }
    }

    #[test]
    fn what_must_exist() {
        assert_eq!(existing_directory("/tmp", &world()), Ok("/tmp".to_owned()));
        assert_eq!(existing_directory(".", &world()), Ok(".".to_owned()));
        let gone = "/no/such/dir is not an existing directory".to_owned();
        assert_eq!(existing_directory("/no/such/dir", &world()), Err(gone));
        assert!(existing_directory("", &world()).is_err());
        assert_eq!(existing_parent("x.log", &world()), Ok("x.log".to_owned()));
        assert_eq!(existing_parent("/x.log", &world()), Ok("/x.log".to_owned()));
        assert_eq!(
            existing_parent("~/no/x.log", &world()),
            Err("The directory named as part of the path ~/no/x.log does not exist".to_owned())
        );
    }

    #[test]
    fn the_temporary_directory() {
        assert_eq!(temporary(&world()), "/tmp");
        let mut other = world();
        other.env.push(("TMPDIR".to_owned(), "/no/such/dir".to_owned()));
        other.env.push(("TMP".to_owned(), "/var/tmp/".to_owned()));
        assert_eq!(temporary(&other), "/var/tmp");
    }
}
