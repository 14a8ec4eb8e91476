//! `[program:x]`, and what it has in common with `[fcgi-program:x]` and `[eventlistener:x]`.

use std::rc::Rc;

use super::around::{self, Surroundings};
use super::environment;
use super::expand::expand;
use super::extra::{self, Place};
use super::ini::Section;
use super::model::{AutoRestart, Note, Process, Weight};
use super::output::{self, Capture};
use super::reader::Reader;
use super::{user, value, words};

/// More processes than this from one section are a mistake.
const MOST_PROCESSES: i64 = 100_000;

/// Where a section's processes belong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home<'a> {
    /// The name of the group, which may be another section's.
    pub group: &'a str,
    /// What kind of section it is.
    pub place: Place,
}

/// The processes of a section, in the order in which they start.
///
/// # Errors
///
/// supervisord's line for the first thing that is wrong, without section and file.
pub(super) fn processes(
    section: &Section,
    home: Home<'_>,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<Process>, String> {
    let mut reader = around.reader(section);
    let program = value::name(around::after_colon(section))?;
    reader.names.insert("program_name", program.as_str());
    reader.names.insert("host_node_name", around.world.host_node_name.as_str());
    reader.names.insert("group_name", home.group);
    let shared = Shared::read(&reader)?;
    let mut processes = Vec::new();
    let end = shared.numprocs_start.saturating_add(shared.numprocs);
    for number in shared.numprocs_start..end {
        let mut own = Reader::new(reader.section, reader.names.clone());
        own.names.insert("process_num", number);
        own.names.insert("numprocs", shared.numprocs);
        processes.push(shared.process(&mut own, home, around, notes)?);
    }
    processes.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    Ok(processes)
}

/// The keys that are the same for each of a section's processes, in the order in which supervisord
/// looks at them: the first that is wrong is the one that is named.
struct Shared<'a> {
    priority: i64,
    autostart: bool,
    autorestart: AutoRestart,
    startsecs: i64,
    startretries: i64,
    stopsignal: i32,
    stopwaitsecs: i64,
    stopasgroup: bool,
    killasgroup: bool,
    exitcodes: Vec<u8>,
    redirect_stderr: bool,
    numprocs: i64,
    numprocs_start: i64,
    environment: &'a str,
    stdout: Capture,
    stderr: Capture,
    serverurl: Option<String>,
    uid: Option<u32>,
    umask: Option<i64>,
    process_name: String,
}

impl<'a> Shared<'a> {
    fn read(reader: &Reader<'a>) -> Result<Self, String> {
        let priority = reader.get("priority", 999, value::integer)?;
        let autostart = reader.get("autostart", true, value::boolean)?;
        let autorestart = reader.get("autorestart", AutoRestart::Unexpected, value::autorestart)?;
        let startsecs = reader.get("startsecs", 1, value::integer)?;
        let startretries = reader.get("startretries", 3, value::integer)?;
        let stopsignal =
            reader.get("stopsignal", sigpolicy::Signal::TERM.as_raw(), value::signal)?;
        let stopwaitsecs = reader.get("stopwaitsecs", 10, value::integer)?;
        let stopasgroup = reader.get("stopasgroup", false, value::boolean)?;
        let killasgroup = reader.get("killasgroup", stopasgroup, value::boolean)?;
        let exitcodes = reader.get("exitcodes", vec![0], value::exit_codes)?;
        let redirect_stderr = reader.get("redirect_stderr", false, value::boolean)?;
        let numprocs = reader.get("numprocs", 1, value::integer)?;
        let numprocs_start = reader.get("numprocs_start", 0, value::integer)?;
        let environment = reader.raw("environment").unwrap_or_default();
        let stdout = Capture::read(reader, "stdout")?;
        let stderr = Capture::read(reader, "stderr")?;
        let serverurl =
            reader.text("serverurl")?.filter(|url| !url.trim().eq_ignore_ascii_case("auto"));
        let uid = reader.given("user", user::user)?;
        let umask = reader.given("umask", value::octal)?;
        let process_name = value::name(reader.raw("process_name").unwrap_or("%(program_name)s"))?;
        if numprocs > 1 && !process_name.contains("%(process_num)") {
            return Err(
                "%(process_num) must be present within process_name when numprocs > 1".into()
            );
        }
        if numprocs > MOST_PROCESSES {
            return Err(format!("numprocs is {numprocs}, more than {MOST_PROCESSES}"));
        }
        if stopasgroup && !killasgroup {
            return Err("Cannot set stopasgroup=true and killasgroup=false".to_owned());
        }
        Ok(Self {
            priority,
            autostart,
            autorestart,
            startsecs,
            startretries,
            stopsignal,
            stopwaitsecs,
            stopasgroup,
            killasgroup,
            exitcodes,
            redirect_stderr,
            numprocs,
            numprocs_start,
            environment,
            stdout,
            stderr,
            serverurl,
            uid,
            umask,
            process_name,
        })
    }

    /// The process that the reader's names are now those of.
    fn process(
        &self,
        reader: &mut Reader<'_>,
        home: Home<'_>,
        around: &Surroundings<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<Process, String> {
        let section = &reader.section.name;
        let text = expand(self.environment, &reader.names, "environment")?;
        let found = environment::pairs(&text)?;
        let mut advise = |text| notes.push(Note { weight: Weight::Advice, text });
        for lost in &found.advice {
            advise(format!("environment of [{section}]: {lost} ({})", reader.place("environment")));
        }
        for (name, value) in &found.pairs {
            reader.names.insert(format!("ENV_{name}"), value.as_str());
        }
        let directory = reader.text("directory")?;
        let stdout = output::read(reader, "stdout", self.stdout, around.world, notes)?;
        let mut stderr = output::read(reader, "stderr", self.stderr, around.world, notes)?;
        if self.redirect_stderr {
            stderr.redirect(section, notes);
        }
        let command = reader
            .text("command")?
            .ok_or_else(|| format!("program section {section} does not specify a command"))?;
        if let Err(error) = words::split(&command) {
            let text = format!(
                "command of [{section}] cannot be split into words: {error}; a ';' or '#' after a \
                 blank begins a comment, within quotes, too ({})",
                reader.place("command")
            );
            notes.push(Note { weight: Weight::Advice, text });
        }
        let name = expand(&self.process_name, &reader.names, "process_name")?;
        let extra = Rc::new(extra::read(reader, home.place, around.world, notes)?);
        Ok(Process {
            name,
            command,
            directory,
            umask: self.umask,
            uid: self.uid,
            priority: self.priority,
            autostart: self.autostart,
            autorestart: self.autorestart,
            startsecs: self.startsecs,
            startretries: self.startretries,
            stdout,
            stderr,
            redirect_stderr: self.redirect_stderr,
            stopsignal: self.stopsignal,
            stopwaitsecs: self.stopwaitsecs,
            stopasgroup: self.stopasgroup,
            killasgroup: self.killasgroup,
            exitcodes: self.exitcodes.clone(),
            environment: layered(&around.environment, found.pairs),
            serverurl: self.serverurl.clone(),
            extra,
        })
    }
}

/// One environment over another; a name keeps its place.
fn layered(below: &[(String, String)], above: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut whole = below.to_vec();
    for (name, value) in above {
        match whole.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => whole.push((name, value)),
        }
    }
    whole
}
