//! What `watch` writes: frames for a terminal, changes for anything else.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::json;
use super::super::names::{join, number, text};
use super::super::plain;
use super::super::server::CallError;
use super::super::session::Session;
use super::super::status::lines;
use super::Look;
use crate::prefork::top::Window;
use crate::supervise::rpc::Value;

const HOME: &str = "\x1b[H";
const CLEAR: &str = "\x1b[2J";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const PLAIN: &str = "\x1b[0m";

/// Who is asked, and how many processes are in which state.
pub(super) fn headline(url: &str, infos: &[Value]) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for info in infos {
        let count = states.entry(text(info, "statename").unwrap_or("?")).or_default();
        *count = count.saturating_add(1);
    }
    let states: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let states = if states.is_empty() { "no processes".to_owned() } else { states.join(", ") };
    plain::line(&format!("{url}: {states}")).into_owned()
}

/// Head and body, as much of them as the window has room for.
pub(super) fn frame(head: &str, body: &[String], window: Window, first: bool) -> String {
    let mut out = String::new();
    out.push_str(if first { CLEAR } else { "" });
    out.push_str(HOME);
    let mut line = |text: &str| {
        push_cut(&mut out, text, window.columns);
        let _ = writeln!(out, "{CLEAR_LINE}");
    };
    line(head);
    line("");
    // The last line stays free, so that nothing scrolls.
    let room = window.rows.saturating_sub(3);
    let shown = if body.len() > room { room.saturating_sub(1) } else { body.len() };
    body.iter().take(shown).for_each(|text| line(text));
    if shown < body.len() {
        line(&format!("{} more", body.len().saturating_sub(shown)));
    }
    out.push_str(CLEAR_BELOW);
    out
}

/// As much of a line as fits. Colours take no room, and wide characters are taken for two columns.
fn push_cut(out: &mut String, line: &str, columns: usize) {
    let (mut used, mut escape, mut coloured) = (0_usize, false, false);
    for character in line.chars() {
        if character == '\x1b' || escape {
            escape = character != 'm';
            coloured = true;
        } else {
            used = used.saturating_add(if character >= '\u{1100}' { 2 } else { 1 });
            if used > columns {
                out.push_str(if coloured { PLAIN } else { "" });
                return;
            }
        }
        out.push(character);
    }
}

/// What has been written to something that is no terminal.
#[derive(Debug)]
pub(super) struct Stream {
    json: bool,
    /// State and process ID, by group and name.
    known: BTreeMap<(String, String), (i64, i64)>,
    /// What went wrong last time.
    complaint: Vec<String>,
}

impl Stream {
    pub(super) fn new(json: bool) -> Self {
        Self { json, known: BTreeMap::new(), complaint: Vec::new() }
    }

    /// Writes what is not as it was.
    pub(super) fn show(&mut self, session: &mut Session<'_>, found: &Result<Look, CallError>) {
        let mut complaint = match found {
            Err(error) => vec![format!("{}: {error}", session.server.url())],
            Ok(look) => look.unknown.clone(),
        };
        if let Ok(look) = found {
            if let Err(error) = self.show_changes(session, &look.infos) {
                complaint.push(format!("{}: {error}", session.server.url()));
            }
        }
        for line in complaint.iter().filter(|line| !self.complaint.contains(line)) {
            let object = || json::line(&Value::of_members([("error", line.as_str().into())]));
            if self.json {
                session.say_as_it_is(&object());
            } else {
                session.say(line);
            }
        }
        self.complaint = complaint;
    }

