//! What `ps` and `top` call the manager and its forked workers.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The manager's title, as Proc::Daemon::Prefork has it.
#[must_use]
pub fn parent(name: &str) -> String {
    format!("{name} [parent]")
}

/// A forked worker's title, as Proc::Daemon::Prefork has it.
#[must_use]
pub fn child(name: &str) -> String {
    format!("{name} [child]")
}

/// Gives the calling process a title; true when also its command line shows it.
///
/// The process name (`ps -o comm`, 15 bytes) changes in any case. The command line (`ps -o args`)
/// is written over in place, as setproctitle(3) does, and is never longer than it was: a longer
/// title is cut. From then on [`std::env::args`] gives the title, so whoever wants the arguments
/// reads them before; no other thread may read them meanwhile.
///
/// The memory is reached through `/proc/self/mem` and only written when what is read there is the
/// command line: where the kernel shows other numbers, or no memory, the command line stays.
pub fn set(title: &str) -> bool {
    set_of(Path::new("/proc/self"), title)
}

fn set_of(process: &Path, title: &str) -> bool {
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = fs::write(process.join("comm"), prefix(&title, 15));
    rewrite(process, &title).is_ok_and(|done| done)
}

fn rewrite(process: &Path, title: &str) -> io::Result<bool> {
    let stat = fs::read_to_string(process.join("stat"))?;
    let Some((start, end)) = arguments(&stat) else { return Ok(false) };
    let line = fs::read(process.join("cmdline"))?;
    let size = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    if size == 0 || line.len() != size {
        return Ok(false);
    }
    let memory = OpenOptions::new().read(true).write(true).open(process.join("mem"))?;
    let mut present = vec![0; size];
    memory.read_exact_at(&mut present, start)?;
    if present != line {
        return Ok(false);
    }
    // The last byte stays NUL: without it the kernel takes the environment for a part of the title.
    let mut text = prefix(title, size.saturating_sub(1)).as_bytes().to_vec();
    text.resize(size, 0);
    memory.write_all_at(&text, start)?;
    Ok(true)
}

/// `arg_start` and `arg_end`, fields 48 and 49 of proc_pid_stat(5).
fn arguments(stat: &str) -> Option<(u64, u64)> {
    // The name is in parentheses and may hold more of them; after it comes field 3.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(45);
    let start = fields.next()?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (start != 0 && start < end).then_some((start, end))
}

/// As much of the text as fits, in whole characters.
fn prefix(text: &str, bytes: usize) -> &str {
    let fits = |(at, c): (usize, char)| at.checked_add(c.len_utf8()).filter(|end| *end <= bytes);
    let end = text.char_indices().map_while(fits).last().unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
