//! File name patterns as Python's `glob` and `fnmatch` read them, for `[include]`.
//!
//! `*` and `?` do not match a slash, and no wildcard a dot at the beginning of a name; `**` is an
//! ordinary `*`; a bracket that is never closed stands for itself; there is no escape but `[*]`.

use std::path::{Path, PathBuf};

/// The files that match, sorted as their names are. Wildcards in `base` itself mean nothing.
pub(super) fn find(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { "/".into() } else { base.to_owned() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = if part.contains(['*', '?', '[']) {
            let tokens = compile(part);
            found.iter().flat_map(|dir| entries(dir, part, &tokens)).collect()
        } else {
            found.iter().map(|dir| dir.join(part)).collect()
        };
    }
    let directories_only = pattern.ends_with('/');
    found.retain(
        |path| {
            if directories_only { path.is_dir() } else { path.symlink_metadata().is_ok() }
        },
    );
    found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    found
}

fn entries(dir: &Path, part: &str, tokens: &[Token]) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(dir) else { return Vec::new() };
    list.flatten()
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.to_string_lossy();
            (part.starts_with('.') || !name.starts_with('.')) && matches(tokens, &name)
        })
        .map(|name| dir.join(name))
        .collect()
}

#[derive(Debug)]
enum Token {
    Star,
    One,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated
            }
        }
    }
}

fn compile(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::One,
            '[' => match bracket(rest.as_str()) {
                Some((set, after)) => {
                    rest = after.chars();
                    set
                }
                None => Token::Literal('['),
            },
            c => Token::Literal(c),
        });
    }
    tokens
}

/// What a bracket holds, and what follows it; a `]` that comes first belongs to the set.
fn bracket(text: &str) -> Option<(Token, &str)> {
    let (negated, body) = text.strip_prefix('!').map_or((false, text), |body| (true, body));
    let end = body.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at)?;
    let (members, rest) = body.split_at(end);
    let mut ranges = Vec::new();
    let mut members = members.chars();
    while let Some(low) = members.next() {
        let mut ahead = members.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) => {
                ranges.push((low, high));
                members = ahead;
            }
            _ => ranges.push((low, low)),
        }
    }
    Some((Token::Set { negated, ranges }, rest.strip_prefix(']')?))
}

/// Whether a whole name matches; in the worst case as many steps as both are long, multiplied.
fn matches(tokens: &[Token], name: &str) -> bool {
    let (mut tokens, mut name) = (tokens, name.chars());
    let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = name.clone();
        match (tokens.split_first(), ahead.next()) {
            (Some((Token::Star, rest)), _) => {
                tokens = rest;
                retry = Some((rest, name.clone()));
                continue;
            }
            (Some((token, rest)), Some(c)) if token.accepts(c) => {
                (tokens, name) = (rest, ahead);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after_star, mut from)) = retry.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        (tokens, name) = (after_star, from.clone());
        retry = Some((after_star, from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_python() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", true),
            ("*.conf", "a.conf~", false),
            ("*", "", true),
            ("?", "\u{e9}", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**x", "abx", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("[z-a]", "m", false),
            ("[a", "[a", true),
            ("[a", "a", false),
            ("[*]", "*", true),
            ("[*]", "x", false),
            ("[^a]", "^", true),
        ] {
            assert_eq!(matches(&compile(pattern), name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&compile(&pattern), &format!("{}b", "a".repeat(5_000))));
    }

    #[test]
    fn files_are_found_sorted_and_without_hidden_ones() {
        let dir = crate::supervise::config::testing::Directory::new();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt", "d/x.conf", "e/y.conf"] {
            dir.write(name, "");
        }
        let names = |pattern: &str| -> Vec<String> {
            let under = |path: PathBuf| path.strip_prefix(dir.path()).map(Path::to_owned);
            find(dir.path(), pattern)
                .into_iter()
                .map(|path| under(path).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(names(".*.conf"), [".hidden.conf"]);
        assert_eq!(names("*/*.conf"), ["d/x.conf", "e/y.conf"]);
        assert_eq!(names("[de]/"), ["d", "e"]);
        assert_eq!(names("a.conf"), ["a.conf"]);
        assert_eq!(names("no*/x"), [""; 0]);
        assert_eq!(names(&format!("{}/c.*", dir.path().display())), ["c.txt"]);
    }
}
