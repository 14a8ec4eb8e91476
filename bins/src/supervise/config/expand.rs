//! `%(name)s` in values: Python's `%` operator with a mapping on its right.
//!
//! Everything that Python formats is formatted: `%(process_num)02d`, `%-8s`, `%%`. The one thing
//! refused is a bare `%s` (or `%r`, `%a`), which would write the whole mapping, and with it the
//! environment, into the value. The one thing added is `%(ENV_X:-default)s`: the default, itself
//! expanded, where the variable is unset or empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::python;

mod format;

use format::{Spec, WIDEST};

/// Layers beyond this many are made one.
const LAYERS: usize = 8;
/// Defaults inside of defaults.
const DEPTH: usize = 8;
/// No value is longer, in bytes: what execve(2) takes in all is less.
const LONGEST: usize = 8 << 20;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `%(x)s`.
    Text(Arc<str>),
    /// `%(x)d` or `%(x)s`.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Arc::from(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Names and what they stand for. A clone shares what there is, and what is inserted into it
/// costs no copy of that.
#[derive(Clone, Debug, Default)]
pub struct Names {
    layers: Vec<Arc<BTreeMap<String, Value>>>,
}

impl Names {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a name a value, in place of the one it had.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.layers.last_mut().and_then(Arc::get_mut) {
            Some(layer) => {
                layer.insert(name, value);
            }
            None => {
                if self.layers.len() >= LAYERS {
                    self.flatten();
                }
                self.layers.push(Arc::new(BTreeMap::from([(name, value)])));
            }
        }
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.layers.iter().rev().find_map(|layer| layer.get(name))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> =
            self.layers.iter().flat_map(|layer| layer.keys()).map(String::as_str).collect();
        names.into_iter()
    }

    fn flatten(&mut self) {
        let mut all = BTreeMap::new();
        for layer in &self.layers {
            all.extend(layer.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        self.layers = vec![Arc::new(all)];
    }
}

impl<N: Into<String>, V: Into<Value>> Extend<(N, V)> for Names {
    fn extend<T: IntoIterator<Item = (N, V)>>(&mut self, pairs: T) {
        for (name, value) in pairs {
            self.insert(name, value);
        }
    }
}

/// Expands a value; `what` names it in errors: `program:p.command`.
///
/// ```
/// use superdaemon::supervise::config::expand::{Names, expand};
///
/// let mut names = Names::new();
/// names.insert("program_name", "web");
/// names.insert("process_num", 3);
/// let value = "/srv/%(program_name)s-%(process_num)02d --load 90%% %(ENV_ARGS:-none)s";
/// let expanded = expand(value, &names, "program:web.command");
/// assert_eq!(expanded.unwrap(), "/srv/web-03 --load 90% none");
/// ```
///
/// # Errors
/// supervisord's text, with Python's inside: that a name is unknown and which ones there are, or
/// that the value is badly formatted and why.
pub fn expand(value: &str, names: &Names, what: &str) -> Result<String, String> {
    if !value.contains('%') {
        return Ok(value.to_owned());
    }
    Formatter::new(value, names, 0).run().map_err(|trouble| {
        let (value, what) = (python::repr(value), python::repr(what));
        match trouble {
            Trouble::Name(name) => {
                let name = python::repr(&name);
                let names = names.names().collect::<Vec<_>>().join(", ");
                format!(
                    "Format string {value} for {what} contains names ({name}) which cannot be \
                     expanded. Available names: {names}"
                )
            }
            Trouble::Format(why) => {
                format!("Format string {value} for {what} is badly formatted: {why}")
            }
        }
    })
}

/// Why a value cannot be expanded.
enum Trouble {
    /// Nothing has this name.
    Name(String),
    Format(String),
}

impl Trouble {
    fn format(why: impl Into<String>) -> Self {
        Self::Format(why.into())
    }
}

/// What a conversion takes next.
enum Argument {
    /// The mapping itself, where no name was given.
    Mapping,
    Value(Value),
    /// It has been taken, and no name was given since.
    Taken,
}

struct Formatter<'a> {
    names: &'a Names,
    text: Vec<char>,
    at: usize,
    argument: Argument,
    depth: usize,
    out: String,
}

impl<'a> Formatter<'a> {
    fn new(text: &str, names: &'a Names, depth: usize) -> Self {
        let text = text.chars().collect();
        Self { names, text, at: 0, argument: Argument::Mapping, depth, out: String::new() }
    }

