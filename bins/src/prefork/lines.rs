//! Every line that `prefork-run` writes while it runs.

use std::fmt;

/// One line of the log, without its newline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// The last line.
    Exiting,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exiting => f.write_str("exiting"),
        }
    }
}
