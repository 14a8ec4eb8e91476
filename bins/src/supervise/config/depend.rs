//! `depends_on=`: what the words mean, whom they name, and that nobody waits for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::model::{Dependency, Group, Until};

/// Where a process was defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// `program:x`.
    pub section: String,
    /// The suffix of an error in that section.
    pub suffix: String,
}

/// Reads `a, b:ready, c:completed, group:name`. After the last colon, and only there, a word may
/// say what is waited for; anything else behind a colon is the name of a process in a group.
///
/// # Errors
///
/// A name is missing.
pub(super) fn parse(text: &str) -> Result<Vec<Dependency>, String> {
    let mut found: Vec<Dependency> = Vec::new();
    for item in text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()) {
        let (name, until) = match item.rsplit_once(':') {
            Some((name, "started")) => (name, Until::Started),
            Some((name, "ready")) => (name, Until::Ready),
            Some((name, "completed")) => (name, Until::Completed),
            _ => (item, Until::default()),
        };
        if name.is_empty() || name.ends_with(':') || name.starts_with(':') {
            return Err(format!("invalid 'depends_on' value '{item}': a name is missing"));
        }
        let one = Dependency { name: name.to_owned(), until };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    Ok(found)
}

/// Puts in the place of each name either a group's or `group:process`, and refuses names that mean
/// nothing or several things, and cycles. `origins` has an entry for each process by (group,
/// process).
///
/// # Errors
///
/// One line that names the section.
pub(super) fn resolve(
    groups: &mut [Group],
    origins: &BTreeMap<(String, String), Origin>,
) -> Result<(), String> {
    let names = Names::of(groups, origins);
    for group in groups.iter_mut() {
        for process in &mut group.processes {
            let mut resolved = Vec::new();
            for Dependency { name, until } in &process.extra.depends_on {
                let found = names.find(name).map_err(|error| {
                    let key = (group.name.clone(), process.name.clone());
                    let suffix = origins.get(&key).map_or("", |origin| origin.suffix.as_str());
                    format!("{error}{suffix}")
                })?;
                resolved.extend(found.into_iter().map(|name| Dependency { name, until: *until }));
            }
            Rc::make_mut(&mut process.extra).depends_on = resolved;
        }
    }
    refuse_cycles(groups, origins)
}

/// Everything that a dependency may name.
struct Names {
    groups: BTreeSet<String>,
    processes: BTreeSet<String>,
    /// By the bare name of a process.
    bare: BTreeMap<String, BTreeSet<String>>,
    /// By the name of a program whose processes are called otherwise.
    programs: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    fn of(groups: &[Group], origins: &BTreeMap<(String, String), Origin>) -> Self {
        let mut names = Self {
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            processes: BTreeSet::new(),
            bare: BTreeMap::new(),
            programs: BTreeMap::new(),
        };
        for group in groups {
            for process in &group.processes {
                let full = format!("{}:{}", group.name, process.name);
                names.bare.entry(process.name.clone()).or_default().insert(full.clone());
                let origin = origins.get(&(group.name.clone(), process.name.clone()));
                if let Some((_, program)) = origin.and_then(|found| found.section.split_once(':')) {
                    names.programs.entry(program.to_owned()).or_default().insert(full.clone());
                }
                names.processes.insert(full);
            }
        }
        names
    }

    fn find(&self, name: &str) -> Result<Vec<String>, String> {
        if let Some(group) = name.strip_suffix(":*").filter(|group| self.groups.contains(*group)) {
            return Ok(vec![group.to_owned()]);
        }
        if self.groups.contains(name) || self.processes.contains(name) {
            return Ok(vec![name.to_owned()]);
        }
        if let Some(found) = self.bare.get(name) {
            if found.len() > 1 {
                let all: Vec<&str> = found.iter().map(String::as_str).collect();
                return Err(format!(
                    "depends_on names {name}, which is ambiguous: {}",
                    all.join(", ")
                ));
            }
            return Ok(found.iter().cloned().collect());
        }
        match self.programs.get(name) {
            Some(found) => Ok(found.iter().cloned().collect()),
            None => Err(format!("depends_on names unknown program or group {name}")),
        }
    }
}

