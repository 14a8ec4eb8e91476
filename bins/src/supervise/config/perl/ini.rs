//! The INI files of Perl's Config::IniFiles, as far as CPAN Supervisor uses them.
//!
//! A line is a `[section]`, `key = value`, blank, or a comment that begins with `;` or `#`. Keys keep
//! their case; a value is the rest of its line, semicolons included. What the module would turn
//! into a list (a key twice in a section, `<<` and the lines to its mark) is refused: Supervisor
//! never had a use for one.

/// A section with its keys in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

/// `key = value`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// To the end of the line, blanks there included.
    pub(super) value: String,
    pub(super) line: usize,
}

impl Section {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// All sections, or the number of a line and what is wrong with it.
pub(super) fn sections(text: &str) -> Result<Vec<Section>, (usize, String)> {
    let mut sections: Vec<Section> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.split('\n').zip(1_usize..) {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        let fail = |what: String| Err((number, what));
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.trim_end().strip_suffix(']').map_or("", str::trim);
            if name.is_empty() {
                return fail("a section is [NAME]".to_owned());
            }
            if let Some(first) = sections.iter().find(|section| section.name == name) {
                return fail(format!("[{name}] stands in line {} already", first.line));
            }
            let name = name.to_owned();
            sections.push(Section { name, line: number, entries: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return fail("a [section] must come first".to_owned());
        };
        let (key, value) = match line.split_once('=') {
            Some((key, value)) if !key.trim_end().is_empty() => {
                (key.trim_end(), value.trim_start())
            }
            _ => return fail("\"key = value\" is expected".to_owned()),
        };
        if value.starts_with("<<") {
            return fail(format!("the value of {key} must stand in one line, without <<"));
        }
        if let Some(first) = section.get(key) {
            return fail(format!("{key} stands in line {} already", first.line));
        }
        let (key, value) = (key.to_owned(), value.to_owned());
        section.entries.push(Entry { key, value, line: number });
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys_are_read_as_by_config_inifiles() {
        let text = "\u{feff}; a comment\r\n\n[program:a]\r\ncommand = x ; y # z\n  Name=  b  \n\
                    # another\n\t;and one\n [ two  words ] \nkey with blanks = a=b\nempty =\n";
        let read = sections(text).unwrap();
        let names: Vec<_> =
            read.iter().map(|section| (section.name.as_str(), section.line)).collect();
        assert_eq!(names, [("program:a", 3), ("two  words", 8)]);
        let entry = |section: usize, key: &str| {
            read[section].get(key).map(|entry| (entry.value.as_str(), entry.line))
        };
        assert_eq!(entry(0, "command"), Some(("x ; y # z", 4)));
        assert_eq!(entry(0, "Name"), Some(("b  ", 5)));
        assert_eq!(entry(0, "name"), None);
        assert_eq!(entry(1, "key with blanks"), Some(("a=b", 9)));
        assert_eq!(entry(1, "empty"), Some(("", 10)));
        assert_eq!(sections(""), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        for (text, line, what) in [
            ("key = value\n", 1, "a [section] must come first"),
            ("\n[a\n", 2, "a section is [NAME]"),
            ("[]\n", 1, "a section is [NAME]"),
            ("[a] trailing\n", 1, "a section is [NAME]"),
            ("[a]\nword\n", 2, "\"key = value\" is expected"),
            ("[a]\n = v\n", 2, "\"key = value\" is expected"),
            ("[a]\nk: v\n", 2, "\"key = value\" is expected"),
            ("[a]\nk = <<EOT\nx\nEOT\n", 2, "the value of k must stand in one line, without <<"),
            ("[a]\nk = 1\nj = 2\nk = 3\n", 4, "k stands in line 2 already"),
            ("[a]\n[b]\n[ a ]\n", 3, "[a] stands in line 1 already"),
        ] {
            assert_eq!(sections(text), Err((line, what.to_owned())), "{text:?}");
        }
    }
}
