//! The options of a program, and how an abbreviated name finds one of them.

use argh::{ArgsInfo, FlagInfoKind, Optionality};

/// What kind of value an option takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None.
    Flag,
    /// Any bytes.
    Text,
    /// A whole number as Perl's Getopt::Long takes it, perhaps negative.
    Integer,
    /// A time in seconds from 0, perhaps with a fraction.
    Seconds,
    /// A whole number from 0.
    Count,
    /// Permission bits in octal.
    Mode,
    /// A number of bytes, perhaps with a suffix for a power of 1024.
    Size,
}

/// One option.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct OptionInfo {
    /// The full name without dashes.
    pub name: &'static str,
    /// How help calls its value; `None` for a flag.
    pub value: Option<&'static str>,
    /// What its value may be.
    pub kind: Kind,
    /// Whether several are collected; of the others the last one counts.
    pub repeatable: bool,
    /// What it is for, one sentence or two.
    pub description: &'static str,
    /// Whether the Perl program that this one replaces has it, too.
    pub perl: bool,
}

/// All options of a program.
#[derive(Clone, Debug)]
pub struct Table {
    program: &'static str,
    options: Vec<OptionInfo>,
    /// Other names of options, with the name that each stands for.
    aliases: Vec<(&'static str, &'static str)>,
}

/// What a name as typed stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved<'t> {
    One(&'t OptionInfo),
    Ambiguous(Vec<&'static str>),
    Unknown,
}

impl Table {
    /// The table of `program` from what argh knows of `T`, which is everything except the kind of
    /// value (those not named in `kinds` are text) and which options are Perl's.
    #[must_use]
    pub fn of<T: ArgsInfo>(program: &'static str, perl: &[&str], kinds: &[(&str, Kind)]) -> Table {
        let option = |flag: &argh::FlagInfo<'static>| {
            let name = flag.long.trim_start_matches('-');
            let (value, kind) = match flag.kind {
                FlagInfoKind::Switch => (None, Kind::Flag),
                FlagInfoKind::Option { arg_name } => {
                    let kind = kinds.iter().find(|(of, _)| *of == name);
                    (Some(arg_name), kind.map_or(Kind::Text, |(_, kind)| *kind))
                }
            };
            OptionInfo {
                name,
                value,
                kind,
                repeatable: flag.optionality == Optionality::Repeating,
                description: flag.description,
                perl: perl.contains(&name),
            }
        };
        let options = T::get_args_info().flags.iter().map(option).collect();
        Table { program, options, aliases: Vec::new() }
    }

    /// The same table with other names for some options, as `(other, name)`. They are taken when they are
    /// written out, and no help shows them.
    #[must_use]
    pub fn with_aliases(self, aliases: &[(&'static str, &'static str)]) -> Table {
        Table { aliases: aliases.to_vec(), ..self }
    }

    /// Other names, each with the name that it stands for.
    #[must_use]
    pub fn aliases(&self) -> &[(&'static str, &'static str)] {
        &self.aliases
    }

    /// The program's name, as error messages and help show it.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// The options in the order of their declaration; `help` is the first.
    #[must_use]
    pub fn options(&self) -> &[OptionInfo] {
        &self.options
    }

    /// The option of exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OptionInfo> {
        self.options.iter().find(|option| option.name == name)
    }

    /// What the lower-case `name` stands for, `attached` when a value is joined to it by `=`.
    ///
    /// A full name always counts. Else Perl's options are searched for the beginning alone, and
    /// the others only when none of Perl's fits: an abbreviation that Perl's program knows keeps
    /// its meaning, whatever options are added. In the same spirit a new flag steps back when a
    /// value is attached to it and one of Perl's options begins with its name.
    pub(super) fn resolve(&self, name: &[u8], attached: bool, abbreviate: bool) -> Resolved<'_> {
        let alias = self.aliases.iter().find(|(other, _)| other.as_bytes() == name);
        let name = alias.map_or(name, |(_, of)| of.as_bytes());
        let exact = self.options.iter().find(|option| option.name.as_bytes() == name);
        let older = if abbreviate { self.beginning_with(name, true) } else { Vec::new() };
        match exact {
            Some(flag) if flag.kind == Kind::Flag && !flag.perl && attached => {
                if older.is_empty() {
                    Resolved::One(flag)
                } else {
                    choose(older)
                }
            }
            Some(option) => Resolved::One(option),
            None if !older.is_empty() => choose(older),
            None if abbreviate => choose(self.beginning_with(name, false)),
            None => Resolved::Unknown,
        }
    }

    fn beginning_with(&self, name: &[u8], perl: bool) -> Vec<&OptionInfo> {
        let fits = |o: &&OptionInfo| o.perl == perl && o.name.as_bytes().starts_with(name);
        self.options.iter().filter(fits).collect()
    }
}

fn choose(found: Vec<&OptionInfo>) -> Resolved<'_> {
    match found.as_slice() {
        [] => Resolved::Unknown,
        [one] => Resolved::One(one),
        several => {
            let mut names: Vec<_> = several.iter().map(|option| option.name).collect();
            names.sort_unstable();
            Resolved::Ambiguous(names)
        }
    }
}
