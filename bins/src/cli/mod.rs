//! Command lines read as Perl's Getopt::Long or as GNU's getopt_long(3) reads them, over a table that
//! argh declares.
//!
//! A program declares its options as a struct that derives `argh::FromArgs` and `argh::ArgsInfo`,
//! each value of the type [`At`]. [`Table`] takes the names and descriptions from there, [`split`] or
//! [`split_gnu`] cuts the words into options and operands, and [`Split::into_args`] lets argh fill the struct.
//! argh itself only ever sees full option names and small numbers, so values keep every byte.

mod gnu;
mod help;
mod number;
mod split;
mod table;
mod values;

#[cfg(test)]
mod gnu_tests;
#[cfg(test)]
mod split_tests;

use std::fmt;

pub use gnu::split_gnu;
pub use help::{render, render_option, render_under};
pub use number::{LONGEST, whole_seconds};
pub use split::{Given, Split, split};
pub(crate) use split::{one_line, parse_value};
pub use table::{Kind, OptionInfo, Table};
pub use values::{Arguments, At, Value, Values};

/// A command line that cannot be carried out: what to print, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// The lines for standard error, in order, without newlines.
    pub lines: Vec<String>,
    /// The exit code.
    pub code: u8,
}

impl UsageError {
    /// One line and its exit code.
    pub fn new(line: impl Into<String>, code: u8) -> Self {
        Self { lines: vec![line.into()], code }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for UsageError {}
