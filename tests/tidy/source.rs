//! The Rust files of this repository, read well enough to search them: comments and literals can be
//! told from code, and tests from what runs.

use std::fs;
use std::path::{Path, PathBuf};

/// Where Rust code is.
const PLACES: [&str; 8] = [
    "bench",
    "bins/src",
    "crates",
    "docs",
    "examples",
    "fuzz/bodies",
    "fuzz/fuzz_targets",
    "tests",
];

pub struct Source {
    /// From the root of the repository.
    pub path: String,
    pub text: String,
    /// The text with a blank for each character of a comment or literal.
    pub code: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file, sorted.
pub fn all() -> Vec<Source> {
    let mut paths = Vec::new();
    PLACES.iter().for_each(|place| collect(&root().join(place), &mut paths));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Source { path, code: code(&text), text }
    };
    paths.iter().map(read).collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("out") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// What a program or library runs: the sources of crates and binaries, tests blanked.
pub fn running(all: &[Source]) -> Vec<Source> {
    let of_crate = |source: &&Source| {
        source.path.starts_with("bins/src/")
            || source.path.starts_with("crates/") && source.path.contains("/src/")
    };
    let mut test_modules = Vec::new();
    let mut running: Vec<Source> = all
        .iter()
        .filter(of_crate)
        .map(|source| {
            let (code, modules) = without_tests(&source.code);
            let home = match source.path.rsplit_once('/') {
                Some((dir, "mod.rs" | "lib.rs" | "main.rs")) => dir,
                _ => source.path.trim_end_matches(".rs"),
            };
            test_modules.extend(modules.iter().map(|module| format!("{home}/{module}")));
            Source { path: source.path.clone(), text: source.text.clone(), code }
        })
        .collect();
    let is_test = |path: &str| {
        test_modules.iter().any(|module| {
            let rest = path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    running.retain(|source| !is_test(&source.path));
    running
}

/// Blanks every item under `#[cfg(test)]`; the names of modules that are in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut code = code.to_owned();
    let mut modules = Vec::new();
    while let Some(start) = code.find(MARK) {
        let item = &code[start + MARK.len()..];
        let end = item.find([';', '{']).expect("an item after the attribute");
        let length = match item[..=end].trim_start().strip_suffix(';') {
            Some(head) => {
                modules.extend(head.split_once("mod ").map(|(_, name)| name.trim().to_owned()));
                end + 1
            }
            None => end + block(&item[end..]),
        };
        let end = start + MARK.len() + length;
        let blank: String = code[start..end].chars().map(blanked).collect();
        code.replace_range(start..end, &blank);
    }
    (code, modules)
}

/// The length of the block in braces that `code` begins with.
fn block(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    panic!("no end to the block: {code}");
}

/// Lines stay lines.
fn blanked(character: char) -> char {
    if character == '\n' { '\n' } else { ' ' }
}

/// `text` with comments and literals blanked, of as many characters.
fn code(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let length = opaque(&text, at);
        if length == 0 {
            out.push(text[at]);
            at += 1;
        } else {
            out.extend(text[at..at + length].iter().copied().map(blanked));
            at += length;
        }
    }
    out
}

/// The length of the comment or literal that begins here; 0 when none does.
fn opaque(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let word_before = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        ['r', '"' | '#', ..] if !word_before => raw(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !word_before => raw(rest, 2),
        _ => 0,
    }
}

fn comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[char], mark: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != mark {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `prefix` letters, then hashes, then the quote; 0 for a raw identifier.
fn raw(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        return 0;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[start..];
    start + body.windows(close.len()).position(|end| end == close).unwrap() + close.len()
}

#[test]
fn comments_and_literals_are_blank() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* /* b */ */ c", "a               c"),
        (r#"f("a\"b", 'x')"#, "f(      ,    )"),
        (r#"r"\" + br"x""#, "     +      "),
        ("'a: 'b' '\\'' 'c", "'a:          'c"),
        ("r\"a\" r#b", "     r#b"),
    ];
    for (text, wanted) in cases {
        assert_eq!(code(text), wanted, "{text}");
    }
    let quoted_hash = "r##\"a\"#\"## b";
    assert_eq!(code(quoted_hash).trim(), "b");
    let (code, modules) = without_tests(
        "a(); #[cfg(test)] mod one; b();\n#[cfg(test)]\nmod two { fn c() { d() } } e(); #[cfg(test)] use f;",
    );
    assert_eq!(modules, ["one"]);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a();", "b();", "e();"]);
}
