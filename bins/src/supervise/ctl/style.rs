//! Colour, for those who look at a terminal.

use std::borrow::Cow;

/// Whether states are shown in colour.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// They are.
    pub colour: bool,
}

/// When colour is used.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// On a terminal, unless the environment has `NO_COLOR` or `TERM=dumb`.
    #[default]
    Auto,
    /// Whatever standard output is.
    Always,
    /// Not even on a terminal.
    Never,
}

impl Style {
    /// The style for an output that is a terminal or is not. `variable` looks up the environment.
    #[must_use]
    pub fn choose(when: When, terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let colour = match when {
            When::Always => true,
            When::Never => false,
            // https://no-color.org: set, and not empty.
            When::Auto => {
                let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
                terminal && !refused && variable("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { colour }
    }

    /// A text about a state, `RUNNING`, in that state's colour.
    #[must_use]
    pub fn state<'a>(self, state: &str, text: &'a str) -> Cow<'a, str> {
        let colour = match state {
            "RUNNING" => "32",
            "STARTING" | "STOPPING" => "33",
            "BACKOFF" | "FATAL" | "UNKNOWN" => "31",
            _ => return Cow::Borrowed(text),
        };
        self.paint(colour, text)
    }

    /// A text about a failure.
    #[must_use]
    pub fn error(self, text: &str) -> Cow<'_, str> {
        self.paint("31", text)
    }

    fn paint<'a>(self, colour: &str, text: &'a str) -> Cow<'a, str> {
        if self.colour {
            Cow::Owned(format!("\x1b[{colour}m{text}\x1b[0m"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let colour = |when, terminal, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let known = variables.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| (*value).to_owned())
            };
            Style::choose(when, terminal, variable).colour
        };
        assert!(colour(When::Auto, true, &[("TERM", "xterm"), ("NO_COLOR", "")]));
        assert!(colour(When::Auto, true, &[]));
        assert!(!colour(When::Auto, false, &[]));
        assert!(!colour(When::Auto, true, &[("NO_COLOR", "1")]));
        assert!(!colour(When::Auto, true, &[("TERM", "dumb")]));
        assert!(colour(When::Always, false, &[("NO_COLOR", "1")]));
        assert!(!colour(When::Never, true, &[]));
    }

    #[test]
    fn only_states_that_say_something_are_coloured() {
        let style = Style { colour: true };
        assert_eq!(style.state("RUNNING", "RUNNING   "), "\x1b[32mRUNNING   \x1b[0m");
        assert_eq!(style.state("FATAL", "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(style.state("STOPPED", "x"), "x");
        assert_eq!(Style::default().state("RUNNING", "x"), "x");
        assert_eq!(Style::default().error("x"), "x");
    }
}
