//! The file as sections and keys, read as supervisord reads it: Python's RawConfigParser with
//! `strict=False` and `inline_comment_prefixes=(';', '#')`.
//!
//! * `key = value` or `key: value`; the first delimiter counts; keys are lower-cased.
//! * A line that begins with `;` or `#` is a comment, and so is what follows one of them after a
//!   blank, quotes or no quotes.
//! * A line indented deeper than its key goes on with the value, after a newline; empty lines
//!   inside are kept, comments are not.
//! * A section named again goes on, a key named again replaces; `[DEFAULT]` is part of every
//!   section.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use super::python;

/// The section whose keys every other one has, too.
const DEFAULT: &str = "DEFAULT";
/// What `[include]` makes literal before anything is expanded.
const HERE: &str = "%(here)s";

/// Where something was written; shown as `FILE:LINE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file, as it was named when it was read.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A key with its value, as written but for blanks and comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In lower case.
    pub key: String,
    /// The lines, stripped and joined by newlines; nothing in it is expanded.
    pub value: String,
    /// Where the key stands.
    pub place: Place,
}

/// Keys in the order of their first appearance.
#[derive(Clone, Debug, Default)]
struct Keys {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Keys {
    fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.index.get(key)?)
    }

    /// Adds or replaces; gives the entry's position.
    fn set(&mut self, entry: Entry) -> usize {
        if let Some(&at) = self.index.get(&entry.key) {
            if let Some(former) = self.entries.get_mut(at) {
                *former = entry;
            }
            return at;
        }
        let at = self.entries.len();
        self.index.insert(entry.key.clone(), at);
        self.entries.push(entry);
        at
    }

    fn merge(&mut self, other: Keys) {
        for entry in other.entries {
            self.set(entry);
        }
    }
}

/// A section with its keys and those of `[DEFAULT]`.
#[derive(Clone, Debug)]
pub struct Section {
    /// As written between the brackets, blanks and all.
    pub name: String,
    /// Where it appeared first.
    pub place: Place,
    own: Keys,
    defaults: Arc<Keys>,
}

impl Section {
    /// The entry of a key, which is given in lower case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.own.get(key).or_else(|| self.defaults.get(key))
    }

    /// All entries: its own, then those of `[DEFAULT]` that it has not replaced.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let inherited = self.defaults.entries.iter();
        self.own.entries.iter().chain(inherited.filter(|e| self.own.get(&e.key).is_none()))
    }
}

/// What a file holds, or several of them.
#[derive(Clone, Debug, Default)]
pub struct Document {
    sections: Vec<Section>,
    index: HashMap<String, usize>,
    defaults: Arc<Keys>,
    /// Sections that may hold a `%(here)s`: thousands of included files are not to be searched
    /// thousands of times.
    unsearched: Vec<usize>,
}

impl Document {
    /// Reads a text; `file` is its name in errors and places. A line ends with a newline, a
    /// carriage return, or both.
    ///
    /// # Errors
    /// Python's text, which has several lines.
    pub fn parse(text: &str, file: &str) -> Result<Document, String> {
        let mut reader = Reader::new(file);
        for (number, (line, ended)) in (1..).zip(Lines(text)) {
            reader.line(number, line, ended)?;
        }
        reader.finish()
    }

    /// The sections in the order of their first appearance, without `[DEFAULT]`.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of this very name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(*self.index.get(name)?)
    }

    /// The entries of `[DEFAULT]`.
    pub fn defaults(&self) -> impl Iterator<Item = &Entry> {
        self.defaults.entries.iter()
    }

    /// Puts the sections of an included file over ours.
    pub fn merge(&mut self, other: Document) {
        let added = Arc::unwrap_or_clone(other.defaults);
        if !added.entries.is_empty() {
            Arc::make_mut(&mut self.defaults).merge(added);
            self.share_defaults();
            self.unsearched = (0..self.sections.len()).collect();
        }
        for section in other.sections {
            let at = self.enter(section.name, section.place);
            if let Some(mine) = self.sections.get_mut(at) {
                mine.own.merge(section.own);
                self.unsearched.push(at);
            }
        }
    }

    /// Replaces every `%(here)s` of every section, inherited ones included, by a directory.
    /// supervisord does so only where there is an `[include]`: first with the directory of the
    /// main file, then, after each included file, with the directory of that one. What stands in
    /// `[DEFAULT]` itself stays for the sections to come.
    pub fn expand_here(&mut self, here: &str) {
        for at in std::mem::take(&mut self.unsearched) {
            let Some(section) = self.sections.get_mut(at) else { continue };
            let expanded: Vec<Entry> = section
                .entries()
                .filter(|entry| entry.value.contains(HERE))
                .map(|entry| Entry { value: entry.value.replace(HERE, here), ..entry.clone() })
                .collect();
            for entry in expanded {
                section.own.set(entry);
            }
        }
    }

    /// The position of a section, which is made if it is new.
    fn enter(&mut self, name: String, place: Place) -> usize {
        if let Some(&at) = self.index.get(&name) {
            return at;
        }
        let at = self.sections.len();
        self.index.insert(name.clone(), at);
        self.unsearched.push(at);
        let defaults = Arc::clone(&self.defaults);
        self.sections.push(Section { name, place, own: Keys::default(), defaults });
        at
    }

    fn share_defaults(&mut self) {
        for section in &mut self.sections {
            section.defaults = Arc::clone(&self.defaults);
        }
    }
}

