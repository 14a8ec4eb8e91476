//! Command lines read as Perl's Getopt::Long reads them, over a table that argh declares.
//!
//! A program declares its options as a struct that derives `argh::FromArgs` and `argh::ArgsInfo`,
//! each value of the type [`At`]. [`Table`] takes the names and descriptions from there, [`split`]
//! cuts the words into options and operands, and [`Split::into_args`] lets argh fill the struct.
//! argh itself only ever sees full option names and small numbers, so values keep every byte.

mod help;
mod number;
mod split;
mod table;
mod values;

#[cfg(test)]
mod split_tests;

use std::fmt;

pub use help::render;
pub use number::{LONGEST, whole_seconds};
pub(crate) use split::one_line;
pub use split::{Given, Split, split};
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
