//! What the command line may say instead of a key of `[supervisord]`.

use super::load::World;
pub(crate) use super::python::repr;
use super::{paths, value};

/// Checks a text for `key` as supervisord does while it reads the command line. It is not expanded,
/// and a user is looked up only when the file has been read.
///
/// # Errors
///
/// supervisord's words for what is wrong with it.
pub(crate) fn check(key: &str, text: &str, world: &World) -> Result<(), String> {
    match key {
        "umask" => value::octal(text).map(drop),
        "directory" | "childlogdir" => paths::existing_directory(text, world).map(drop),
        "logfile" | "pidfile" => paths::existing_parent(text, world).map(drop),
        "logfile_maxbytes" => value::byte_size(text).map(drop),
        "logfile_backups" | "minfds" | "minprocs" => value::integer(text).map(drop),
        "loglevel" => value::level(text).map(drop),
        _ => Ok(()),
    }
}
