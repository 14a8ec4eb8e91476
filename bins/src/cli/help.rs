//! Help text from the option table.

use super::{OptionInfo, Table};

const WIDTH: usize = 80;
const COLUMN: usize = 26;

/// [`render`] with headings, each before the option that it is paired with.
#[must_use]
pub fn render_under(
    table: &Table,
    usage: &[&str],
    about: &str,
    headings: &[(&str, &str)],
) -> String {
    let mut out = String::new();
    for (at, line) in usage.iter().enumerate() {
        let lead = if at == 0 { "Usage: " } else { "       " };
        out.push_str(&format!("{lead}{} {line}\n", table.program()));
    }
    out.push('\n');
    wrap(&mut out, String::new(), 0, about);
    if headings.is_empty() {
        out.push_str("\nOptions:\n");
    }
    // argh declares --help first; readers look for it at the end.
    let is_help = |option: &&OptionInfo| option.name == "help";
    let others = table.options().iter().filter(|option| !is_help(option));
    for option in others.chain(table.options().iter().filter(is_help)) {
        if let Some((_, heading)) = headings.iter().find(|(first, _)| *first == option.name) {
            out.push_str(&format!("\n{heading}:\n"));
        }
        out.push_str(&render_option(option));
    }
    out
}

/// The lines of one option.
#[must_use]
pub fn render_option(option: &OptionInfo) -> String {
    let lead = match option.value {
        Some(value) => format!("  --{}={value}", option.name),
        None => format!("  --{}", option.name),
    };
    let mut out = String::new();
    wrap(&mut out, lead, COLUMN, option.description);
    out
}

/// The text of `--help`: the usage lines, a paragraph, every option with its value and what it is
/// for, wrapped at 80 columns.
#[must_use]
pub fn render(table: &Table, usage: &[&str], about: &str) -> String {
    render_under(table, usage, about, &[])
}

/// Appends `text` behind `lead`, every line indented to `column`.
fn wrap(out: &mut String, lead: String, column: usize, text: &str) {
    let mut line = lead;
    // Two blanks at least between an option and its description.
    if column > 0 && line.chars().count().saturating_add(2) > column {
        out.push_str(&line);
        out.push('\n');
        line.clear();
    }
    let mut empty = true;
    for word in text.split_whitespace() {
        let length = line.chars().count().saturating_add(1).saturating_add(word.chars().count());
        if !empty && length > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.clear();
            empty = true;
        }
        if empty {
            line.push_str(&" ".repeat(column.saturating_sub(line.chars().count())));
        } else {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_eighty_columns_and_aligns() {
        let mut out = String::new();
        wrap(&mut out, "  --short=X".into(), COLUMN, &"word ".repeat(15));
        wrap(&mut out, "  --a-much-longer-name=SECONDS".into(), COLUMN, "text");
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines[0], format!("  --short=X               {}", ["word"; 11].join(" ")));
        assert_eq!(lines[0].len(), 80);
        assert_eq!(lines[1], format!("{}word word word word", " ".repeat(26)));
        assert_eq!(lines[2], "  --a-much-longer-name=SECONDS");
        assert_eq!(lines[3], format!("{}text", " ".repeat(26)));
        assert_eq!(lines.len(), 4);
    }
}
