//! The state of a server for people, for machines, and on the control socket.

use std::fmt::Write;
use std::time::Duration;

use fdpass::wire::push_json_string;

/// What `start_server --status` knows. Fields that a server without a control
/// socket (Perl's) does not tell are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The server's pid.
    pub pid: Option<i32>,
    /// Its version.
    pub version: Option<String>,
    /// `starting`, `waiting`, `serving`, `delaying`, `stopping`; empty when unknown.
    pub phase: String,
    /// The newest generation.
    pub generation: u64,
    /// Failed starts in a row.
    pub failures: u64,
    /// Milliseconds to the next start, when one is planned.
    pub next_start: Option<u64>,
    /// Milliseconds since the server began.
    pub uptime: Option<u64>,
    /// Why the last start failed, if it did.
    pub last_failure: Option<String>,
    /// Workers, oldest first.
    pub workers: Vec<WorkerStatus>,
    /// Sockets, in the order of SERVER_STARTER_PORT.
    pub listeners: Vec<ListenerStatus>,
}

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its generation.
    pub generation: u64,
    /// Its pid.
    pub pid: i32,
    /// `starting`, `current`, `old`, `draining`; empty when unknown.
    pub state: String,
    /// Milliseconds since it was started.
    pub age: Option<u64>,
    /// What it last said in STATUS=.
    pub text: Option<String>,
}

/// One socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name in SERVER_STARTER_PORT.
    pub name: String,
    /// Its descriptor in the workers.
    pub fd: i32,
    /// `tcp`, `udp`, `unix`.
    pub kind: String,
    /// Where it is bound.
    pub address: String,
}

impl Status {
    /// The form on the control socket: one record a line, fields between tabs.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let mut record = |fields: &[String]| {
            let escaped: Vec<String> = fields.iter().map(|field| escape(field)).collect();
            text.push_str(&escaped.join("\t"));
            text.push('\n');
        };
        let own = |text: &str| text.to_owned();
        let maybe = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        record(&[
            own("server"),
            self.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            self.version.clone().unwrap_or_default(),
            self.phase.clone(),
            self.generation.to_string(),
            self.failures.to_string(),
            maybe(self.next_start),
            maybe(self.uptime),
            self.last_failure.clone().unwrap_or_default(),
        ]);
        for worker in &self.workers {
            record(&[
                own("worker"),
                worker.generation.to_string(),
                worker.pid.to_string(),
                worker.state.clone(),
                maybe(worker.age),
                worker.text.clone().unwrap_or_default(),
            ]);
        }
        for listener in &self.listeners {
            record(&[
                own("listener"),
                listener.name.clone(),
                listener.fd.to_string(),
                listener.kind.clone(),
                listener.address.clone(),
            ]);
        }
        record(&[own("end")]);
        text
    }

    /// Reads [`encode`](Self::encode)'s form; unknown records and fields are passed over, `None` for
    /// one that is cut off or malformed.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut status = Self::default();
        let mut complete = false;
        for line in text.lines() {
            let mut fields = line.split('\t').map(unescape);
            let mut next = || fields.next().unwrap_or_default();
            let some = |text: String| (!text.is_empty()).then_some(text);
            match next().as_str() {
                "server" => {
                    status.pid = next().parse().ok();
                    status.version = some(next());
                    status.phase = next();
                    status.generation = next().parse().ok()?;
                    status.failures = next().parse().ok()?;
                    status.next_start = next().parse().ok();
                    status.uptime = next().parse().ok();
                    status.last_failure = some(next());
                }
                "worker" => status.workers.push(WorkerStatus {
                    generation: next().parse().ok()?,
                    pid: next().parse().ok()?,
                    state: next(),
                    age: next().parse().ok(),
                    text: some(next()),
                }),
                "listener" => status.listeners.push(ListenerStatus {
                    name: next(),
                    fd: next().parse().ok()?,
                    kind: next(),
                    address: next(),
                }),
                "end" => complete = true,
                _ => {}
            }
        }
        complete.then_some(status)
    }

    /// The form for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = match self.pid {
            Some(pid) => format!("start_server {pid}"),
            None => "start_server".to_owned(),
        };
        if !self.phase.is_empty() {
            let _ = write!(text, ": {}, generation {}", clean(&self.phase), self.generation);
        }
        if let Some(uptime) = self.uptime {
            let _ = write!(text, ", up {}", Age(uptime));
        }
        if let Some(next) = self.next_start {
            let _ = write!(text, ", {} failed starts, next in {}", self.failures, Age(next));
        }
        text.push('\n');
        if let Some(failure) = &self.last_failure {
            let _ = writeln!(text, "last failure: {}", clean(failure));
        }
        let mut rows = vec![["GENERATION", "PID", "STATE", "AGE", "STATUS"].map(str::to_owned)];
        rows.extend(self.workers.iter().map(|worker| {
            [
                worker.generation.to_string(),
                worker.pid.to_string(),
                worker.state.clone(),
                worker.age.map(|age| Age(age).to_string()).unwrap_or_default(),
                worker.text.clone().unwrap_or_default(),
            ]
        }));
        align(&mut text, &rows);
        if !self.listeners.is_empty() {
            let mut rows = vec![["LISTENER", "FD", "TYPE", "ADDRESS"].map(str::to_owned)];
            rows.extend(self.listeners.iter().map(|listener| {
                [
                    listener.name.clone(),
                    listener.fd.to_string(),
                    listener.kind.clone(),
                    listener.address.clone(),
                ]
            }));
            align(&mut text, &rows);
        }
        text
    }

    /// The form for machines: one JSON object on one line; times are in seconds.
    #[must_use]
    pub fn json(&self) -> String {
        let number = |value: Option<i64>| value.map_or("null".to_owned(), |v| v.to_string());
        let seconds = |value: Option<u64>| {
            value
                .map_or("null".to_owned(), |ms| Duration::from_millis(ms).as_secs_f64().to_string())
        };
        let string = |value: Option<&str>| {
            let mut json = String::new();
            match value {
                Some(value) => push_json_string(&mut json, value),
                None => json.push_str("null"),
            }
            json
        };
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let worker = |worker: &WorkerStatus| {
            format!(
                r#"{{"generation":{},"pid":{},"state":{},"age":{},"status":{}}}"#,
                worker.generation,
                worker.pid,
                string(known(&worker.state).as_deref()),
                seconds(worker.age),
                string(worker.text.as_deref()),
            )
        };
        let listener = |listener: &ListenerStatus| {
            format!(
                r#"{{"name":{},"fd":{},"type":{},"address":{}}}"#,
                string(Some(&listener.name)),
                listener.fd,
                string(Some(&listener.kind)),
                string(Some(&listener.address)),
            )
        };
        let workers: Vec<String> = self.workers.iter().map(worker).collect();
        let listeners: Vec<String> = self.listeners.iter().map(listener).collect();
        format!(
            concat!(
                r#"{{"pid":{},"version":{},"phase":{},"generation":{},"failures":{},"#,
                r#""next_start":{},"uptime":{},"last_failure":{},"workers":[{}],"listeners":[{}]}}"#,
                "\n"
            ),
            number(self.pid.map(i64::from)),
            string(self.version.as_deref()),
            string(known(&self.phase).as_deref()),
            self.generation,
            self.failures,
            seconds(self.next_start),
            seconds(self.uptime),
            string(self.last_failure.as_deref()),
            workers.join(","),
            listeners.join(","),
        )
    }
}

