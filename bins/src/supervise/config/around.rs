//! What a section is read in: the machine, the directory of the file, and the names that every
//! value may use.

use super::expand::Names;
use super::ini::Section;
use super::load::World;
use super::python;
use super::reader::Reader;

/// The same for every section.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub world: &'a World,
    /// The directory of the main file.
    pub here: &'a str,
    /// `ENV_*`: the supervisor's own environment, and that of `[supervisord]` once it is known.
    pub names: Names,
    /// `environment` of `[supervisord]`.
    pub environment: Vec<(String, String)>,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(world: &'a World, here: &'a str) -> Self {
        let mut names = Names::new();
        for (name, value) in &world.env {
            names.insert(format!("ENV_{name}"), value.as_str());
        }
        Self { world, here, names, environment: Vec::new() }
    }

    /// Lets every section after this one use a variable.
    pub(super) fn export(&mut self, name: &str, value: &str) {
        self.names.insert(format!("ENV_{name}"), value);
    }

    /// A reader that knows the environment and `here`.
    pub(super) fn reader<'s>(&self, section: &'s Section) -> Reader<'s> {
        let mut names = self.names.clone();
        names.insert("here", self.here);
        Reader::new(section, names)
    }

    /// A reader that knows the environment alone.
    pub(super) fn bare_reader<'s>(&self, section: &'s Section) -> Reader<'s> {
        Reader::new(section, self.names.clone())
    }
}

/// `x` of `program:x`.
pub(super) fn after_colon(section: &Section) -> &str {
    section.name.split_once(':').map_or("", |(_, name)| name)
}

/// What supervisord puts behind an error in a program's section.
pub(super) fn suffix(section: &Section) -> String {
    let (name, file) = (python::repr(&section.name), python::repr(&section.place.file));
    format!(" in section {name} (file: {file})")
}