/// The lines of a text without their ends, and whether there was one.
struct Lines<'a>(&'a str);

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a str, bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((line, rest)) = self.0.split_once(['\n', '\r']) else {
            return Some((std::mem::take(&mut self.0), false));
        };
        let carriage = self.0.as_bytes().get(line.len()) == Some(&b'\r');
        self.0 = if carriage { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
        Some((line, true))
    }
}

/// Where keys go to.
#[derive(Copy, Clone)]
enum Target {
    Default,
    Section(usize),
}

/// The state between two lines.
struct Reader {
    file: Arc<str>,
    document: Document,
    defaults: Keys,
    target: Option<Target>,
    /// The entry that an indented line goes on with.
    open: Option<usize>,
    /// Indentation of the last line that was no continuation, in characters.
    indent: usize,
    /// The error so far: lines that are nothing do not end the reading.
    bad: String,
}

impl Reader {
    fn new(file: &str) -> Self {
        Self {
            file: Arc::from(file),
            document: Document::default(),
            defaults: Keys::default(),
            target: None,
            open: None,
            indent: 0,
            bad: String::new(),
        }
    }

    fn line(&mut self, number: usize, line: &str, ended: bool) -> Result<(), String> {
        let comment = comment(line);
        let content = comment.map_or(line, |at| line.get(..at).unwrap_or_default());
        let content = python::strip(content);
        if content.is_empty() {
            if comment.is_none() {
                self.go_on("");
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| python::is_space(c)).count();
        if indent > self.indent && self.go_on(content) {
            return Ok(());
        }
        self.indent = indent;
        let place = Place { file: Arc::clone(&self.file), line: number };
        if let Some(name) = header(content) {
            self.target = Some(match name {
                DEFAULT => Target::Default,
                name => Target::Section(self.document.enter(name.to_owned(), place)),
            });
            self.open = None;
            return Ok(());
        }
        let written = || python::repr(&if ended { format!("{line}\n") } else { line.to_owned() });
        if self.target.is_none() {
            let (file, line) = (python::repr(&self.file), written());
            return Err(format!(
                "File contains no section headers.\nfile: {file}, line: {number}\n{line}"
            ));
        }
        match content.split_once(['=', ':']) {
            Some((key, value)) if !python::strip(key).is_empty() => {
                let key = python::strip(key).to_lowercase();
                let value = python::strip(value).to_owned();
                self.open = self.keys().map(|keys| keys.set(Entry { key, value, place }));
            }
            other => {
                if other.is_some() {
                    self.open = None;
                }
                // Writing to a String cannot fail.
                let _ = write!(self.bad, "\n\t[line {number:2}]: {}", written());
            }
        }
        Ok(())
    }

    fn keys(&mut self) -> Option<&mut Keys> {
        match self.target? {
            Target::Default => Some(&mut self.defaults),
            Target::Section(at) => {
                self.document.sections.get_mut(at).map(|section| &mut section.own)
            }
        }
    }

    /// Adds a line to the value that is open; false if there is none.
    fn go_on(&mut self, line: &str) -> bool {
        let Some(at) = self.open else { return false };
        let Some(entry) = self.keys().and_then(|keys| keys.entries.get_mut(at)) else {
            return false;
        };
        entry.value.push('\n');
        entry.value.push_str(line);
        true
    }

    fn finish(mut self) -> Result<Document, String> {
        if !self.bad.is_empty() {
            let file = python::repr(&self.file);
            return Err(format!("Source contains parsing errors: {file}{}", self.bad));
        }
        let sections = self.document.sections.iter_mut().map(|section| &mut section.own);
        for entry in sections.chain([&mut self.defaults]).flat_map(|keys| &mut keys.entries) {
            let kept = entry.value.trim_end_matches(python::is_space).len();
            entry.value.truncate(kept);
        }
        self.document.defaults = Arc::new(self.defaults);
        self.document.share_defaults();
        Ok(self.document)
    }
}

/// The name in a section's header; what follows the last bracket is passed over.
fn header(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Where the comment of a line begins.
///
/// Both signs are tried in step, the first of each, the second of each, and so on, until one
/// begins a comment: in `a=x#y #1 ;2`, it is the first `;`, although there is a `#` before it.
fn comment(line: &str) -> Option<usize> {
    if python::strip(line).starts_with(['#', ';']) {
        return Some(0);
    }
    let mut semicolons = line.match_indices(';').fuse();
    let mut hashes = line.match_indices('#').fuse();
    loop {
        let pair = [semicolons.next(), hashes.next()];
        if pair.iter().all(Option::is_none) {
            return None;
        }
        let begins = |&at: &usize| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(python::is_space)
        };
        let first = pair.iter().flatten().map(|&(at, _)| at).filter(begins).min();
        if first.is_some() {
            return first;
        }
    }
}

#[cfg(test)]
mod tests;
