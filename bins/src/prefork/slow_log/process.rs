//! What the kernel tells about a process that is not stopped.

use std::fmt::{self, Write as _};
use std::fs;
use std::time::Duration;

use fdpass::Address;
use reaper::Pid;
use scoreboard::Text;

use super::syscalls;
use crate::prefork::client_gone::socket::{self, Ends};

/// Lines of a kernel stack that are shown.
const MOST_FRAMES: usize = 24;
/// Connections that are shown.
const MOST_CLIENTS: usize = 4;
/// Socket descriptors that are looked at for them.
const MOST_SOCKETS: usize = 64;

pub(super) fn compose(out: &mut String, pid: Pid) -> fmt::Result {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stat = read("stat");
    if let Some(stat) = Stat::parse(&String::from_utf8_lossy(&stat)) {
        write!(out, "  process: {stat}")?;
        if let Some(memory) = resident(&String::from_utf8_lossy(&read("status"))) {
            write!(out, ", {memory} resident")?;
        }
        writeln!(out)?;
    }
    let call = read("syscall");
    let call = String::from_utf8_lossy(&call);
    if let Some(call) = Call::parse(&call) {
        write!(out, "  system call: {call}")?;
        if let Some(fd) = call.fd() {
            write!(out, ": {}", described(pid, fd))?;
        }
        writeln!(out)?;
    }
    let wchan = read("wchan");
    if !wchan.is_empty() && wchan != b"0" {
        writeln!(out, "  waits in: {}", Text::new(&wchan))?;
    }
    for (proto, local, peer) in connections(pid) {
        writeln!(out, "  connection: {proto} {local} <- {peer}")?;
    }
    let stack = read("stack");
    let mut frames = stack.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
    if frames.peek().is_some() {
        writeln!(out, "  kernel stack:")?;
    }
    for frame in frames.take(MOST_FRAMES) {
        let name = frame.strip_prefix(b"[<0>] ").unwrap_or(frame);
        writeln!(out, "    {}", Text::new(name))?;
    }
    Ok(())
}

/// VmRSS of /proc/PID/status, with its unit.
fn resident(status: &str) -> Option<String> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Text::new(line.trim().as_bytes()).to_string())
}

/// What a descriptor of the process is; the ends, if it is a connection.
fn described(pid: Pid, fd: i32) -> String {
    let Ok(target) = fs::read_link(format!("/proc/{pid}/fd/{fd}")) else {
        return "not open, or hidden".to_owned();
    };
    let target = target.as_os_str().as_encoded_bytes();
    let shown = Text::new(target).to_string();
    match std::str::from_utf8(target).ok().and_then(socket::inode) {
        Some(_) => match ends(pid, fd) {
            Some(Ends { local, peer }) => {
                format!("{shown} {} <- {}", socket::shown(&local), socket::shown(&peer))
            }
            None => shown,
        },
        None => shown,
    }
}

fn ends(pid: Pid, fd: i32) -> Option<Ends> {
    let pidfd = socket::open(pid).ok()?;
    Ends::of(socket::duplicate(pidfd, fd).ok()?)
}

/// The connections that the process has open, its clients' and its own.
fn connections(pid: Pid) -> Vec<(&'static str, String, String)> {
    let sockets = socket::sockets_of(pid).unwrap_or_default();
    let all = sockets.into_iter().take(MOST_SOCKETS).filter_map(|(fd, _)| ends(pid, fd));
    // Neither a pair of the process's own nor one that is not connected yet.
    let all = all.filter(|ends| [&ends.local, &ends.peer] != [&Address::Unnamed; 2]);
    all.take(MOST_CLIENTS)
        .map(|ends| (ends.proto(), socket::shown(&ends.local), socket::shown(&ends.peer)))
        .collect()
}

