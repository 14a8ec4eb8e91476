//! `--state`: which programs were stopped by hand, so that they stay stopped
//! when the supervisor is started again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Host;
use crate::supervise::machine::types::ProcId;

/// The first line of the file.
const HEAD: &str = "# stopped by hand; written by supervise";

/// The file and what stands in it.
pub(super) struct StateFile {
    path: PathBuf,
    stopped: BTreeSet<String>,
    /// What stands in the file is something else.
    stale: bool,
    /// Something was taken down since it was written, or tried, last.
    noted: bool,
}

impl StateFile {
    /// What the former run left; a file that is not there is an empty one.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is something else.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("cannot read the state file {shown}: {error}")),
        };
        if !text.is_empty() && text.lines().next() != Some(HEAD) {
            return Err(format!("{shown} is not a state file: its first line is not \"{HEAD}\""));
        }
        let lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
        let stopped: BTreeSet<String> = lines.map(str::to_owned).collect();
        Ok(Self { path: path.to_owned(), stopped, stale: false, noted: false })
    }

    /// The names, as `group:name`.
    pub(super) fn stopped(&self) -> &BTreeSet<String> {
        &self.stopped
    }

    /// Notes that a program was stopped by hand, or runs again; [`StateFile::keep`] writes it.
    fn note(&mut self, name: String, stopped: bool) {
        let news = if stopped { self.stopped.insert(name) } else { self.stopped.remove(&name) };
        self.stale |= news;
        self.noted = true;
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// What the file system says; it is tried again when something else has changed.
    fn keep(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.noted) && self.stale { self.write() } else { Ok(()) }
    }

    /// A new file, moved over the old one.
    fn write(&mut self) -> io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        let mut text = format!("{HEAD}\n");
        for name in &self.stopped {
            text.push_str(name);
            text.push('\n');
        }
        let written = File::create(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
            .and_then(|()| fs::rename(&draft, &self.path));
        match written {
            Ok(()) => {
                self.stale = false;
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }
}

impl Host {
    /// Takes down whether a program was stopped by hand.
    pub(super) fn remember_order(&mut self, id: ProcId) {
        if self.state_file.is_none() {
            return;
        }
        // Of a program that is replaced only the new process counts.
        let Some(process) = self.processes.get(&id).filter(|p| self.is_active(id, p)) else {
            return;
        };
        let by_hand = self.machine.view(id).is_some_and(|view| view.by_hand);
        let name = format!("{}:{}", process.spec.group, process.spec.process.name);
        if let Some(file) = &mut self.state_file {
            file.note(name, by_hand);
        }
    }

    /// Writes what was taken down since the last time, once for however many programs.
    pub(super) fn keep_state(&mut self) {
        let Some(file) = &mut self.state_file else { return };
        if let Err(error) = file.keep() {
            let text = format!("cannot write the state file {}: {error}", file.path.display());
            self.warn_once(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_a_foreign_file_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("state-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("state");
        let mut file = StateFile::open(&path).unwrap();
        assert!(file.stopped().is_empty());
        file.note("g:a".to_owned(), false);
        file.keep().unwrap();
        assert!(!path.exists(), "nothing to tell");
        file.note("g:a".to_owned(), true);
        file.note("b:b".to_owned(), true);
        file.keep().unwrap();
        let names: BTreeSet<String> = ["g:a".to_owned(), "b:b".to_owned()].into();
        assert_eq!(*StateFile::open(&path).unwrap().stopped(), names);
        file.note("g:a".to_owned(), false);
        file.note("b:b".to_owned(), false);
        file.keep().unwrap();
        assert!(StateFile::open(&path).unwrap().stopped().is_empty());
        fs::write(&path, "something else\n").unwrap();
        assert!(StateFile::open(&path).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