    fn show_changes(
        &mut self,
        session: &mut Session<'_>,
        infos: &[Value],
    ) -> Result<(), CallError> {
        let mut now = BTreeMap::new();
        for (info, line) in infos.iter().zip(lines(session, infos)?) {
            let key = (text(info, "group")?.to_owned(), text(info, "name")?.to_owned());
            let state = (number(info, "state")?, number(info, "pid")?);
            if self.known.get(&key) != Some(&state) {
                session.say_as_it_is(&if self.json { json::line(info) } else { line });
            }
            now.insert(key, state);
        }
        for (group, name) in self.known.keys().filter(|key| !now.contains_key(*key)) {
            let object = || {
                let members = [
                    ("name", name.as_str().into()),
                    ("group", group.as_str().into()),
                    ("gone", true.into()),
                ];
                json::line(&Value::of_members(members))
            };
            let line = if self.json { object() } else { format!("{}: gone", join(group, name)) };
            session.say(&line);
        }
        self.known = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::style::Style;
    use super::super::super::testing::{Script, info};
    use super::*;

    fn look(infos: &[(&str, i64, &str)]) -> Result<Look, CallError> {
        let one = |(name, state, description): &(&str, i64, &str)| {
            let statename = if *state == 20 { "RUNNING" } else { "STOPPED" };
            info("g", name, *state, statename, description)
        };
        Ok(Look { infos: infos.iter().map(one).collect(), unknown: Vec::new() })
    }

    fn streamed(json: bool, looks: &[Result<Look, CallError>]) -> Vec<String> {
        let mut script = Script::default();
        let mut stream = Stream::new(json);
        looks
            .iter()
            .map(|found| {
                let mut out = Vec::new();
                stream.show(&mut Session::new(&mut script, &mut out), found);
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_stream_tells_of_what_has_changed() {
        let looks = [
            look(&[("a", 20, "uptime 1"), ("b", 0, "Not started")]),
            look(&[("a", 20, "uptime 2"), ("b", 0, "Not started")]),
            look(&[("a", 20, "uptime 3"), ("b", 20, "uptime 0")]),
            Err(CallError::Refused),
            Err(CallError::Refused),
            look(&[("b", 20, "uptime 2")]),
            Err(CallError::Refused),
        ];
        let a = "g:a                              RUNNING   uptime 1\n";
        let expected = [
            &format!("{a}g:b                              STOPPED   Not started\n"),
            "",
            "g:b                              RUNNING   uptime 0\n",
            "unix:///s.sock: connection refused\n",
            "",
            "g:a: gone\n",
            "unix:///s.sock: connection refused\n",
        ];
        assert_eq!(streamed(false, &looks), expected);
    }

    #[test]
    fn as_json_every_line_is_an_object() {
        let looks = [look(&[("a", 20, "up")]), look(&[]), Err(CallError::NoSocket)];
        let shown = streamed(true, &looks);
        let a = "{\"group\":\"g\",\"name\":\"a\",\"statename\":\"RUNNING\",\"description\":\"up\",\
                 \"state\":20,\"pid\":7}\n";
        let gone = "{\"name\":\"a\",\"group\":\"g\",\"gone\":true}\n";
        assert_eq!(shown, [a, gone, "{\"error\":\"unix:///s.sock: no such file\"}\n"]);
    }

    #[test]
    fn a_frame_fits_its_window() {
        let body: Vec<String> = (0..30).map(|at| format!("process {at:02} 日本語")).collect();
        for (rows, lines) in [(24, 23), (33, 32), (100, 32), (4, 3), (2, 2)] {
            let text = frame("head", &body, Window { columns: 12, rows }, false);
            assert!(text.starts_with("\x1b[Hhead\x1b[K\n\x1b[K\n"), "{text:?}");
            assert!(text.ends_with("\x1b[J") && !text.contains(CLEAR), "{text:?}");
            let count = text.lines().filter(|line| line.ends_with(CLEAR_LINE)).count();
            assert!(count <= lines.max(3), "{rows}: {count}");
            assert_eq!(text.contains(" more"), rows < 33, "{rows}");
        }
        let text = frame("head", &body, Window { columns: 80, rows: 24 }, true);
        assert!(
            text.starts_with("\x1b[2J\x1b[H") && text.contains("\n10 more\x1b[K\n"),
            "{text:?}"
        );
        let cut = |line: &str, columns| {
            let mut out = String::new();
            push_cut(&mut out, line, columns);
            out
        };
        assert_eq!(cut("\x1b[32mRUNNING\x1b[0m ok", 7), "\x1b[32mRUNNING\x1b[0m\x1b[0m");
        assert_eq!(cut("\x1b[32mRUNNING\x1b[0m ok", 3), "\x1b[32mRUN\x1b[0m");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("short", 80), "short");
    }

    #[test]
    fn a_headline_counts_states() {
        let infos = look(&[("a", 20, ""), ("b", 0, ""), ("c", 20, "")]).unwrap().infos;
        assert_eq!(headline("unix:///s", &infos), "unix:///s: 2 RUNNING, 1 STOPPED");
        assert_eq!(headline("unix:///s", &[]), "unix:///s: no processes");
        let wild = info("g", "w", 20, "RUN\x1bc", "");
        assert_eq!(headline("unix:///s", &[wild]), "unix:///s: 1 RUN␛c");
        assert!(!Style::default().colour);
    }
}
