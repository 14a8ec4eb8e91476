//! Programs that do more than run: they say when they are ready, prove that they are well, or are
//! done once.

use std::time::{Duration, Instant};

use super::harness::{Config, gone};
use crate::sandbox::Sandbox;

#[test]
fn ready_is_what_a_notifying_program_says() {
    let sandbox = Sandbox::new("sv-notify");
    let steps = "env NOTIFY_SOCKET\nnotify STATUS=loading\nsay up\nwait go\nready";
    let config = Config::new(&sandbox)
        .puppet("p", steps, "type=notify")
        .puppet("plain", "env NOTIFY_SOCKET\nsay up", "")
        .idle("clock", "startsecs=2");
    let mut ours = config.spawn();
    let text = sandbox.wait_text("p.out", "up\n");
    assert!(!text.contains("unset"), "{text}");
    assert_eq!(sandbox.wait_text("plain.out", "up\n"), "NOTIFY_SOCKET unset\nup\n");
    ours.starts("clock");
    assert_eq!(ours.count("success: p "), 0, "{}", ours.transcript());
    sandbox.write("go", "");
    ours.wait_line("success: p entered RUNNING state");
    ours.stop();
}

/// A newline on a descriptor, as s6 has it.
#[test]
fn ready_fd_is_a_newline() {
    let sandbox = Sandbox::new("sv-readyfd");
    let script = "while [ ! -e go ]; do sleep 0.02; done\necho >&5\nexec 5>&-\nexec sleep 1000";
    let config =
        Config::new(&sandbox).script("p", script, "ready_fd=5").idle("clock", "startsecs=1");
    let mut ours = config.spawn();
    ours.starts("clock");
    assert_eq!(ours.count("success: p "), 0, "{}", ours.transcript());
    sandbox.write("go", "");
    ours.wait_line("success: p entered RUNNING state");
    ours.stop();
}

/// Who never says it is a failed start, and is not left running.
#[test]
fn ready_timeout_ends_who_is_never_ready() {
    let sandbox = Sandbox::new("sv-readytimeout");
    let keys = "type=notify\nready_timeout=0.5\nstartretries=1";
    let mut ours = Config::new(&sandbox).puppet("p", "say up", keys).spawn();
    let first = ours.spawned("p");
    gone(first);
    let second = ours.spawned("p");
    ours.wait_line("gave up: p entered FATAL state");
    gone(second);
    ours.stop();
}

/// Ended before it was ready: a failed start, whatever the code.
#[test]
fn an_end_before_ready_is_a_failed_start() {
    let sandbox = Sandbox::new("sv-notready");
    let keys = "type=notify\nstartretries=0";
    let mut ours = Config::new(&sandbox).puppet("p", "exit 0", keys).spawn();
    ours.wait_lines(&["exited: p (exit status 0; not expected)", "gave up: p"]);
    ours.stop();
}

#[test]
fn a_watchdog_that_hears_nothing_starts_again() {
    let sandbox = Sandbox::new("sv-watchdog");
    // It lives for as long as it says so: three times, then silence.
    let steps = "ready\nnotify WATCHDOG=1\nsay up";
    let keys = "type=notify\nwatchdog_secs=1\nautorestart=unexpected";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).spawn();
    let first = ours.spawned("p");
    let running = ours.wait_line("success: p").at;
    gone(first);
    assert!(running.elapsed() >= Duration::from_millis(900));
    ours.wait_line("watchdog");
    ours.wait_line("exited: p");
    let second = ours.spawned("p");
    assert_ne!(first, second);
    ours.stop();
}

#[test]
fn a_watchdog_that_is_fed_does_nothing() {
    let sandbox = Sandbox::new("sv-watchdog-fed");
    let script = "use IO::Socket::UNIX; (my $to = $ENV{NOTIFY_SOCKET}) =~ s/^@/\\0/; \
                  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $to) or die; \
                  $s->send(qq(READY=1)); while (1) { $s->send(qq(WATCHDOG=1)); select(undef, undef, undef, 0.2) }";
    sandbox.write("fed.pl", script);
    let config = Config::new(&sandbox)
        .program("p", "perl fed.pl", "type=notify\nwatchdog_secs=2")
        .idle("clock", "startsecs=5");
    let mut ours = config.spawn();
    ours.succeeds("p");
    ours.starts("clock");
    assert_eq!(ours.count_spawned("p"), 1, "{}", ours.transcript());
    ours.stop();
}

#[test]
fn a_program_that_fails_its_health_command_starts_again() {
    let sandbox = Sandbox::new("sv-health");
    sandbox.write("healthy", "");
    let keys = "health_command=test -e healthy\nhealth_interval=0.1\nhealth_retries=3";
    let config = Config::new(&sandbox).idle("p", keys).idle("clock", "startsecs=2");
    let mut ours = config.spawn();
    let first = ours.starts("p");
    ours.starts("clock");
    assert_eq!(ours.count_spawned("p"), 1, "{}", ours.transcript());
    sandbox.remove("healthy");
    ours.wait_line("unhealthy: p");
    gone(first);
    sandbox.write("healthy", "");
    ours.wait_line("stopped: p (terminated by SIGTERM)");
    ours.starts("p");
    ours.stop();
}

/// A health command that hangs has failed as well; it does not outlive the supervisor.
#[test]
fn a_health_command_that_hangs_has_failed() {
    let sandbox = Sandbox::new("sv-health-hang");
    let keys =
        "health_command=sleep 1000\nhealth_interval=0.1\nhealth_timeout=0.3\nhealth_retries=2";
    let mut ours = Config::new(&sandbox).idle("p", keys).spawn();
    let first = ours.starts("p");
    gone(first);
    ours.spawned("p");
    ours.stop();
}

/// Exit 0 is what it was for, however early; it does not run again.
#[test]
fn a_oneshot_succeeds_once() {
    let sandbox = Sandbox::new("sv-oneshot");
    let config = Config::new(&sandbox)
        .puppet("once", "exit 0", "type=oneshot\nstartsecs=5\nautorestart=true")
        .idle("clock", "startsecs=3");
    let mut ours = config.spawn();
    let begun = Instant::now();
    ours.wait_line("exited: once (exit status 0; expected)");
    assert!(begun.elapsed() < Duration::from_secs(4));
    ours.starts("clock");
    assert_eq!(ours.count_spawned("once"), 1, "{}", ours.transcript());
    assert_eq!(ours.count("FATAL"), 0);
    ours.stop();
}

#[test]
fn a_oneshot_that_fails_is_tried_again() {
    let sandbox = Sandbox::new("sv-oneshot-fails");
    // The third time it works.
    let script = "echo x >>tries\n[ \"$(wc -l <tries)\" -ge 3 ]";
    let keys = "type=oneshot\nstartretries=5\nbackoff_max=0.2";
    let mut ours = Config::new(&sandbox).script("once", script, keys).spawn();
    ours.wait_line("exited: once (exit status 0; expected)");
    assert_eq!(
        ours.count("exited: once (exit status 1; not expected)"),
        2,
        "{}",
        ours.transcript()
    );
    ours.stop();
    let sandbox = Sandbox::new("sv-oneshot-fatal");
    let keys = "type=oneshot\nstartretries=1\nbackoff_max=0.2";
    let mut ours = Config::new(&sandbox).puppet("once", "exit 1", keys).spawn();
    ours.wait_line("gave up: once entered FATAL state");
    assert_eq!(ours.count_spawned("once"), 2);
    ours.stop();
}
