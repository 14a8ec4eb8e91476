use super::*;

fn parse(text: &str) -> Document {
    Document::parse(text, "F").unwrap()
}

/// `[section] key=value, key=value` of everything.
fn shown(document: &Document) -> Vec<String> {
    let entry = |entry: &Entry| format!("{}={}", entry.key, entry.value);
    let section = |section: &Section| {
        let entries: Vec<String> = section.entries().map(entry).collect();
        format!("[{}] {}", section.name, entries.join(", "))
    };
    document.sections().iter().map(section).collect()
}

/// The value of `k` in `[p]`, written as in a file.
fn value(text: &str) -> String {
    let document = parse(&format!("[p]\n{text}"));
    document.section("p").unwrap().get("k").unwrap().value.clone()
}

#[test]
fn values_lose_blanks_and_comments() {
    for (text, read) in [
        ("k=/bin/cat;notcomment", "/bin/cat;notcomment"),
        ("k=/bin/sh -c \"a ; b\"", "/bin/sh -c \"a"),
        ("k=/bin/sh -c \"a;b\"", "/bin/sh -c \"a;b\""),
        ("k=/bin/cat # comment", "/bin/cat"),
        ("k=a\t;b", "a"),
        ("k=a\u{a0}#b", "a"),
        ("k=a\u{1c};b", "a"),
        ("k= ;b", ""),
        ("k=;b", ";b"),
        ("k=a#b #c", "a#b"),
        ("k=a#b #1 ;2", "a#b #1"),
        ("k=a;b ;c #d", "a;b ;c"),
        ("k: /bin/cat", "/bin/cat"),
        ("k = /bin/cat  ", "/bin/cat"),
        ("k=/bin/echo a=b:c", "/bin/echo a=b:c"),
        ("k:a=b", "a=b"),
        ("k=:a", ":a"),
        ("K=1", "1"),
        ("  k=1", "1"),
        ("k=1\nk=2", "2"),
        ("k=1\nK : 3\nk=2", "2"),
        ("k=/bin/echo \"x\\ty\"", "/bin/echo \"x\\ty\""),
        ("k=/bin/echo 'it''s'", "/bin/echo 'it''s'"),
        ("k=\u{3000}é\u{3000}", "é"),
        ("k=", ""),
    ] {
        assert_eq!(value(text), read, "{text:?}");
    }
}

#[test]
fn indented_lines_go_on() {
    for (text, read) in [
        ("k=/bin/cat\n; full comment\n  -n", "/bin/cat\n-n"),
        ("k=/bin/cat\n# full comment\n  -n", "/bin/cat\n-n"),
        ("k=/bin/cat\n   ; comment\n  -n", "/bin/cat\n-n"),
        ("k=/bin/cat\n\n  -n", "/bin/cat\n\n-n"),
        ("k=/bin/cat\n \t\n\n  -n\n\n", "/bin/cat\n\n\n-n"),
        ("k=\n  /bin/cat", "\n/bin/cat"),
        ("k=a\n b ; comment\n c", "a\nb\nc"),
        ("k=a\n b=c\n d:", "a\nb=c\nd:"),
        ("k=a\n [q]", "a\n[q]"),
        ("  k=a\n   b", "a\nb"),
        ("  k=a\n  x=b", "a"),
        ("  k=a\n x=b", "a"),
        ("k=a\n\tb\n c", "a\nb\nc"),
        ("k=a\n \n", "a"),
        ("k=a\r\n b\rx=1", "a\nb"),
        ("k=a\n\u{2003}b", "a\nb"),
        ("k=a\n\u{b}b", "a\nb"),
        ("k=a\u{c}b", "a\u{c}b"),
    ] {
        assert_eq!(value(text), read, "{text:?}");
    }
}

#[test]
fn headers_are_taken_as_written() {
    for (line, name) in [
        ("[a]", Some("a")),
        ("[ program:p ]", Some(" program:p ")),
        ("[a] junk", Some("a")),
        ("[a]x]y", Some("a]x")),
        ("[[a]]", Some("[a]")),
        ("[]]", Some("]")),
        ("[a]=b", Some("a")),
        ("  [a]", Some("a")),
        ("[a] ; comment", Some("a")),
        ("[a;b]", Some("a;b")),
        ("[]=b", None),
        ("[a=b", None),
    ] {
        let document = parse(&format!("[first]\n{line}"));
        let found = document.sections().get(1).map(|section| section.name.as_str());
        assert_eq!(found, name, "{line:?}");
    }
    let document = parse("[a]\nx=1\n[b]\n[a]\ny=2\nx=3\n");
    assert_eq!(shown(&document), ["[a] x=3, y=2", "[b] "]);
    // A continuation needs a key: a section does not begin with one.
    assert_eq!(shown(&parse("[a]\nx=1\n[b]\n  y=2")), ["[a] x=1", "[b] y=2"]);
}

