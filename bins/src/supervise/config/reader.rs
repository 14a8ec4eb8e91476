//! One section being read: its values with the names in them expanded.

use super::expand::{Names, expand};
use super::ini::Section;

/// A section, and the names that its values may use.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub section: &'a Section,
    pub names: Names,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a Section, names: Names) -> Self {
        Self { section, names }
    }

    /// The value as it stands in the file.
    pub(super) fn raw(&self, key: &str) -> Option<&'a str> {
        self.section.get(key).map(|entry| entry.value.as_str())
    }

    /// The value with its names expanded.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        expand(value, &self.names, &format!("{}.{key}", self.section.name)).map(Some)
    }

    /// The value as something else, where the key is given.
    pub(super) fn given<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.text(key)?.map(|text| read(&text)).transpose()
    }

    /// The value as something else.
    pub(super) fn get<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        Ok(self.given(key, read)?.unwrap_or(default))
    }

    /// The place of a key, as `FILE:LINE`.
    pub(super) fn place(&self, key: &str) -> String {
        let entry = self.section.get(key);
        entry.map_or(&self.section.place, |entry| &entry.place).to_string()
    }
}
