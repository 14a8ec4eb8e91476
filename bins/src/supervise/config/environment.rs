//! `environment=` as a list of variables.
//!
//! supervisord cuts the value into words in an alphabet of its own and takes them by fours: a
//! name, `=`, a value, and one token, whatever it is, that separates. What is not quoted and not
//! in the alphabet ends a value without a word of warning. [`pairs`] makes the same of it (of
//! version 4.4, whose quotes and backslashes are those of a POSIX shell), and says what was lost.

use std::collections::{HashMap, HashSet};

use super::words::{Alphabet, Lexer, Token};

/// What a value of `environment=` means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Names and values in the order in which the names first appear; the last value counts.
    pub pairs: Vec<(String, String)>,
    /// One line for each value that is hardly what was meant. They name variables but repeat no
    /// value, as it may be a secret.
    pub advice: Vec<String>,
}

/// Reads `A=1,B="x, y"`.
///
/// ```
/// use superdaemon::supervise::config::environment::pairs;
///
/// let read = pairs("URL=http://localhost/?q=1").unwrap();
/// let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
/// assert_eq!(read.pairs, [pair("URL", "http://localhost/"), pair("q", "1")]);
/// assert!(read.advice[0].starts_with("URL ends before '?'"));
/// ```
///
/// # Errors
/// supervisord's text: `Unexpected end of key/value pairs in value '...'`, or what [`split`] says.
///
/// [`split`]: super::words::split
pub fn pairs(text: &str) -> Result<Pairs, String> {
    let tokens = Lexer::new(text, Alphabet::Names).tokens()?;
    let mut read = Pairs::default();
    if tokens.is_empty() && text.contains('#') {
        read.advice.push("nothing is set: all of it is a comment".to_owned());
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut repeated = HashSet::new();
    for four in tokens.chunks(4) {
        let (name, value) = match four {
            [name, sign, value, ..] if sign.text == "=" => (name, value),
            _ => {
                return Err(format!("Unexpected end of key/value pairs in value '{text}'"));
            }
        };
        advise(name, value, four, &mut read.advice);
        match seen.get(name.text.as_str()).and_then(|&at| read.pairs.get_mut(at)) {
            Some((_, former)) => {
                if repeated.insert(&name.text) {
                    read.advice.push(format!(
                        "{} is set more than once: the last value counts",
                        name.text
                    ));
                }
                former.clone_from(&value.text);
            }
            None => {
                seen.insert(&name.text, read.pairs.len());
                read.pairs.push((name.text.clone(), value.text.clone()));
            }
        }
    }
    Ok(read)
}

/// Says what of one variable was lost, or cannot be used.
fn advise(name: &Token, value: &Token, four: &[Token], advice: &mut Vec<String>) {
    let text = &name.text;
    let remedy = format!("quote the value to keep all of it, as in {text}=\"...\"");
    if let Some(separator) = four.get(3) {
        let sign = &separator.text;
        if separator.punctuation && sign != "," {
            advice.push(format!(
                "{text} ends before '{sign}', which separates it from what follows: {remedy}"
            ));
        } else if !separator.punctuation {
            let count = value.text.chars().count();
            advice.push(format!(
                "{text} ends after character {count}, and the word behind that is lost: {remedy}"
            ));
        }
    }
    if four.iter().any(|token| token.comment) {
        advice.push(format!("the line of {text} ends before '#', which is a comment: {remedy}"));
    }
    if let Some(c) = value.escaped {
        advice.push(format!("the backslash before '{c}' in {text} is lost: {remedy}"));
    }
    if value.punctuation && value.text == "," {
        advice.push(format!("{text} is a comma: for an empty value write {text}=\"\""));
    }
    if text.is_empty() || text.contains(['=', '\0']) || value.text.contains('\0') {
        let shown = super::python::repr(text);
        advice.push(format!("no program can be given the variable {shown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A=value` and so on, one a line.
    fn read(text: &str) -> String {
        let line = |(name, value): &(String, String)| format!("{name}={value}");
        pairs(text).unwrap().pairs.iter().map(line).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_well_quoted_is_kept_without_advice() {
        for (text, result) in [
            ("", ""),
            ("A=1", "A=1"),
            ("A=1,B=2", "A=1|B=2"),
            ("A='1',B='x,y'", "A=1|B=x,y"),
            ("A=\"a b\"", "A=a b"),
            ("A=\"\"", "A="),
            ("A=''", "A="),
            ("A=\"\",B=2", "A=|B=2"),
            ("A=1,", "A=1"),
            ("A=1 , B=2", "A=1|B=2"),
            ("A = 1", "A=1"),
            ("A=1\n,B=2", "A=1|B=2"),
            ("\nA=1,\n\nB=2,\n", "A=1|B=2"),
            ("A=\"x\ny\"", "A=x\ny"),
            ("A='say \"hi\"'", "A=say \"hi\""),
            ("A=\"say \\\"hi\\\"\"", "A=say \"hi\""),
            ("A=\"'q'\"", "A='q'"),
            ("A=\"it's\"", "A=it's"),
            ("A=\"http://h:80/p?q=1&r=2\"", "A=http://h:80/p?q=1&r=2"),
            ("A=\"a#b\"", "A=a#b"),
            ("A=*", "A=*"),
            ("A=b+c-d/e.f", "A=b+c-d/e.f"),
            ("A=(1):2", "A=(1):2"),
            ("A=é,Ü=ß", "A=é|Ü=ß"),
            ("A=\"a\\nb\"", "A=a\\nb"),
            ("A=x\"y z\"'w'", "A=xy zw"),
            ("A=x\\ y", "A=x y"),
            ("A==", "A=="),
            ("A=\"日本\"", "A=日本"),
        ] {
            assert_eq!(read(text), result, "{text:?}");
            assert_eq!(pairs(text).unwrap().advice, [""; 0], "{text:?}");
        }
    }

    #[test]
    fn what_is_damaged_is_named() {
        for (text, result, said) in [
            ("A=a b", "A=a", "A ends after character 1, and the word behind that is lost"),
            ("A=$FOO", "A=$", "A ends after character 1, and the word behind"),
            ("A=~/x", "A=~", "A ends after character 1, and the word behind"),
            ("A=@b", "A=@", "A ends after character 1, and the word behind"),
            ("A=\"ab\"\"c\" \"d\"", "A=abc", "A ends after character 3, and the word behind"),
            ("A=http://h:80/p?q=1", "A=http://h:80/p|q=1", "A ends before '?', which separates"),
            ("A=1;B=2", "A=1|B=2", "A ends before ';', which separates"),
            ("A=a?", "A=a", "A ends before '?', which separates"),
            ("A==b", "A==", "A ends after character 1"),
            ("A=日本", "A=日", "A ends before '本', which separates"),
            ("A=a#b", "A=a", "the line of A ends before '#'"),
            ("A=a,#b\nB=2", "A=a|B=2", "the line of A ends before '#'"),
            ("A=#b\nc", "A=c", "the line of A ends before '#'"),
            ("A=\\n", "A=n", "the backslash before 'n' in A is lost"),
            ("A=,", "A=,", "A is a comma: for an empty value write A=\"\""),
            ("#A=1", "", "nothing is set: all of it is a comment"),
            ("A=1,A=2,A=3", "A=3", "A is set more than once: the last value counts"),
            ("\"\"=1", "=1", "no program can be given the variable ''"),
            ("\"B=\"=1", "B==1", "no program can be given the variable 'B='"),
            ("A=\"\0\"", "A=\0", "no program can be given the variable 'A'"),
        ] {
            assert_eq!(read(text), result, "{text:?}");
            let advice = pairs(text).unwrap().advice;
            assert_eq!(advice.len(), 1, "{text:?}: {advice:?}");
            assert!(advice[0].starts_with(said), "{text:?}: {advice:?}");
        }
    }

    #[test]
    fn advice_gives_nothing_away() {
        let advice = pairs("PASSWORD=correct horse\nTOKEN=a#secret").unwrap().advice.join("\n");
        for secret in ["correct", "horse", "secret"] {
            assert!(!advice.contains(secret), "{advice}");
        }
        assert!(advice.contains("PASSWORD") && advice.contains("TOKEN"), "{advice}");
    }

    #[test]
    fn errors_have_supervisords_text() {
        for text in ["A=", "A", "A=a;b", "A=1,,B=2", "A=,B=2", "A=1 B=2", "A,B", "=", "A-=x y z"] {
            let error = format!("Unexpected end of key/value pairs in value '{text}'");
            assert_eq!(pairs(text), Err(error), "{text:?}");
        }
        assert_eq!(pairs("A=\"a"), Err("No closing quotation".to_owned()));
        assert_eq!(pairs("A=\\"), Err("No escaped character".to_owned()));
    }

    #[test]
    fn long_lists_are_read_in_one_pass() {
        let text: String = (0..50_000).map(|number| format!("V{number}=\"{number}\",")).collect();
        assert_eq!(pairs(&text).unwrap().pairs.len(), 50_000);
        let text = "A=1,".repeat(50_000);
        assert_eq!(pairs(&text).unwrap().advice.len(), 1);
    }
}
