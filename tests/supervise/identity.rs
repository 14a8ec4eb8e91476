//! As whom programs run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::harness::{Config, Supervisor, environ, executes, is_root, status_field};
use crate::sandbox::{Sandbox, puppet};

/// Four ids: real, effective, saved, of the file system.
fn ids(pid: i32, field: &str) -> Vec<String> {
    status_field(pid, field).split_whitespace().map(str::to_owned).collect()
}

/// Everybody may read and run what is in it.
fn open(sandbox: &Sandbox) {
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn a_program_becomes_its_user_with_all_groups() {
    let sandbox = Sandbox::new("sv-user");
    open(&sandbox);
    if !is_root() {
        let keys = "user=root\nstartretries=0\nstartsecs=1";
        let mut ours = Config::new(&sandbox).idle("p", keys).spawn();
        ours.wait_line("gave up: p entered FATAL state");
        ours.stop();
        return;
    }
    let config = Config::new(&sandbox)
        .idle("named", "user=nobody")
        .idle("number", "user=65534")
        .idle("grouped", "user=nobody\ngroup=daemon")
        .idle("same", "");
    let launch = config.launch().env("HOME", "/h").env("USER", "u").env_remove("LOGNAME");
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    for (name, uid, gid) in
        [("named", "65534", "65534"), ("number", "65534", "65534"), ("grouped", "65534", "1")]
    {
        let pid = ours.starts(name);
        executes(pid, "sleep");
        assert_eq!(ids(pid, "Uid"), [uid; 4], "{name}");
        assert_eq!(ids(pid, "Gid"), [gid; 4], "{name}");
        let groups = ids(pid, "Groups");
        assert!(!groups.contains(&"0".to_owned()), "{name}: {groups:?}");
        assert!(environ(pid).contains(&"HOME=/h".to_owned()), "{name} keeps HOME");
        assert_eq!(status_field(pid, "CapEff"), "0000000000000000", "{name}");
    }
    let pid = ours.starts("same");
    executes(pid, "sleep");
    assert_eq!(ids(pid, "Uid"), ["0"; 4]);
    assert_eq!(ids(ours.pid(), "Uid"), ["0"; 4]);
    ours.stop();
}

#[test]
fn user_environment_is_that_of_the_user() {
    let sandbox = Sandbox::new("sv-userenv");
    open(&sandbox);
    if !is_root() {
        return;
    }
    let config = Config::new(&sandbox).idle("p", "user=nobody\nuser_environment=true");
    let launch = config.launch().env("HOME", "/h").env("USER", "u");
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    let pid = ours.starts("p");
    executes(pid, "sleep");
    let variables = environ(pid);
    for wanted in ["USER=nobody", "LOGNAME=nobody", "HOME=/nonexistent", "SHELL=/usr/sbin/nologin"]
    {
        assert!(variables.contains(&wanted.to_owned()), "{wanted} in {variables:?}");
    }
    ours.stop();
}

/// An error before anything starts, and not root as CPAN Supervisor has it.
#[test]
fn an_unknown_user_is_refused() {
    let sandbox = Sandbox::new("sv-nouser");
    for keys in ["user=no-such-user", "user=root:root", "group=no-such-group"] {
        let config = Config::new(&sandbox).idle("good", "priority=1").idle("p", keys);
        let refused = config.launch().output();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.starts_with("Error: "), "{refused:?}");
        assert!(!refused.stdout.contains("spawned"), "{refused:?}");
    }
}

/// The supervisor itself as somebody else: so are its programs, and they need no right for it.
#[test]
fn the_supervisor_gives_up_root() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new("sv-drop");
    open(&sandbox);
    let config = Config::new(&sandbox)
        .daemon("user=nobody")
        .idle("p", "")
        .idle("own", "user=nobody")
        .idle("other", "user=daemon\nstartretries=0\nstartsecs=1");
    let ours = sandbox.install(env!("CARGO_BIN_EXE_supervise"), "supervise");
    let launch = sandbox.run(&ours).arg("-n").arg("-c").arg(config.write());
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    ours.wait_line("Set uid to user 65534 succeeded");
    for name in ["p", "own"] {
        let pid = ours.starts(name);
        executes(pid, "sleep");
        assert_eq!(ids(pid, "Uid"), ["65534"; 4], "{name}");
    }
    ours.wait_line("gave up: other entered FATAL state");
    assert_eq!(ids(ours.pid(), "Uid"), ["65534"; 4]);
    ours.stop();
}

/// Who is not root cannot become anybody; to be who one is already is no change.
#[test]
fn a_supervisor_that_is_not_root() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new("sv-nonroot");
    open(&sandbox);
    for program in ["supervise", "puppet"] {
        let from =
            if program == "puppet" { puppet() } else { env!("CARGO_BIN_EXE_supervise").as_ref() };
        sandbox.install(from, program);
    }
    let run = |keys: &str| {
        let config = Config::new(&sandbox).daemon(keys).idle("p", "user=nobody");
        let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        let launch = sandbox.run(sandbox.path("supervise")).arg("-n").arg("-c").arg(config.write());
        launch.through(words)
    };
    let refused = run("user=root").output();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("Can't drop privilege as nonroot user"), "{refused:?}");
    for keys in ["user=nobody", ""] {
        let mut ours = Supervisor::new(&sandbox, run(keys).spawn());
        let pid = ours.starts("p");
        executes(pid, "sleep");
        assert_eq!(ids(pid, "Uid"), ["65534"; 4]);
        ours.stop();
    }
}
