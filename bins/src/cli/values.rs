//! Option values on their way through argh.

use std::ffi::{OsStr, OsString};
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

/// The value of an option, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Text`](super::Kind::Text).
    Text(OsString),
    /// Of [`Kind::Integer`](super::Kind::Integer).
    Integer(i64),
    /// Of [`Kind::Seconds`](super::Kind::Seconds).
    Seconds(Duration),
    /// Of [`Kind::Count`](super::Kind::Count).
    Count(u32),
    /// Of [`Kind::Mode`](super::Kind::Mode).
    Mode(u32),
    /// Of [`Kind::Size`](super::Kind::Size).
    Size(u64),
}

/// Where in [`Values`] the value of an option is; the type of such fields in a struct that argh
/// fills. They compare in the order of the command line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub(super) usize);

impl FromStr for At {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<At, ParseIntError> {
        text.parse().map(At)
    }
}

/// The values of a command line, to be asked for by place and kind.
#[derive(Clone, Debug, Default)]
pub struct Values(pub(super) Vec<Option<Value>>);

/// A command line in the shape that the program declared.
#[derive(Clone, Debug)]
pub struct Arguments<T> {
    /// What argh made of the options.
    pub options: T,
    /// Their values.
    pub values: Values,
    /// The words that are not options.
    pub operands: Vec<OsString>,
}

impl Values {
    fn get(&self, at: Option<At>) -> Option<&Value> {
        self.0.get(at?.0)?.as_ref()
    }

    /// A text, when the option was given.
    #[must_use]
    pub fn text(&self, at: Option<At>) -> Option<&OsStr> {
        if let Value::Text(text) = self.get(at)? { Some(text) } else { None }
    }

    /// An integer, when the option was given.
    #[must_use]
    pub fn integer(&self, at: Option<At>) -> Option<i64> {
        if let Value::Integer(number) = self.get(at)? { Some(*number) } else { None }
    }

    /// A time, when the option was given.
    #[must_use]
    pub fn seconds(&self, at: Option<At>) -> Option<Duration> {
        if let Value::Seconds(time) = self.get(at)? { Some(*time) } else { None }
    }

    /// A count, when the option was given.
    #[must_use]
    pub fn count(&self, at: Option<At>) -> Option<u32> {
        if let Value::Count(number) = self.get(at)? { Some(*number) } else { None }
    }

    /// Permission bits, when the option was given.
    #[must_use]
    pub fn mode(&self, at: Option<At>) -> Option<u32> {
        if let Value::Mode(bits) = self.get(at)? { Some(*bits) } else { None }
    }

    /// A number of bytes, when the option was given.
    #[must_use]
    pub fn size(&self, at: Option<At>) -> Option<u64> {
        if let Value::Size(bytes) = self.get(at)? { Some(*bytes) } else { None }
    }
}
