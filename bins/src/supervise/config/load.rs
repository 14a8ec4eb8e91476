//! From a file to a configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::around::Surroundings;
use super::ini::Document;
use super::model::{Config, Note};
use super::paths::{directory_of, normalize};
use super::{daemon, group, include, server, suggest};
use crate::supervise::args::Overrides;

/// What a configuration depends on besides its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// The environment, for `%(ENV_X)s`, `~` and the directory for temporary files.
    pub env: Vec<(String, String)>,
    /// What relative paths are relative to.
    pub cwd: PathBuf,
    /// `%(host_node_name)s`.
    pub host_node_name: String,
    /// The user that reads.
    pub uid: u32,
}

impl World {
    /// The world of the calling process. Variables that are not UTF-8 are left out: a configuration
    /// cannot name them.
    ///
    /// # Errors
    ///
    /// There is no working directory.
    pub fn of_this_process() -> Result<Self, String> {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Ok(Self {
            env: std::env::vars_os().filter_map(text).collect(),
            cwd: std::env::current_dir()
                .map_err(|error| format!("could not find the working directory: {error}"))?,
            host_node_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            uid: rustix::process::getuid().as_raw(),
        })
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a supervisord.conf and what it includes, checks it, and puts the command line over it.
///
/// # Errors
///
/// supervisord's text for the first thing that is wrong; of a file that cannot be parsed it has
/// several lines.
pub fn load(file: &Path, overrides: &Overrides, world: &World) -> Result<Config, String> {
    understand(&text(file, world)?, file, overrides, world)
}

/// The text of a configuration file.
///
/// # Errors
///
/// It is not there, cannot be read, or is not UTF-8.
pub(super) fn text(file: &Path, world: &World) -> Result<String, String> {
    let shown = file.display().to_string();
    let path = world.cwd.join(file);
    if !path.exists() {
        return Err(format!("could not find config file {shown}"));
    }
    let bytes = std::fs::read(&path).map_err(|_| format!("could not read config file {shown}"))?;
    text_of(bytes, &shown)
}

/// What the text of a file means; see [`load`].
pub(super) fn understand(
    text: &str,
    file: &Path,
    overrides: &Overrides,
    world: &World,
) -> Result<Config, String> {
    let mut document = Document::parse(text, &file.display().to_string())?;
    let path = world.cwd.join(file);
    let here = normalize(directory_of(&path.display().to_string()), world);
    let mut around = Surroundings::new(world, &here);
    let mut notes = Vec::new();
    include::apply(&mut document, &around, &mut notes)?;
    let Some(section) = document.section("supervisord") else {
        return Err(".ini file does not include supervisord section".to_owned());
    };
    let mut daemon = daemon::read(section, &mut around, &mut notes)?;
    server::refuse_plugins(&document, &around)?;
    let groups = group::read(&document, &around, &mut notes)?;
    let servers = server::read(&document, &around)?;
    let client = server::client(&document, &around, &mut notes);
    daemon::settle(&mut daemon, overrides, world)?;
    daemon.serverurl = server::url(&servers);
    suggest::notes(&document, &mut notes);
    Ok(Config { daemon, servers, client, groups, notes: without_repetitions(notes) })
}

/// The text of a file.
///
/// # Errors
///
/// It is not UTF-8; the line is named.
pub(super) fn text_of(bytes: Vec<u8>, shown: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count().saturating_add(1);
        format!("could not read config file {shown}: line {line} is not UTF-8")
    })
}

/// A section of many processes says everything many times.
fn without_repetitions(notes: Vec<Note>) -> Vec<Note> {
    let mut seen = std::collections::BTreeSet::new();
    notes.into_iter().filter(|note| seen.insert(note.text.clone())).collect()
}
