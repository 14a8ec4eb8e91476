//! The parameters of a call, taken as supervisord takes them.
//!
//! Where it finds a fault of its own this is the same one; where it breaks (an HTTP error 500) it is
//! INCORRECT_PARAMETERS with the parameter's name.

use std::borrow::Cow;

use super::table::{Kind, Method, Param};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// The parameters of a call whose number was checked.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Params<'a> {
    method: &'static Method,
    values: &'a [Value],
}

impl<'a> Params<'a> {
    /// What a call of a method was given.
    pub(crate) const fn new(method: &'static Method, values: &'a [Value]) -> Params<'a> {
        Params { method, values }
    }

    /// Text.
    ///
    /// # Errors
    /// It cannot be taken as text; of a group, BAD_NAME for a number.
    pub(crate) fn text(&self, at: usize) -> Result<Cow<'a, str>, Fault> {
        let (param, value) = self.get(at)?;
        let shown = match (value, param.kind) {
            (Value::Text(text), _) => return Ok(Cow::Borrowed(text)),
            (Value::Bytes(bytes), _) => {
                let text = std::str::from_utf8(bytes).map_err(|_| wrong(param, "UTF-8"))?;
                return Ok(Cow::Borrowed(text));
            }
            // supervisord compares it with the names, and none is equal.
            (Value::Int(number), Kind::Group) => return Err(FaultCode::BadName.with(number)),
            (Value::Array(_) | Value::Struct(_), Kind::Group) => {
                return Err(FaultCode::IncorrectParameters.bare());
            }
            (_, Kind::Signal) => whole(value).map(|number| number.to_string()),
            (_, Kind::Chars | Kind::Words) => word(value),
            _ => None,
        };
        match (shown, param.kind) {
            (Some(shown), Kind::Chars) => Err(FaultCode::IncorrectParameters.with(shown)),
            (Some(shown), _) => Ok(Cow::Owned(shown)),
            (None, _) => Err(wrong(param, "a string")),
        }
    }

    /// The bytes of a text, or bytes as they are.
    ///
    /// # Errors
    /// Those of [`Params::text`], without the one of bytes that are no text.
    pub(crate) fn bytes(&self, at: usize) -> Result<Cow<'a, [u8]>, Fault> {
        if let (_, Value::Bytes(bytes)) = self.get(at)? {
            return Ok(Cow::Borrowed(bytes));
        }
        Ok(match self.text(at)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// A number, also one that is written as text; of a fraction, the whole part.
    ///
    /// # Errors
    /// It cannot be taken as a number.
    pub(crate) fn int(&self, at: usize) -> Result<i64, Fault> {
        let (param, value) = self.get(at)?;
        let number = match value {
            Value::Text(text) => text.trim().parse().ok(),
            Value::Bytes(bytes) => {
                std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok())
            }
            Value::Nil | Value::Array(_) | Value::Struct(_) | Value::Date(_) => {
                return Err(FaultCode::IncorrectParameters.bare());
            }
            _ => whole(value),
        };
        number.ok_or_else(|| wrong(param, "a number"))
    }

    /// Whether something is to be done: what Python takes as true. True when it is missing.
    pub(crate) fn flag(&self, at: usize) -> bool {
        match self.values.get(at) {
            None | Some(Value::Date(_)) => true,
            Some(Value::Bool(truth)) => *truth,
            Some(Value::Int(number)) => *number != 0,
            Some(Value::Double(number)) => *number != 0.0,
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Bytes(bytes)) => !bytes.is_empty(),
            Some(Value::Array(values)) => !values.is_empty(),
            Some(Value::Struct(members)) => !members.is_empty(),
            Some(Value::Nil) => false,
        }
    }

    fn get(&self, at: usize) -> Result<(&'static Param, &'a Value), Fault> {
        let missing = || FaultCode::IncorrectParameters.bare();
        let param = self.method.params.get(at).ok_or_else(missing)?;
        Ok((param, self.values.get(at).ok_or_else(missing)?))
    }
}

fn wrong(param: &Param, right: &str) -> Fault {
    FaultCode::IncorrectParameters.with(format_args!("{} must be {right}", param.name))
}

/// A number without its fraction; `None` of what is no number.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i64::from(*truth)),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "beyond its range it is the end of the range"
        )]
        Value::Double(number) if number.is_finite() => Some(*number as i64),
        _ => None,
    }
}

