//! Whether a value may stand behind its option, in supervisord's words.

use std::ffi::OsStr;

use super::options;
use crate::supervise::config::asked;
pub(super) use crate::supervise::config::asked::repr;
use crate::supervise::config::load::World;

/// Checks the value of the option `name`, which was typed as `spelling`. Users are left for when the
/// configuration has been read.
pub(super) fn value(
    name: &str,
    spelling: &str,
    given: &OsStr,
    world: &World,
) -> Result<(), String> {
    let checked = match (name, given.to_str()) {
        ("configuration", _) => Ok(()),
        ("state", _) if given.is_empty() => Err("the name of a file is expected".to_owned()),
        ("state", _) => Ok(()),
        (_, None) => Err("it is not UTF-8".to_owned()),
        ("format", Some(text)) => match options::format(text) {
            Some(_) => Ok(()),
            None => Err("supervisord or perl is expected".to_owned()),
        },
        (key, Some(text)) => asked::check(key, text, world),
    };
    let shown = given.to_string_lossy();
    checked.map_err(|why| format!("invalid value for {spelling} {}: {why}", repr(&shown)))
}