#[test]
fn defaults_are_part_of_every_section() {
    let document = parse("[a]\nx=1\n[DEFAULT]\nx=0\nz=9\n w\n[b]\n[default]\n");
    assert_eq!(shown(&document), ["[a] x=1, z=9\nw", "[b] x=0, z=9\nw", "[default] x=0, z=9\nw"]);
    assert!(document.section("DEFAULT").is_none());
    assert_eq!(document.defaults().count(), 2);
}

#[test]
fn places_are_those_that_count() {
    let document = parse("\n[a]\n; c\nx=1\n  2\n\ny=3\nx=4\n[DEFAULT]\nz=5\n[a]\n");
    let section = document.section("a").unwrap();
    assert_eq!(section.place.to_string(), "F:2");
    let places: Vec<String> =
        section.entries().map(|entry| format!("{} {}", entry.key, entry.place)).collect();
    assert_eq!(places, ["x F:8", "y F:7", "z F:10"]);
    let document = parse("[a]\r\nx=1\ry=2\n");
    assert_eq!(document.section("a").unwrap().get("y").unwrap().place.line, 3);
}

#[test]
fn errors_have_pythons_text() {
    for (text, error) in [
        (
            "[supervisord]\nlogfile=/dev/null\npidfile=/tmp/x.pid\n[program:p]\ncommand\n",
            "Source contains parsing errors: 'F'\n\t[line  5]: 'command\\n'",
        ),
        ("x=1\n[supervisord]\n", "File contains no section headers.\nfile: 'F', line: 1\n'x=1\\n'"),
        ("\n; c\n x", "File contains no section headers.\nfile: 'F', line: 3\n' x'"),
        ("[]\n", "File contains no section headers.\nfile: 'F', line: 1\n'[]\\n'"),
        ("\u{feff}[a]", "File contains no section headers.\nfile: 'F', line: 1\n'\\ufeff[a]'"),
        (
            "[a]\n=1\n 2\nx\n  ok\ny=1\nz ; c\r\n  it's",
            "Source contains parsing errors: 'F'\n\t[line  2]: '=1\\n'\n\t[line  3]: ' 2\\n'\
             \n\t[line  4]: 'x\\n'\n\t[line  5]: '  ok\\n'\n\t[line  7]: 'z ; c\\n'",
        ),
        ("[a]\n : x", "Source contains parsing errors: 'F'\n\t[line  2]: ' : x'"),
    ] {
        assert_eq!(Document::parse(text, "F").unwrap_err(), error);
    }
    let error = Document::parse(&format!("[a]{}x", "\n".repeat(99)), "it's").unwrap_err();
    assert_eq!(error, "Source contains parsing errors: \"it's\"\n\t[line 100]: 'x'");
}

#[test]
fn an_included_file_is_put_over_the_main_one() {
    let mut document = parse("[a]\nx=1\ny=2\n[DEFAULT]\nd=%(here)s\n[b]\n");
    let included = "[c]\nz=1\n[a]\ny=%(here)s/3\nx2=%%(here)s\n[DEFAULT]\ne=5\n";
    document.expand_here("/main");
    document.merge(Document::parse(included, "G").unwrap());
    document.expand_here("/inc");
    assert_eq!(
        shown(&document),
        ["[a] x=1, y=/inc/3, d=/main, x2=%/inc, e=5", "[b] d=/main, e=5", "[c] z=1, d=/inc, e=5",]
    );
    let section = document.section("a").unwrap();
    assert_eq!(section.place.to_string(), "F:1");
    assert_eq!(section.get("y").unwrap().place.to_string(), "G:4");
    assert_eq!(document.section("c").unwrap().place.to_string(), "G:1");
}

#[test]
fn defaults_of_an_included_file_reach_what_was_there() {
    let mut document = parse("[a]\n[b]\nd=1\n");
    for number in 0..3 {
        document.expand_here("/main");
        document.merge(Document::parse("[DEFAULT]\nd=%(here)s\n", "G").unwrap());
        document.expand_here(&format!("/{number}"));
        assert_eq!(shown(&document), ["[a] d=/0", "[b] d=1"]);
    }
    document.merge(Document::parse("[b]\nd=%(here)s\n[c]\n", "H").unwrap());
    document.expand_here("/h");
    assert_eq!(shown(&document), ["[a] d=/0", "[b] d=/h", "[c] d=/h"]);
}

#[test]
fn long_files_are_read_in_one_pass() {
    let mut text = String::from("[p]\n");
    for number in 0..20_000 {
        text.push_str(&format!("k{number}=a;b#c;d#e\n\n  more\n[s{number}]\n[p]\n"));
    }
    text.push_str(&"last=;#".repeat(50_000));
    let mut document = parse(&text);
    assert_eq!(document.sections().len(), 20_001);
    assert_eq!(document.section("p").unwrap().entries().count(), 20_001);
    document.expand_here("/main");
    for number in 0..10_000 {
        let included = format!("[i{number}]\nx=%(here)s\n");
        document.merge(Document::parse(&included, "G").unwrap());
        document.expand_here("/included");
    }
    assert_eq!(document.section("i9999").unwrap().get("x").unwrap().value, "/included");
}
