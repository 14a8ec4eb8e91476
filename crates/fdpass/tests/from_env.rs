//! `Inherited::from_env` in a process that was really started with sockets. There is no test
//! harness, so that the call can be the first thing in main; the program starts itself as the child.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;

const ROLE: &str = "FDPASS_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::var_os(ROLE).is_some() {
        return child();
    }
    numbered_descriptors();
    standard_input();
    what_goes_wrong();
    println!("from_env: ok");
    ExitCode::SUCCESS
}

/// Prints what came, then serves one connection.
fn child() -> ExitCode {
    // SAFETY: this process has done nothing but look at one variable.
    let mut inherited = match unsafe { fdpass::Inherited::from_env() } {
        Ok(inherited) => inherited,
        Err(error) => {
            print!("{error}");
            return ExitCode::from(3);
        }
    };
    print!("{}:", inherited.source());
    for socket in &inherited {
        print!(" {} {}", socket.kind(), socket.name().to_string_lossy());
    }
    // SAFETY: refused without touching anything.
    let again = unsafe { fdpass::Inherited::from_env() };
    assert!(again.expect_err("a second call").to_string().contains("taken before"));

    // Numbers 0 to 2 are occupied: a new file cannot become standard input.
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(std::os::fd::AsRawFd::as_raw_fd(&file) > 2);
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0, "standard input is /dev/null");
    if let Ok(listener) = inherited.take_tcp() {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"served").unwrap();
    }
    ExitCode::SUCCESS
}

/// Runs the child with a listener at `number` (and only there) and these variables, and visits it.
fn run(number: u32, variables: &[(&str, &str)], listener: TcpListener) -> (Output, String) {
    let address = listener.local_addr().unwrap();
    let script = match number {
        0 => "exec \"$0\"".to_owned(),
        other => format!("exec \"$0\" {other}<&0 0</dev/null"),
    };
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(ROLE, "1");
    for unset in ["SERVER_STARTER_PORT", "LISTEN_FDS", "LISTEN_PID", "EINHORN_FDS"] {
        command.env_remove(unset);
    }
    command.envs(variables.iter().copied());
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::piped());
    let process = command.spawn().unwrap();
    // Close our copy: a child that fails leaves no listener, and the visit ends at once.
    drop(command);
    let mut answer = String::new();
    if let Ok(mut client) = TcpStream::connect(address) {
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = client.read_to_string(&mut answer);
    }
    (process.wait_with_output().unwrap(), answer)
}

fn expect(number: u32, variables: &[(&str, &str)], wanted: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (output, answer) = run(number, variables, listener);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, wanted.replace("ADDRESS", &address), "{variables:?}");
    assert!(output.status.success(), "{variables:?}: {}", output.status);
    assert_eq!(answer, "served", "{variables:?}");
}

fn numbered_descriptors() {
    expect(5, &[("SERVER_STARTER_PORT", "a=b=5")], "SERVER_STARTER_PORT: tcp a=b");
    expect(3, &[("LISTEN_FDS", "1")], "LISTEN_FDS: tcp unknown");
    expect(3, &[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "web")], "LISTEN_FDS: tcp web");
    expect(7, &[("EINHORN_FDS", "7")], "EINHORN_FDS: tcp ADDRESS");
}

fn standard_input() {
    expect(0, &[], "standard input: tcp ADDRESS");
    expect(0, &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")], "standard input: tcp ADDRESS");
    expect(0, &[("SERVER_STARTER_PORT", "8080=0")], "SERVER_STARTER_PORT: tcp 8080");
}

fn what_goes_wrong() {
    for (number, variables, code, wanted) in [
        (5, ("OTHER", "1"), 0, "nowhere:"),
        (5, ("SERVER_STARTER_PORT", ""), 0, "SERVER_STARTER_PORT:"),
        (
            5,
            ("SERVER_STARTER_PORT", "8080=9"),
            3,
            "descriptor 9 (named 8080) from SERVER_STARTER_PORT is not open",
        ),
        (
            5,
            ("SERVER_STARTER_PORT", "8080=5;x=0"),
            3,
            "descriptor 0 (named x) from SERVER_STARTER_PORT is not a socket",
        ),
        (
            5,
            ("SERVER_STARTER_PORT", "8080"),
            3,
            "invalid SERVER_STARTER_PORT: the entry `8080' should be `NAME=FD'",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (output, answer) = run(number, &[variables], listener);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted, "{variables:?}");
        assert_eq!(output.status.code(), Some(code), "{variables:?}");
        assert_eq!(answer, "", "{variables:?}");
    }
}
