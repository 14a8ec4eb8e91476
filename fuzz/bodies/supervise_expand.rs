//! `%(name)s` in values: never a panic, never without bounds; a doubled `%` is one; an error shows
//! the value.

use superdaemon::supervise::config::expand::{Names, expand};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"/usr/bin/%(program_name)s --port=80%(process_num)02d",
    b"%(process_num)3d%(process_num)-3d|%(process_num)x",
    b"load 90%% of %(ENV_HOME)s",
    b"%(ENV_NOPE:-a default)s%(ENV_EMPTY:-%(here)s)s",
    b"%(ENV_A:-%(ENV_B:-%(ENV_C:-deep)s)s)s",
    b"%Y-%m-%d %",
    b"%(here)",
    b"%(here",
    b"%()s%s%r",
    b"%(here).3s%(here)10.2s%(program_name)c",
    b"%(process_num)999999999d",
    b"%(process_num).99999999999f%(process_num)e%(process_num)g",
    b"%(process_num)#o%(process_num)+d% d%(process_num) d%(here)*d",
    "%(ENV_WÖRT)s%(here)s\u{1f600}".as_bytes(),
];

/// One value is less than this, however wide it asks to be.
const LARGEST: usize = 64 << 20;

/// One input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut names = Names::new();
    names.insert("here", "/etc");
    names.insert("program_name", "web");
    names.insert("process_num", 3);
    names.insert("ENV_HOME", "/srv/100%");
    names.insert("ENV_EMPTY", "");
    let mut more = names.clone();
    more.insert("later", "x");
    match expand(text, &names, "program:web.command") {
        Ok(value) => {
            assert!(value.len() < LARGEST, "{text:?}");
            assert!(text.contains('%') || value == text, "{text:?}");
            // A name that is not used changes nothing.
            assert_eq!(expand(text, &more, "program:web.command"), Ok(value), "{text:?}");
        }
        Err(error) => assert!(error.starts_with("Format string "), "{error:?} for {text:?}"),
    }
    let doubled = text.replace('%', "%%");
    assert_eq!(expand(&doubled, &names, "x").as_deref(), Ok(text));
}
