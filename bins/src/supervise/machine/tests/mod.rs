//! The machine with a clock that a test sets.
