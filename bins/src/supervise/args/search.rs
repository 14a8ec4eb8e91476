//! Where a configuration is looked for when no `-c` names it.

use std::path::{Path, PathBuf};

use super::Format;

/// The names of a configuration, in the order in which they are tried in each place.
const NAMES: [&str; 2] = ["supervise.conf", "supervisord.conf"];

/// The places that do not depend on where the program is.
const PLACES: [&str; 4] = ["", "etc", "/etc", "/etc/supervisor"];

/// The one file that CPAN Supervisor reads unless told otherwise.
const PERL: &str = "supervisor.ini";

/// The files that are tried for a program that was started as `program`, in order: supervisord's
/// search path, with `supervise.conf` before `supervisord.conf` in each place.
///
/// ```
/// use superdaemon::supervise::args::search::places;
///
/// let places = places("/usr/bin/supervise".as_ref(), None);
/// assert_eq!(places.len(), 12);
/// assert_eq!(places[0], std::path::Path::new("/usr/etc/supervise.conf"));
/// assert_eq!(places[11], std::path::Path::new("/etc/supervisor/supervisord.conf"));
/// ```
#[must_use]
pub fn places(program: &Path, format: Option<Format>) -> Vec<PathBuf> {
    if format == Some(Format::Perl) {
        return vec![PERL.into()];
    }
    let home = above(above(program));
    let etc = home.join("etc");
    let dirs = [etc.as_path(), home].into_iter().chain(PLACES.map(Path::new));
    dirs.flat_map(|dir| NAMES.map(|name| dir.join(name))).collect()
}

/// The directory that a path names a file in; the root is in itself, and a bare name in "".
fn above(path: &Path) -> &Path {
    path.parent().unwrap_or(if path.has_root() { path } else { Path::new("") })
}

/// The first of [`places`] that exists.
///
/// # Errors
///
/// When there is none: what supervisord says then.
pub fn find(program: &Path, format: Option<Format>) -> Result<PathBuf, String> {
    first(places(program, format), Path::exists)
}

fn first(places: Vec<PathBuf>, exists: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
    if let Some(found) = places.iter().find(|place| exists(place)) {
        return Ok(found.clone());
    }
    let shown: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(format!(
        "No config file found at default paths ({}); use the -c option to specify a config file \
         at a different path",
        shown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(program: &str) -> Vec<String> {
        let places = places(Path::new(program), None);
        places.iter().map(|place| place.display().to_string()).collect()
    }

    #[test]
    fn the_places_are_supervisords_with_our_name_first() {
        assert_eq!(
            shown("/usr/local/bin/supervise"),
            [
                "/usr/local/etc/supervise.conf",
                "/usr/local/etc/supervisord.conf",
                "/usr/local/supervise.conf",
                "/usr/local/supervisord.conf",
                "supervise.conf",
                "supervisord.conf",
                "etc/supervise.conf",
                "etc/supervisord.conf",
                "/etc/supervise.conf",
                "/etc/supervisord.conf",
                "/etc/supervisor/supervise.conf",
                "/etc/supervisor/supervisord.conf",
            ]
        );
        for (program, first, third) in [
            ("supervise", "etc/supervise.conf", "supervise.conf"),
            ("./supervise", "etc/supervise.conf", "supervise.conf"),
            ("bin/supervise", "etc/supervise.conf", "supervise.conf"),
            ("opt/bin/supervise", "opt/etc/supervise.conf", "opt/supervise.conf"),
            ("/supervise", "/etc/supervise.conf", "/supervise.conf"),
            ("../bin/supervise", "../etc/supervise.conf", "../supervise.conf"),
        ] {
            let places = shown(program);
            assert_eq!((places[0].as_str(), places[2].as_str()), (first, third), "{program}");
        }
    }

    #[test]
    fn the_first_that_exists_is_taken() {
        let all = places(Path::new("/usr/bin/supervise"), None);
        for (at, place) in all.iter().enumerate() {
            let exists = |path: &Path| all.iter().skip(at).any(|other| other == path);
            assert_eq!(first(all.clone(), exists).as_ref(), Ok(place));
        }
        assert_eq!(
            first(all.into_iter().skip(10).collect(), |_| false).unwrap_err(),
            "No config file found at default paths (/etc/supervisor/supervise.conf, \
             /etc/supervisor/supervisord.conf); use the -c option to specify a config file at a \
             different path"
        );
    }

    #[test]
    fn the_perl_original_has_one_place() {
        let all = places(Path::new("/usr/bin/supervise"), Some(Format::Perl));
        assert_eq!(all, [Path::new("supervisor.ini")]);
        assert_eq!(places("x".as_ref(), Some(Format::Supervisord)), places("x".as_ref(), None));
    }
}
