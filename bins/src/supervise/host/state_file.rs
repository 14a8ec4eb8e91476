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
    written: Option<BTreeSet<String>>,
}

impl StateFile {
    /// What the former run left; a file that is not there is an empty one.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is something else.
    pub(super) fn open(path: &Path) -> Result<(Self, BTreeSet<String>), String> {
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
        Ok((Self { path: path.to_owned(), written: None }, stopped))
    }

    /// Writes the names, if they are others than before: a new file, moved over the old one.
    ///
    /// # Errors
    /// What the file system says; it is tried again with the next change.
    fn write(&mut self, stopped: BTreeSet<String>) -> io::Result<()> {
        if self.written.as_ref() == Some(&stopped) {
            return Ok(());
        }
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        let mut text = format!("{HEAD}\n");
        for name in &stopped {
            text.push_str(name);
            text.push('\n');
        }
        let written = File::create(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
            .and_then(|()| fs::rename(&draft, &self.path));
        match written {
            Ok(()) => {
                self.written = Some(stopped);
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
    /// Takes down what is stopped by hand.
    pub(super) fn remember_orders(&mut self) {
        if self.state_file.is_none() {
            return;
        }
        let stopped = |id: &ProcId| self.machine.view(*id).is_some_and(|view| view.by_hand);
        let of_hand = self.present.iter().filter(|(_, (id, _))| stopped(id));
        let names = of_hand.map(|((group, name), _)| format!("{group}:{name}")).collect();
        let Some(file) = &mut self.state_file else { return };
        if let Err(error) = file.write(names) {
            let shown = file.path.display();
            let text = format!("cannot write the state file {shown}: {error}");
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
        let (mut file, stopped) = StateFile::open(&path).unwrap();
        assert!(stopped.is_empty());
        let names: BTreeSet<String> = ["g:a".to_owned(), "b:b".to_owned()].into();
        file.write(names.clone()).unwrap();
        assert_eq!(StateFile::open(&path).unwrap().1, names);
        file.write(BTreeSet::new()).unwrap();
        assert!(StateFile::open(&path).unwrap().1.is_empty());
        fs::write(&path, "something else\n").unwrap();
        assert!(StateFile::open(&path).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
