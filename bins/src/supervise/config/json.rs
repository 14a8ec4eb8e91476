//! JSON, as far as a dump needs it: to write.

use std::fmt::{self, Display, Formatter, Write};

use fdpass::wire::push_json_string;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// Seconds.
    Seconds(std::time::Duration),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of these members.
    pub(super) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn write(&self, out: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        let inner = depth.saturating_add(1);
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Seconds(value) => write!(out, "{}", value.as_secs_f64()),
            Self::Text(text) => quoted(out, text),
            Self::List(items) if items.is_empty() => out.write_str("[]"),
            Self::Object(members) if members.is_empty() => out.write_str("{}"),
            Self::List(items) => {
                out.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    new_line(out, at > 0, inner)?;
                    item.write(out, inner)?;
                }
                new_line(out, false, depth)?;
                out.write_char(']')
            }
            Self::Object(members) => {
                out.write_char('{')?;
                for (at, (key, value)) in members.iter().enumerate() {
                    new_line(out, at > 0, inner)?;
                    quoted(out, key)?;
                    out.write_str(": ")?;
                    value.write(out, inner)?;
                }
                new_line(out, false, depth)?;
                out.write_char('}')
            }
        }
    }
}

impl Display for Json {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.write(out, 0)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<std::time::Duration> for Json {
    fn from(value: std::time::Duration) -> Self {
        Self::Seconds(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Json {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

fn new_line(out: &mut Formatter<'_>, comma: bool, depth: usize) -> fmt::Result {
    out.write_str(if comma { ",\n" } else { "\n" })?;
    (0..depth).try_for_each(|_| out.write_str("  "))
}

fn quoted(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let mut quoted = String::new();
    push_json_string(&mut quoted, text);
    out.write_str(&quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json_has_them() {
        let value = Json::object([
            ("none", Json::from(None::<i64>)),
            ("list", [1_i64, -2].into_iter().collect()),
            ("empty", Json::List(Vec::new())),
            ("text", Json::from("a\"b\\\n\t\u{1}\u{e9}")),
            ("seconds", Json::from(std::time::Duration::from_millis(1_500))),
            ("object", Json::object([])),
        ]);
        let expected = "{\n  \"none\": null,\n  \"list\": [\n    1,\n    -2\n  ],\n  \"empty\": [],\n  \
                        \"text\": \"a\\\"b\\\\\\n\\t\\u0001\u{e9}\",\n  \"seconds\": 1.5,\n  \
                        \"object\": {}\n}";
        assert_eq!(value.to_string(), expected);
    }
}
