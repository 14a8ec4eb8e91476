//! What follows the header of an event, character for character as in supervisord.

use std::fmt::Write as _;

use crate::supervise::machine::types::{State, Transition};

use super::kind::Stream;

/// PROCESS_STATE_*: `processname:cat groupname:cat from_state:STARTING pid:2766`.
#[must_use]
pub fn state(name: &str, group: &str, change: &Transition) -> String {
    let from = change.from.name();
    let mut text = format!("processname:{name} groupname:{group} from_state:{from}");
    // supervisord knows "no process" as pid 0: one that is stopped while it is BACKOFF.
    let pid = change.pid.map_or(0, reaper::Pid::as_raw);
    // Writing to a string cannot fail.
    let _ = match change.to {
        State::Starting | State::Backoff => write!(text, " tries:{}", change.tries),
        State::Running | State::Stopping | State::Stopped => write!(text, " pid:{pid}"),
        State::Exited => write!(text, " expected:{} pid:{pid}", u8::from(change.expected)),
        State::Fatal | State::Unknown => Ok(()),
    };
    text
}

/// PROCESS_LOG_*: the output as it was read, escape sequences stripped where that is asked for.
#[must_use]
pub fn log(name: &str, group: &str, pid: i32, stream: Stream, data: &[u8]) -> String {
    let channel = stream.name();
    let mut text = format!("processname:{name} groupname:{group} pid:{pid} channel:{channel}\n");
    append(&mut text, data);
    text
}

/// PROCESS_COMMUNICATION_*: what stood between the capture marks.
#[must_use]
pub fn communication(name: &str, group: &str, pid: i32, data: &[u8]) -> String {
    let mut text = format!("processname:{name} groupname:{group} pid:{pid}\n");
    append(&mut text, data);
    text
}

/// REMOTE_COMMUNICATION: the two arguments of `sendRemoteCommEvent`.
#[must_use]
pub fn remote(kind: &str, data: &str) -> String {
    format!("type:{kind}\n{data}")
}

/// SUPERVISOR_STATE_CHANGE_*: nothing.
#[must_use]
pub fn supervisor() -> String {
    String::new()
}

/// TICK_*: the beginning of the period, in seconds of Unix time.
#[must_use]
pub fn tick(when: u64) -> String {
    format!("when:{when}")
}

/// PROCESS_GROUP_*: the group, and a newline.
#[must_use]
pub fn group(name: &str) -> String {
    format!("groupname:{name}\n")
}

/// Text goes in as it is, anything else the way Python shows bytes.
fn append(text: &mut String, data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(data) => text.push_str(data),
        Err(_) => undecodable(text, data),
    }
}

/// `Undecodable: ` and Python's `repr` of the bytes, which is what supervisord shows of bytes that
/// are not UTF-8.
pub(crate) fn undecodable(text: &mut String, data: &[u8]) {
    text.push_str("Undecodable: ");
    repr(text, data);
}

/// Python's `repr` of bytes: in double quotes only if there is a single one and no double one.
fn repr(text: &mut String, data: &[u8]) {
    let quote = if data.contains(&b'\'') && !data.contains(&b'"') { '"' } else { '\'' };
    text.push('b');
    text.push(quote);
    for byte in data {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => {
                let shown = char::from(*byte);
                if shown == quote {
                    text.push('\\');
                }
                text.push(shown);
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use reaper::Pid;

    use super::*;
    use crate::supervise::machine::types::ProcId;

    fn change(from: State, to: State) -> Transition {
        let pid = Pid::from_raw(12558);
        Transition { id: ProcId(0), from, to, tries: 1, pid, expected: false }
    }

    #[test]
    fn states_as_recorded() {
        let text = |from, to| state("die", "g", &change(from, to));
        let head = "processname:die groupname:g from_state:";
        assert_eq!(text(State::Starting, State::Backoff), format!("{head}STARTING tries:1"));
        assert_eq!(text(State::Exited, State::Starting), format!("{head}EXITED tries:1"));
        assert_eq!(text(State::Starting, State::Running), format!("{head}STARTING pid:12558"));
        assert_eq!(text(State::Running, State::Stopping), format!("{head}RUNNING pid:12558"));
        assert_eq!(text(State::Stopping, State::Stopped), format!("{head}STOPPING pid:12558"));
        assert_eq!(text(State::Backoff, State::Fatal), format!("{head}BACKOFF"));
        assert_eq!(text(State::Stopping, State::Unknown), format!("{head}STOPPING"));
        let exited = text(State::Running, State::Exited);
        assert_eq!(exited, format!("{head}RUNNING expected:0 pid:12558"));
    }

    #[test]
    fn expected_exits_and_processes_without_a_pid() {
        let exited = Transition { expected: true, ..change(State::Running, State::Exited) };
        assert!(state("a", "a", &exited).ends_with("expected:1 pid:12558"));
        let stopped = Transition { pid: None, ..change(State::Backoff, State::Stopped) };
        assert_eq!(state("a", "b", &stopped), "processname:a groupname:b from_state:BACKOFF pid:0");
    }

    #[test]
    fn output_is_text_or_shown_as_bytes() {
        let head = "processname:talk groupname:t pid:7 channel:stderr\n";
        let text = |data| log("talk", "t", 7, Stream::Stderr, data);
        assert_eq!(text("err1\n\u{fc}".as_bytes()), format!("{head}err1\n\u{fc}"));
        assert_eq!(text(b""), head);
        assert_eq!(
            text(b"a\xff\0\t\n\r\\'"),
            format!("{head}Undecodable: b\"a\\xff\\x00\\t\\n\\r\\\\'\"")
        );
        assert_eq!(text(b"\xc3'\"~\x7f"), format!("{head}Undecodable: b'\\xc3\\'\"~\\x7f'"));
        // What is no Unicode scalar value is no UTF-8, for Python and here.
        assert_eq!(text(b"\xed\xa0\x80"), format!("{head}Undecodable: b'\\xed\\xa0\\x80'"));
        let captured = communication("talk", "t", 7, b"payload here");
        assert_eq!(captured, "processname:talk groupname:t pid:7\npayload here");
    }

    #[test]
    fn the_rest_as_recorded() {
        assert_eq!(remote("mytype", "mydata\nline2"), "type:mytype\nmydata\nline2");
        assert_eq!(tick(1_795_255_740), "when:1795255740");
        assert_eq!(group("late"), "groupname:late\n");
        assert_eq!(supervisor(), "");
    }
}
