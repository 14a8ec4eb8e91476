//! JSON, read strictly and no further than the tests of the status need it.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

impl Json {
    /// # Panics
    /// When it is anything but one value.
    pub fn parse(text: &str) -> Self {
        let mut rest = text.trim_end();
        let value = Self::value(&mut rest);
        assert_eq!(rest.trim(), "", "after the value in {text}");
        value
    }

    fn value(rest: &mut &str) -> Self {
        skip(rest);
        let first = rest.chars().next().expect("a value");
        match first {
            '{' => {
                let mut map = BTreeMap::new();
                Self::items(rest, '}', |rest| {
                    let Self::Text(key) = Self::value(rest) else { panic!("no key: {rest}") };
                    skip(rest);
                    take(rest, ":");
                    let value = Self::value(rest);
                    assert!(map.insert(key.clone(), value).is_none(), "{key} twice");
                });
                Self::Map(map)
            }
            '[' => {
                let mut list = Vec::new();
                Self::items(rest, ']', |rest| list.push(Self::value(rest)));
                Self::List(list)
            }
            '"' => Self::Text(string(rest)),
            _ => {
                let end = rest.find([',', '}', ']', ' ', '\n']).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                *rest = after;
                match word {
                    "null" => Self::Null,
                    "true" => Self::Bool(true),
                    "false" => Self::Bool(false),
                    number => Self::Number(number.parse().expect(number)),
                }
            }
        }
    }

    fn items(rest: &mut &str, end: char, mut item: impl FnMut(&mut &str)) {
        *rest = &rest[1..];
        skip(rest);
        if !rest.starts_with(end) {
            loop {
                item(rest);
                skip(rest);
                if rest.starts_with(end) {
                    break;
                }
                take(rest, ",");
            }
        }
        *rest = &rest[1..];
    }

    /// A member of a map by its path, `pool.idle`.
    pub fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |value, key| match value {
            Self::Map(map) => map.get(key).unwrap_or_else(|| panic!("no {key} of {path}: {map:?}")),
            other => panic!("no {key} of {path}: {other:?}"),
        })
    }

    pub fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("no list: {self:?}") };
        list
    }

    pub fn number(&self) -> i64 {
        let Self::Number(number) = self else { panic!("no number: {self:?}") };
        format!("{number:.0}").parse().unwrap()
    }

    pub fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("no text: {self:?}") };
        text
    }
}

fn skip(rest: &mut &str) {
    *rest = rest.trim_start();
}

fn take(rest: &mut &str, word: &str) {
    *rest = rest.strip_prefix(word).unwrap_or_else(|| panic!("{word:?} expected: {rest}"));
}

fn string(rest: &mut &str) -> String {
    take(rest, "\"");
    let (mut units, mut escaped) = (Vec::new(), false);
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        let mut push = |character: char| units.extend(character.encode_utf16(&mut [0; 2]).to_vec());
        match (std::mem::take(&mut escaped), character) {
            (false, '"') => {
                *rest = &rest[at + 1..];
                return String::from_utf16(&units).expect("pairs of surrogates");
            }
            (false, '\\') => escaped = true,
            (false, other) => {
                assert!(other >= ' ', "a control character in {rest:?}");
                push(other);
            }
            (true, 'u') => {
                let digits: String =
                    (0..4).map(|_| characters.next().expect("four digits").1).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap());
            }
            (true, letter) => push(match letter {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                '"' | '\\' | '/' => letter,
                other => panic!("\\{other}"),
            }),
        }
    }
    panic!("no end of the text {rest}")
}

#[test]
fn json_is_read() {
    let value = Json::parse(r#"{"a": [1, -2.5, "x\"\u00e9\n"], "b": {"c": null, "d": true}}"#);
    assert_eq!(value.at("a").list()[0].number(), 1);
    assert_eq!(value.at("a").list()[2].text(), "x\"é\n");
    assert_eq!(value.at("b.c"), &Json::Null);
}
