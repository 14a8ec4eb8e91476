//! What the tests of the configuration share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::load::{World, load};
use super::model::{Config, Note, Process, Weight};
use crate::supervise::args::Overrides;

/// A directory that is gone with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("supervise-config-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and makes the directory it is in.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Reads `text` as this directory's `s.conf`; `<DIR>` in an error is this directory.
    pub(super) fn load(&self, text: &str, world: &World) -> Result<Config, String> {
        let file = self.write("s.conf", text.replace("<DIR>", self.0.to_str().unwrap()));
        load(&file, &Overrides::default(), world).map_err(|error| self.hide(&error))
    }

    /// The text with this directory's name out of it.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(self.0.to_str().unwrap(), "<DIR>")
    }

    /// The texts of the notes of one weight.
    pub(super) fn notes(&self, config: &Config, weight: Weight) -> Vec<String> {
        let of_weight = |note: &&Note| note.weight == weight;
        config.notes.iter().filter(of_weight).map(|note| self.hide(&note.text)).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The world in which the vectors were recorded.
pub(super) fn world() -> World {
    let env = [
        ("FOO", "foo"),
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PCT", "50%"),
        ("SP", "a b"),
    ];
    World {
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        cwd: "/tmp".into(),
        host_node_name: "vm".to_owned(),
        uid: 0,
    }
}

/// A configuration of one program, with these lines in its section.
pub(super) fn program(lines: &str) -> String {
    format!(
        "[supervisord]\nlogfile=/dev/null\npidfile=/tmp/x.pid\n[program:p]\ncommand=/bin/cat\n{lines}\n"
    )
}

/// A configuration whose `[supervisord]` goes on with these lines.
pub(super) const BASE: &str = "[supervisord]\nlogfile=/dev/null\npidfile=/tmp/x.pid\n";

/// Reads [`BASE`] and what follows it, which must be right.
pub(super) fn read(text: &str) -> (Config, Directory) {
    let dir = Directory::new();
    let config = dir.load(&format!("{BASE}{text}\n"), &world());
    (config.unwrap_or_else(|error| panic!("{text}: {error}")), dir)
}

/// The first process of [`program`] with these lines.
pub(super) fn only(lines: &str) -> Process {
    let config = Directory::new().load(&program(lines), &world());
    config.unwrap_or_else(|error| panic!("{lines}: {error}")).groups[0].processes[0].clone()
}
