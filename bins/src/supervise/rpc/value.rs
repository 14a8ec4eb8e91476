//! What calls and answers are made of.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `<int>`, `<i4>` or `<i8>`.
    Int(i64),
    /// `<boolean>`
    Bool(bool),
    /// `<double>`
    Double(f64),
    /// `<string>`, or text without a type.
    Text(String),
    /// `<base64>`
    Bytes(Vec<u8>),
    /// `<dateTime.iso8601>`, as it was written.
    Date(String),
    /// `<nil/>`
    Nil,
    /// `<array>`
    Array(Vec<Value>),
    /// `<struct>`, in the order of the members.
    Struct(Vec<(String, Value)>),
}

/// A call of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `supervisor.startProcess`
    pub method: String,
    /// By position.
    pub params: Vec<Value>,
}

/// The answer to a call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// supervisord's number.
    pub code: i32,
    /// Its name, and what it is about: `BAD_NAME: x`.
    pub text: String,
}

impl Value {
    /// The text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// A truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The values of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// A member of a struct; the last one where several have the name, as in a dictionary of Python.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => {
                members.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// A struct of these members.
    pub fn of_members<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::Int(i64::from(number))
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::Array(values)
    }
}

impl Fault {
    /// A fault as it was received, or of a number that is not supervisord's.
    #[must_use]
    pub fn new(code: i32, text: impl Into<String>) -> Fault {
        Fault { code, text: text.into() }
    }
}

impl std::fmt::Display for Fault {
    /// Its text, which names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