    fn run(mut self) -> Result<String, Trouble> {
        while let Some(c) = self.next() {
            match c {
                '%' => self.percent()?,
                c => self.out.push(c),
            }
            if self.out.len() > LONGEST {
                return Err(Trouble::format(format!("the result is longer than {LONGEST} bytes")));
            }
        }
        Ok(self.out)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    /// What stands behind a percent sign.
    fn percent(&mut self) -> Result<(), Trouble> {
        if self.peek() == Some('%') {
            self.at = self.at.saturating_add(1);
            self.out.push('%');
            return Ok(());
        }
        if self.peek() == Some('(') {
            self.at = self.at.saturating_add(1);
            let name = self.name()?;
            self.argument = Argument::Value(self.look_up(name)?);
        }
        let spec = self.spec()?;
        let argument = self.take()?;
        match spec.letter {
            's' | 'r' | 'a' | 'd' | 'i' | 'u' | 'o' | 'x' | 'X' | 'e' | 'E' | 'f' | 'F' | 'g'
            | 'G' | 'c' => {}
            other => {
                let shown = if ('\u{1f}'..='~').contains(&other) { other } else { '?' };
                let (number, at) = (u32::from(other), self.at.saturating_sub(1));
                return Err(Trouble::Format(format!(
                    "unsupported format character '{shown}' (0x{number:x}) at index {at}"
                )));
            }
        }
        let Some(value) = argument else {
            return Err(Trouble::Format(match spec.letter {
                's' | 'r' | 'a' => {
                    let letter = spec.letter;
                    format!("%{letter} needs a name, as in %(name){letter}; a percent sign is %%")
                }
                letter => format::refusal(letter, "dict"),
            }));
        };
        self.out.push_str(&spec.convert(&value).map_err(Trouble::Format)?);
        Ok(())
    }

    /// The name up to the parenthesis that closes it; there may be pairs of them inside.
    fn name(&mut self) -> Result<String, Trouble> {
        let mut name = String::new();
        let mut open = 1_usize;
        while let Some(c) = self.next() {
            match c {
                '(' => open = open.saturating_add(1),
                ')' => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return Ok(name);
            }
            name.push(c);
        }
        Err(Trouble::format("incomplete format key"))
    }

    fn look_up(&self, name: String) -> Result<Value, Trouble> {
        if let Some(value) = self.names.get(&name) {
            return Ok(value.clone());
        }
        let Some((variable, default)) = name.split_once(":-") else {
            return Err(Trouble::Name(name));
        };
        if !variable.starts_with("ENV_") {
            return Err(Trouble::Name(name));
        }
        match self.names.get(variable) {
            Some(Value::Text(text)) if text.is_empty() => {}
            Some(value) => return Ok(value.clone()),
            None => {}
        }
        let depth = self.depth.saturating_add(1);
        if depth > DEPTH {
            return Err(Trouble::format("too many defaults inside of defaults"));
        }
        Formatter::new(default, self.names, depth).run().map(Value::from)
    }

    /// What the next conversion is for; `None` is the mapping.
    fn take(&mut self) -> Result<Option<Value>, Trouble> {
        match std::mem::replace(&mut self.argument, Argument::Taken) {
            Argument::Mapping => Ok(None),
            Argument::Value(value) => Ok(Some(value)),
            Argument::Taken => Err(Trouble::format("not enough arguments for format string")),
        }
    }

    /// Flags, width, precision, a size that means nothing, and the letter.
    fn spec(&mut self) -> Result<Spec, Trouble> {
        let (mut left, mut sign, mut blank, mut alternate, mut zero) =
            (false, false, false, false, false);
        let mut next = loop {
            match self.next() {
                Some('-') => left = true,
                Some('+') => sign = true,
                Some(' ') => blank = true,
                Some('#') => alternate = true,
                Some('0') => zero = true,
                other => break other,
            }
        };
        let mut width = 0;
        if next == Some('*') {
            self.star()?;
            next = self.next();
        } else {
            (width, next) = self.number(next, "width")?;
        }
        let mut precision = None;
        if next == Some('.') {
            next = self.next();
            let mut digits = 0;
            if next == Some('*') {
                if i32::try_from(self.star()?).is_err() {
                    return Err(Trouble::format("Python int too large to convert to C int"));
                }
                next = self.next();
            } else {
                (digits, next) = self.number(next, "precision")?;
            }
            precision = Some(digits);
        }
        if matches!(next, Some('h' | 'l' | 'L')) {
            next = self.next();
        }
        let letter = next.ok_or_else(|| Trouble::format("incomplete format"))?;
        Ok(Spec { left, sign, blank, alternate, zero, width, precision, letter })
    }

    /// A number, whose first digit has been read if there is one, and what comes after it.
    fn number(
        &mut self,
        mut next: Option<char>,
        what: &str,
    ) -> Result<(usize, Option<char>), Trouble> {
        let mut number = 0_usize;
        while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
            let digit = usize::try_from(digit).unwrap_or(0);
            number = number.saturating_mul(10).saturating_add(digit);
            next = self.next();
        }
        if number > WIDEST {
            return Err(Trouble::Format(format!("{what} too big")));
        }
        Ok((number, next))
    }

    /// A width or precision that is the value of the name. It takes the value, so that none is
    /// left for the conversion, and what it is never matters.
    fn star(&mut self) -> Result<i64, Trouble> {
        match self.take()? {
            Some(Value::Number(number)) => Ok(number),
            _ => Err(Trouble::format("* wants int")),
        }
    }
}

#[cfg(test)]
mod tests;