/// Milliseconds as a person says them.
struct Age(u64);

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (secs, millis) = (self.0 / 1000, self.0 % 1000);
        let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{secs}.{}s", millis / 100),
            (0, 0, _) => write!(f, "{minutes}m{:02}s", secs % 60),
            (0, _, _) => write!(f, "{hours}h{:02}m", minutes % 60),
            _ => write!(f, "{days}d{:02}h", hours % 24),
        }
    }
}

/// Control characters shown, not sent: they are a worker's, and this is somebody's terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Columns two blanks apart, the last one ragged.
fn align<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{:width$}", clean(cell)));
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        text.push(match escaped {
            None => character,
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some(other) => other,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
        Status {
            pid: Some(10),
            version: Some("0.1.0".into()),
            phase: "waiting".into(),
            generation: 3,
            failures: 2,
            next_start: Some(1500),
            uptime: Some(90_061_000),
            last_failure: Some("it said \"no\"\tand\nleft".into()),
            workers: vec![WorkerStatus {
                generation: 1,
                pid: 11,
                state: "old".into(),
                age: Some(61_000),
                text: Some("back\\slash \u{1b}[31m".into()),
            }],
            listeners: vec![ListenerStatus {
                name: "8080".into(),
                fd: 3,
                kind: "tcp".into(),
                address: "0.0.0.0:8080".into(),
            }],
        }
    }

    #[test]
    fn the_wire_form_returns_what_went_in() {
        assert_eq!(Status::decode(&example().encode()), Some(example()));
        assert_eq!(Status::decode(""), None);
        assert_eq!(Status::decode("server\tx\ty\tz\tnot a number"), None);
    }

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let table = example().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "start_server 10: waiting, generation 3, up 1d01h, 2 failed starts, next in 1.5s"
        );
        assert!(
            lines.iter().any(|line| line.starts_with("1           11   old    1m01s")),
            "{table}"
        );
        assert!(!table.contains('\u{1b}'));
    }

    #[test]
    fn json_is_json() {
        let json = example().json();
        let start = r#"{"pid":10,"version":"0.1.0","phase":"waiting","generation":3,"failures":2,"next_start":1.5,"#;
        assert!(json.starts_with(start), "{json}");
        assert!(json.contains(r#""last_failure":"it said \"no\"\tand\nleft""#), "{json}");
        assert!(json.ends_with("\"address\":\"0.0.0.0:8080\"}]}\n"), "{json}");
        assert!(Status::default().json().contains(r#""pid":null"#));
    }
}
