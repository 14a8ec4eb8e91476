//! Names of processes and groups, and what answers are made of.

use super::server::CallError;
pub use crate::supervise::methods::{join, split};
use crate::supervise::rpc::Value;

/// Whether every process is meant.
pub(crate) fn all(names: &[String]) -> bool {
    names.iter().any(|name| name == "all")
}

/// A member of a struct.
pub(crate) fn member<'v>(value: &'v Value, name: &str) -> Result<&'v Value, CallError> {
    value.member(name).ok_or_else(|| CallError::Garbled(format!("there is no {name}")))
}

/// A member that is a text.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, CallError> {
    match member(value, name)? {
        Value::Text(text) => Ok(text),
        _ => Err(CallError::Garbled(format!("{name} is no string"))),
    }
}

/// A member that is a number, or true or false.
pub(crate) fn number(value: &Value, name: &str) -> Result<i64, CallError> {
    match member(value, name)? {
        Value::Int(number) => Ok(*number),
        Value::Bool(is) => Ok(i64::from(*is)),
        _ => Err(CallError::Garbled(format!("{name} is no number"))),
    }
}

/// The elements of an array.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, CallError> {
    match value {
        Value::Array(elements) => Ok(elements),
        _ => Err(CallError::Garbled("an array was expected".to_owned())),
    }
}

/// The process that a struct is about.
pub(crate) fn namespec(value: &Value) -> Result<String, CallError> {
    Ok(join(text(value, "group")?, text(value, "name")?))
}

/// What became of one process: the number of a fault, or of success.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) status: i32,
    pub(crate) description: String,
}

/// An answer that tells of several processes.
pub(crate) fn outcomes(value: Value) -> Result<Vec<Outcome>, CallError> {
    let one = |value: Value| {
        Ok(Outcome {
            name: namespec(&value)?,
            status: i32::try_from(number(&value, "status")?).unwrap_or_default(),
            description: text(&value, "description").unwrap_or_default().to_owned(),
        })
    };
    list(value)?.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_and_joined_as_supervisorctl_does() {
        for (name, parts) in [
            ("w", ("w", Some("w"))),
            ("g:w", ("g", Some("w"))),
            ("g:*", ("g", None)),
            ("g:", ("g", None)),
            ("g:a:b", ("g", Some("a:b"))),
            (":x", ("", Some("x"))),
        ] {
            assert_eq!(split(name), parts, "{name}");
        }
        assert_eq!(join("w", "w"), "w");
        assert_eq!(join("g", "w"), "g:w");
    }

    #[test]
    fn an_answer_of_another_shape_is_refused_with_the_name_of_what_is_missing() {
        let value = Value::of_members([("name", "x".into()), ("state", 20.into())]);
        assert_eq!(text(&value, "name").unwrap(), "x");
        assert_eq!(number(&value, "state").unwrap(), 20);
        for (error, line) in [
            (text(&value, "state").unwrap_err(), "state is no string"),
            (number(&value, "name").unwrap_err(), "name is no number"),
            (text(&value, "group").unwrap_err(), "there is no group"),
            (list(Value::Nil).unwrap_err(), "an array was expected"),
        ] {
            let CallError::Garbled(why) = error else { panic!("{error}") };
            assert_eq!(why, line);
        }
    }
}
