//! `environment=` of supervisord: never a panic; what is quoted survives; advice is one line each
//! and names no value.

use superdaemon::supervise::config::environment::pairs;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"A=1,B=2",
    b"A=\"x,y\" , B='z w'\n,C=\"\",",
    b"URL=http://h:80/p?q=1&r=2",
    b"A=\"say \\\"hi\\\"\",B='it''s'",
    b"A=a b,C=$FOO,D=~/x,E=a#b\nF=1",
    b"A=\\n,B=\\",
    b"A=1,,B=2",
    b"A=",
    b"=,=,=",
    b"\"\"=\"\",A==",
    "A=\"日本\",Ü=é".as_bytes(),
];

/// One input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match pairs(text) {
        Ok(read) => {
            assert_eq!(pairs(text).as_ref(), Ok(&read), "the same again");
            // A name is shown as it is.
            let named = read.pairs.iter().any(|(name, _)| name.contains(char::is_control));
            for advice in &read.advice {
                assert!(!advice.is_empty(), "{text:?}");
                assert!(named || !advice.contains('\n'), "{advice:?} of {text:?}");
            }
            let mut names: Vec<&str> = read.pairs.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), read.pairs.len(), "a name twice in {text:?}");
            check_quoted(&read.pairs);
        }
        Err(error) => assert!(!error.is_empty(), "{text:?}"),
    }
}

/// The same pairs in double quotes, quotes and backslashes escaped, mean the same without advice.
fn check_quoted(pairs_read: &[(String, String)]) {
    let usable = |name: &str| !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric());
    let kept: Vec<(String, String)> = pairs_read
        .iter()
        .filter(|(name, value)| usable(name) && !value.contains('\0'))
        .cloned()
        .collect();
    let quoted: Vec<String> = kept
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{value}\"")
        })
        .collect();
    let text = quoted.join(",");
    let read = pairs(&text).expect("well quoted");
    assert_eq!(read.pairs, kept, "{text:?}");
    assert!(read.advice.is_empty(), "{:?} of {text:?}", read.advice);
}