/// As Python shows what is not text, nor made of other values.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Double(number) => Some(format!("{number:?}")),
        Value::Nil => Some("None".to_owned()),
        Value::Date(text) | Value::Text(text) => Some(text.clone()),
        Value::Bytes(_) | Value::Array(_) | Value::Struct(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::methods::table;

    fn wrong(what: &str) -> Fault {
        if what.is_empty() {
            FaultCode::IncorrectParameters.bare()
        } else {
            FaultCode::IncorrectParameters.with(what)
        }
    }

    /// The text of the last parameter of a method, whose others are not looked at.
    fn text(method: &str, value: &Value) -> Result<String, Fault> {
        let method = table::find(method).unwrap();
        let values = vec![value.clone(); method.params.len()];
        Params::new(method, &values).text(values.len() - 1).map(Cow::into_owned)
    }

    /// What the real supervisord makes of other types, 500 apart.
    #[test]
    fn text_of_other_types() {
        let five = Value::Int(5);
        let list = Value::Array(Vec::new());
        let cat = Value::Bytes(b"cat".to_vec());
        for (method, value, expected) in [
            ("supervisor.getProcessInfo", &cat, Ok("cat")),
            ("supervisor.getProcessInfo", &five, Err(wrong("name must be a string"))),
            ("supervisor.getProcessInfo", &list, Err(wrong("name must be a string"))),
            (
                "supervisor.getProcessInfo",
                &Value::Bytes(vec![255]),
                Err(wrong("name must be UTF-8")),
            ),
            ("supervisor.addProcessGroup", &five, Err(FaultCode::BadName.with(5))),
            ("supervisor.addProcessGroup", &list, Err(wrong(""))),
            ("supervisor.signalAllProcesses", &five, Ok("5")),
            ("supervisor.signalAllProcesses", &Value::Bool(true), Ok("1")),
            ("supervisor.signalAllProcesses", &Value::Double(1.9), Ok("1")),
            ("supervisor.signalAllProcesses", &Value::Nil, Err(wrong("signal must be a string"))),
            ("supervisor.sendProcessStdin", &cat, Ok("cat")),
            ("supervisor.sendProcessStdin", &five, Err(wrong("5"))),
            ("supervisor.sendProcessStdin", &Value::Bool(true), Err(wrong("True"))),
            ("supervisor.sendProcessStdin", &list, Err(wrong("chars must be a string"))),
            ("supervisor.sendRemoteCommEvent", &five, Ok("5")),
            ("supervisor.sendRemoteCommEvent", &Value::Nil, Ok("None")),
            ("supervisor.sendRemoteCommEvent", &list, Err(wrong("data must be a string"))),
        ] {
            assert_eq!(
                text(method, value).as_deref(),
                expected.as_ref().copied(),
                "{method} {value:?}"
            );
        }
    }

    #[test]
    fn bytes_for_a_program() {
        let method = table::find("supervisor.sendProcessStdin").unwrap();
        let values = ["cat".into(), Value::Bytes(vec![0, 255])];
        let params = Params::new(method, &values);
        assert_eq!(params.bytes(1).unwrap().as_ref(), [0, 255]);
        assert_eq!(params.bytes(0).unwrap().as_ref(), b"cat");
        assert!(params.text(1).is_err());
    }

    #[test]
    fn numbers() {
        let method = table::find("supervisor.readLog").unwrap();
        for (value, expected) in [
            (Value::Int(-1600), Ok(-1600)),
            (Value::Int(3_000_000_000), Ok(3_000_000_000)),
            (" 5 ".into(), Ok(5)),
            ("-5".into(), Ok(-5)),
            (Value::Bool(true), Ok(1)),
            (Value::Double(1.9), Ok(1)),
            (Value::Double(-1.9), Ok(-1)),
            (Value::Double(1e300), Ok(i64::MAX)),
            (Value::Bytes(b"7".to_vec()), Ok(7)),
            ("x".into(), Err(wrong("offset must be a number"))),
            ("".into(), Err(wrong("offset must be a number"))),
            ("99999999999999999999".into(), Err(wrong("offset must be a number"))),
            (Value::Double(f64::NAN), Err(wrong("offset must be a number"))),
            (Value::Nil, Err(wrong(""))),
            (Value::Array(Vec::new()), Err(wrong(""))),
        ] {
            let values = [value, Value::Int(0)];
            assert_eq!(Params::new(method, &values).int(0), expected, "{values:?}");
        }
    }

    #[test]
    fn flags() {
        let method = table::find("supervisor.startProcess").unwrap();
        let mut values = vec![Value::from("cat")];
        assert!(Params::new(method, &values).flag(1), "waits if nobody says otherwise");
        for (value, expected) in [
            (Value::Bool(true), true),
            (Value::Bool(false), false),
            (Value::Int(0), false),
            (Value::Int(7), true),
            ("".into(), false),
            // As in Python.
            ("false".into(), true),
            (Value::Nil, false),
            (Value::Double(0.0), false),
            (Value::Array(Vec::new()), false),
        ] {
            values.truncate(1);
            values.push(value);
            assert_eq!(Params::new(method, &values).flag(1), expected, "{values:?}");
        }
    }

    #[test]
    fn missing() {
        let method = table::find("supervisor.getProcessInfo").unwrap();
        let params = Params::new(method, &[]);
        assert_eq!(params.text(0).unwrap_err(), wrong(""));
        assert_eq!(params.int(7).unwrap_err(), wrong(""));
    }
}
