//! Groups: those of `[group:x]`, and one for each program, event listener or FastCGI program that
//! is in none.

use std::collections::{BTreeMap, BTreeSet};

use super::around::{Surroundings, after_colon, suffix};
use super::depend::{self, Origin};
use super::extra::Place;
use super::ini::{Document, Section};
use super::model::{Group, Kind, Note, Process, Weight};
use super::program::{self, Home};
use super::{listener, socket, value};

/// Reads every group, in the order in which they start.
///
/// # Errors
///
/// supervisord's line for the first thing that is wrong.
pub(super) fn read(
    document: &Document,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<Group>, String> {
    let mut all = Collected { around, notes, groups: Vec::new(), origins: BTreeMap::new() };
    let of_kind = |kind: &'static str| {
        document.sections().iter().filter(move |section| section.name.starts_with(kind))
    };
    let mut taken = BTreeSet::new();
    for section in of_kind("group:") {
        all.mixed(document, section, &mut taken)?;
    }
    for section in of_kind("program:").filter(|section| !taken.contains(section.name.as_str())) {
        let name = value::name(after_colon(section))?;
        let priority = around.reader(section).get("priority", 999, value::integer)?;
        let processes = all.processes(section, &name, Place::Program)?;
        all.add(Group { name, priority, kind: Kind::Program, processes });
    }
    for section in of_kind("eventlistener:") {
        let reader = around.reader(section);
        let priority = reader.get("priority", -1, value::integer)?;
        let kind = Kind::Listener(listener::subscription(&reader)?);
        let name = after_colon(section).trim().to_owned();
        let processes = all.processes(section, &name, Place::Listener)?;
        all.add(Group { name, priority, kind, processes });
    }
    for section in of_kind("fcgi-program:").filter(|section| !taken.contains(section.name.as_str()))
    {
        let name = value::name(after_colon(section))?;
        let mut reader = around.reader(section);
        let priority = reader.get("priority", 999, value::integer)?;
        reader.names.insert("program_name", name.as_str());
        let kind = Kind::Fcgi(socket::read(&reader, around.world)?);
        let processes = all.processes(section, &name, Place::Fcgi)?;
        all.add(Group { name, priority, kind, processes });
    }
    let Collected { groups, origins, .. } = all;
    let mut groups = in_order(groups, notes);
    depend::resolve(&mut groups, &origins)?;
    Ok(groups)
}

struct Collected<'a> {
    around: &'a Surroundings<'a>,
    notes: &'a mut Vec<Note>,
    groups: Vec<Group>,
    origins: BTreeMap<(String, String), Origin>,
}

impl Collected<'_> {
    fn advise(&mut self, text: String) {
        self.notes.push(Note { weight: Weight::Advice, text });
    }

    /// `[group:x]`; its members' sections go into `taken`.
    fn mixed<'d>(
        &mut self,
        document: &'d Document,
        section: &Section,
        taken: &mut BTreeSet<&'d str>,
    ) -> Result<(), String> {
        let name = value::name(after_colon(section))?;
        let reader = self.around.reader(section);
        let programs = value::list(&reader.text("programs")?.unwrap_or_default());
        let priority = reader.get("priority", 999, value::integer)?;
        let mut processes = Vec::new();
        for program in programs {
            let plain = document.section(&format!("program:{program}"));
            let fcgi = document.section(&format!("fcgi-program:{program}"));
            let member = match (plain, fcgi) {
                (Some(member), None) => member,
                (None, Some(member)) => {
                    self.without_socket(section, member);
                    member
                }
                (None, None) => {
                    let group = &section.name;
                    return Err(format!(
                        "[{group}] names unknown program or fcgi-program {program}"
                    ));
                }
                (Some(_), Some(_)) => {
                    let group = &section.name;
                    return Err(format!(
                        "[{group}] name {program} is ambiguous (exists as program and fcgi-program)"
                    ));
                }
            };
            taken.insert(&member.name);
            processes.extend(self.processes(member, &name, Place::Program)?);
        }
        self.add(Group { name, priority, kind: Kind::Program, processes });
        Ok(())
    }

    /// supervisord says nothing of it.
    fn without_socket(&mut self, group: &Section, member: &Section) {
        let hot = member.get("hot").is_some();
        if !hot {
            let (member, group, place) = (&member.name, &group.name, &group.place);
            self.advise(format!(
                "[{member}] has no socket as a member of [{group}], as in supervisord ({place})"
            ));
        }
    }

    fn processes(
        &mut self,
        section: &Section,
        group: &str,
        place: Place,
    ) -> Result<Vec<Process>, String> {
        let home = Home { group, place };
        let suffix = suffix(section);
        let found = program::processes(section, home, self.around, self.notes)
            .map_err(|error| format!("{error}{suffix}"))?;
        for process in &found {
            let key = (group.to_owned(), process.name.clone());
            let origin = Origin { section: section.name.clone(), suffix: suffix.clone() };
            self.origins.insert(key, origin);
        }
        Ok(found)
    }

    /// Adds a group whose processes have names of their own; of two with the same name
    /// supervisord runs the last, too.
    fn add(&mut self, mut group: Group) {
        let mut last: BTreeMap<String, Process> = BTreeMap::new();
        for process in std::mem::take(&mut group.processes) {
            if let Some(lost) = last.insert(process.name.clone(), process) {
                let group = &group.name;
                self.advise(format!(
                    "two processes of group {group} are named {}: only the last one is kept",
                    lost.name
                ));
            }
        }
        group.processes = last.into_values().collect();
        group.processes.sort_by_key(|process| process.priority);
        self.groups.push(group);
    }
}

/// Sorted as they start; of two groups with the same name supervisord runs the first, too.
fn in_order(mut groups: Vec<Group>, notes: &mut Vec<Note>) -> Vec<Group> {
    groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    let mut names = BTreeSet::new();
    groups.retain(|group| {
        let first = names.insert(group.name.clone());
        if !first {
            let text = format!("two groups are named {}: only the first one is kept", group.name);
            notes.push(Note { weight: Weight::Advice, text });
        }
        first
    });
    groups
}