/// A process as a node of the graph.
struct Node<'a> {
    shown: String,
    origin: Option<&'a Origin>,
    /// Numbers of `targets`.
    waits_for: Vec<usize>,
}

/// A depth-first search with a stack of its own, so that no file can overflow ours. Groups are
/// nodes of their own, lest two large groups make an edge for each pair of their processes.
fn refuse_cycles(
    groups: &[Group],
    origins: &BTreeMap<(String, String), Origin>,
) -> Result<(), String> {
    let names = groups.iter().flat_map(|group| {
        let members = group.processes.iter().map(|one| format!("{}:{}", group.name, one.name));
        std::iter::once(group.name.clone()).chain(members)
    });
    let numbers: BTreeMap<String, usize> = names.zip(0..).collect();
    let number = |name: &str| numbers.get(name).copied();
    let mut nodes: Vec<Node<'_>> = Vec::with_capacity(numbers.len());
    for group in groups {
        let member = |name: &str| number(&format!("{}:{name}", group.name));
        nodes.push(Node {
            shown: group.name.clone(),
            origin: None,
            waits_for: group.processes.iter().filter_map(|process| member(&process.name)).collect(),
        });
        for process in &group.processes {
            let depends_on = &process.extra.depends_on;
            nodes.push(Node {
                shown: namespec(&group.name, &process.name),
                origin: origins.get(&(group.name.clone(), process.name.clone())),
                waits_for: depends_on.iter().filter_map(|one| number(&one.name)).collect(),
            });
        }
    }
    let mut seen = vec![false; nodes.len()];
    let mut on_path = vec![false; nodes.len()];
    for start in 0..nodes.len() {
        // Each step of the path: a node, and how many of its edges have been followed.
        let mut path = vec![(start, 0_usize)];
        while let Some((at, followed)) = path.last_mut() {
            let Some(node) = nodes.get(*at) else { break };
            if *followed == 0 {
                if seen.get(*at).copied().unwrap_or(true) {
                    path.pop();
                    continue;
                }
                set(&mut on_path, *at, true);
            }
            let Some(&next) = node.waits_for.get(*followed) else {
                set(&mut seen, *at, true);
                set(&mut on_path, *at, false);
                path.pop();
                continue;
            };
            *followed = followed.saturating_add(1);
            if on_path.get(next).copied().unwrap_or(false) {
                return Err(cycle(&nodes, &path, next));
            }
            path.push((next, 0));
        }
    }
    Ok(())
}

fn set(flags: &mut [bool], at: usize, value: bool) {
    if let Some(flag) = flags.get_mut(at) {
        *flag = value;
    }
}

/// The way from `back` to `back` again; a group that is called as its only process is left out.
fn cycle(nodes: &[Node<'_>], path: &[(usize, usize)], back: usize) -> String {
    let round = path.iter().map(|(at, _)| *at).skip_while(|at| *at != back).chain([back]);
    let round: Vec<&Node<'_>> = round.filter_map(|at| nodes.get(at)).collect();
    // Turned so that it begins with a process: a group by itself waits for nobody.
    let mut round = round;
    if round.first().is_some_and(|node| node.origin.is_none()) {
        round.pop();
        let first = round.iter().position(|node| node.origin.is_some()).unwrap_or(0);
        round.rotate_left(first);
        round.extend(round.first().copied());
    }
    let mut shown: Vec<&str> = Vec::new();
    for (at, node) in round.iter().enumerate() {
        let next = round.get(at.saturating_add(1));
        let doubled = next.is_some_and(|next| next.shown == node.shown);
        if node.origin.is_some() || !doubled {
            shown.push(&node.shown);
        }
    }
    let suffix = round.iter().find_map(|node| node.origin);
    let suffix = suffix.map_or("", |origin| origin.suffix.as_str());
    format!("depends_on makes a cycle: {}{suffix}", shown.join(" -> "))
}

/// The name by which a person knows a process.
fn namespec(group: &str, process: &str) -> String {
    if group == process { group.to_owned() } else { format!("{group}:{process}") }
}