/// Some of proc_pid_stat(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    user: Duration,
    system: Duration,
    threads: u64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Fields are counted from 1 in the manual, and the rest begins with number 3.
        let number = |field: usize| fields.get(field.checked_sub(3)?)?.parse::<u64>().ok();
        // USER_HZ is 100 on everything that Linux runs on today.
        let ticks = |count: u64| Duration::from_millis(count.saturating_mul(10));
        Some(Self {
            state: fields.first()?.chars().next()?,
            user: ticks(number(14)?),
            system: ticks(number(15)?),
            threads: number(20)?,
        })
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.state {
            'R' => "on a CPU, or waiting for one",
            'S' => "waiting",
            'D' => "waiting for a disk or another device",
            'T' | 't' => "stopped",
            'Z' | 'X' => "dead",
            _ => "in another state",
        };
        let Self { state, user, system, threads } = self;
        write!(
            f,
            "{state} ({meaning}), {}.{:02} s CPU in the program, {}.{:02} s in the kernel, \
             {threads} threads",
            user.as_secs(),
            user.subsec_millis() / 10,
            system.as_secs(),
            system.subsec_millis() / 10,
        )
    }
}

/// /proc/PID/syscall.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// On a CPU, or ready for one.
    Running,
    /// In a system call: its number and its first argument.
    In(libc::c_long, u64),
    /// Waiting for something else, a page fault for example.
    None,
}

impl Call {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        match words.next()? {
            "running" => Some(Self::Running),
            "-1" => Some(Self::None),
            number => {
                let first = words.next()?.strip_prefix("0x")?;
                Some(Self::In(number.parse().ok()?, u64::from_str_radix(first, 16).ok()?))
            }
        }
    }

    /// The descriptor that the call works on, where its first argument is one.
    fn fd(&self) -> Option<i32> {
        match self {
            Self::In(number, first) if syscalls::takes_descriptor(*number) => {
                // The upper half of the register is not a part of the argument.
                i32::try_from(first & 0xffff_ffff).ok()
            }
            Self::In(..) | Self::Running | Self::None => None,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("none, it computes"),
            Self::None => f.write_str("none, it waits for memory"),
            Self::In(number, _) => {
                match syscalls::name(*number) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "number {number}")?,
                }
                match self.fd() {
                    Some(fd) => write!(f, "({fd})"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls() {
        let shown = |text: &str| Call::parse(text).map(|call| call.to_string());
        let read = libc::SYS_read;
        assert_eq!(shown("running\n").as_deref(), Some("none, it computes"));
        assert_eq!(shown("-1 0x7ffe 0x7f00\n").as_deref(), Some("none, it waits for memory"));
        let line = format!("{read} 0xffff00000007 0x7ffe 0x400 0x0 0x0 0x0 0x7ffe 0x7f00\n");
        assert_eq!(shown(&line).as_deref(), Some("read(7)"));
        let line = format!("{} 0x7ffe 0x2 0x400", libc::SYS_clock_nanosleep);
        assert_eq!(shown(&line).as_deref(), Some("clock_nanosleep"));
        assert_eq!(shown("99999 0x1").as_deref(), Some("number 99999"));
        for hostile in ["", "\n", "x", "0", "0 1", "0 0x", "9999999999999999999999 0x1", "0 0xzz"] {
            assert_eq!(shown(hostile), None, "{hostile:?}");
        }
        assert_eq!(Call::In(read, u64::MAX).fd(), None);
    }

    #[test]
    fn states() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194304 500 0 0 0 123 45 0 0 20 0 3 0 1 99 1000 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.threads), ('S', 3));
        assert!(stat.to_string().starts_with("S (waiting), 1.23 s CPU in the program, 0.45 s"));
        for hostile in ["", "7 (a", "7 (a) ", "7 (a) S", "7 (a) S -1 -1 -1"] {
            assert_eq!(Stat::parse(hostile), None);
        }
        assert_eq!(resident("Name:\tx\nVmRSS:\t   123 kB\n").as_deref(), Some("123 kB"));
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
