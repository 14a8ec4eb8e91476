//! The scripted worker of the integration tests: `puppet SCRIPT [argument ...]`.
//!
//! The script is read at each start, so that a test can put another release in
//! its place; `SCRIPT.N`, if there is one, is the script of generation N. One step a line, in order; after the last one the puppet waits
//! for signals for ever. `$PID`, `$PPID`, `$GEN` (generation) and `$START` (clock
//! ticks between boot and fork) in a text are replaced.
//!
//! | step | effect |
//! |---|---|
//! | `say TEXT`, `err TEXT` | a line on stdout or stderr, one `write(2)` |
//! | `raw TEXT` | TEXT on stdout without a newline; `\n` is one |
//! | `count FROM TO` | the lines `line N` on stdout |
//! | `ready` | `READY=1` to NOTIFY_SOCKET |
//! | `notify TEXT` | a datagram to NOTIFY_SOCKET; `\n` is a newline |
//! | `exit N`, `die SIGNAL` | the end |
//! | `on SIGNAL exit N`, `on SIGNAL ignore`, `on SIGNAL say TEXT`, `on SIGNAL default` | from the very start, wherever the line stands; without one TERM prints `bye PID` and exits 0 |
//! | `env NAME` | `NAME=value` or `NAME unset`; `env *` prints the names of all |
//! | `args`, `cwd`, `ids`, `session`, `stdin` | what the puppet got |
//! | `fds` | `fds 0=/dev/null 1=pipe:[7] ...` as they were at the start |
//! | `proc FIELD` | a line of /proc/self/status as it was at the start |
//! | `serve` | answers `GENERATION PID` on every socket, stream or datagram, in threads |
//! | `wait FILE`, `touch FILE`, `append FILE TEXT` | |
//! | `child SCRIPT` | another puppet, not waited for; prints `child PID` |

mod serve;
mod signals;
mod steps;

use std::fs;

fn main() {
    let birth = steps::Birth::observe();
    let mut words = std::env::args_os().skip(1);
    let Some(path) = words.next() else { steps::fail("usage: puppet SCRIPT [argument ...]") };
    let path = path.to_string_lossy();
    let own = fs::read_to_string(steps::expand(&format!("{path}.$GEN")));
    let text = match own.or_else(|_| fs::read_to_string(&*path)) {
        Ok(text) => text,
        Err(error) => steps::fail(&format!("puppet: {path}: {error}")),
    };
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    signals::install(&lines);
    for line in lines {
        steps::perform(line, &birth);
    }
    loop {
        std::thread::park();
    }
}
