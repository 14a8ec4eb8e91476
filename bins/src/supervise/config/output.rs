//! Where the streams of a process go: the `stdout_*` and `stderr_*` keys.

use super::expand::expand;
use super::load::World;
use super::model::{LogFile, Note, Output, Weight};
use super::paths;
use super::reader::Reader;
use super::value;

const MEGABYTES_50: i64 = 50 << 20;

/// The keys that do not depend on the process, read before those that do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capture {
    maxbytes: i64,
    events: bool,
}

impl Capture {
    pub(super) fn read(reader: &Reader<'_>, stream: &str) -> Result<Self, String> {
        Ok(Self {
            maxbytes: reader.get(&format!("{stream}_capture_maxbytes"), 0, value::byte_size)?,
            events: reader.get(&format!("{stream}_events_enabled"), false, value::boolean)?,
        })
    }
}

/// One stream of one process.
///
/// # Errors
///
/// A value is none of its kind, or the directory of the file does not exist.
pub(super) fn read(
    reader: &Reader<'_>,
    stream: &str,
    capture: Capture,
    world: &World,
    notes: &mut Vec<Note>,
) -> Result<Output, String> {
    let section = &reader.section.name;
    let mut note = |text| notes.push(Note { weight: Weight::Warning, text });
    let key = format!("{stream}_logfile");
    let mut logfile = match reader.text(&key)? {
        Some(once) => file(&twice(reader, &key, once), world)?,
        None => LogFile::Auto,
    };
    let backups = reader.get(&format!("{key}_backups"), 10, value::integer)?;
    let maxbytes = reader.get(&format!("{key}_maxbytes"), MEGABYTES_50, value::byte_size)?;
    let mut syslog = reader.get(&format!("{stream}_syslog"), false, value::boolean)?;
    if logfile == LogFile::Syslog {
        note(format!(
            "For [{section}], {key}=syslog but this is deprecated and will be removed.  Use \
             {stream}_syslog=true to enable syslog instead."
        ));
        logfile = LogFile::None;
        syslog = true;
    }
    if logfile == LogFile::Auto && maxbytes == 0 {
        note(format!(
            "For [{section}], AUTO logging used for {key} without rollover, set maxbytes > 0 to \
             avoid filling up filesystem unintentionally"
        ));
    }
    Ok(Output {
        logfile,
        maxbytes,
        backups,
        capture_maxbytes: capture.maxbytes,
        events_enabled: capture.events,
        syslog,
        prefix: reader.text(&format!("{stream}_prefix"))?.and_then(|text| prefix(reader, text)),
        timestamp: reader.get(&format!("{stream}_timestamp"), false, value::boolean)?,
    })
}

impl Output {
    /// `redirect_stderr=true`: there is no file of its own.
    pub(super) fn redirect(&mut self, section: &str, notes: &mut Vec<Note>) {
        if matches!(self.logfile, LogFile::Path(_)) {
            let text = format!(
                "For [{section}], redirect_stderr=true but stderr_logfile has also been set to a \
                 filename, the filename has been ignored"
            );
            notes.push(Note { weight: Weight::Warning, text });
        }
        self.logfile = LogFile::None;
    }
}

/// supervisord expands the names of log files twice: what survives that is as there, and a percent
/// sign that would not survive is kept.
fn twice(reader: &Reader<'_>, key: &str, once: String) -> String {
    if once.contains('%') { expand(&once, &reader.names, key).unwrap_or(once) } else { once }
}

fn file(text: &str, world: &World) -> Result<LogFile, String> {
    Ok(match value::logfile(text) {
        LogFile::Path(path) => LogFile::Path(paths::existing_parent(&path, world)?),
        other => other,
    })
}

/// A text, or a boolean: then it is the name of the process.
fn prefix(reader: &Reader<'_>, text: String) -> Option<String> {
    match value::boolean(&text) {
        Ok(true) => {
            let name = reader.raw("process_name").unwrap_or("%(program_name)s");
            expand(name, &reader.names, "process_name").ok().map(|name| format!("{name}:"))
        }
        Ok(false) => None,
        Err(_) => Some(unquoted(text)),
    }
}

/// Quotes keep the spaces at the ends of a prefix, which the file itself would lose.
fn unquoted(text: String) -> String {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).map(str::to_owned).unwrap_or(text)
}
