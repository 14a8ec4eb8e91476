//! `update` as supervisorctl does it: what has not changed runs on.

use sigpolicy::Signal;

use super::control_client::{Answer, Http, string};
use super::harness::{Config, Supervisor, alive, gone};
use crate::sandbox::Sandbox;

/// No difference.
const NOTHING: [Vec<String>; 3] = [const { Vec::new() }; 3];

/// Names of groups: added, changed, removed.
fn groups(answer: &Answer) -> [Vec<String>; 3] {
    assert_eq!(answer.status, 200);
    let text = answer.text();
    // [[added, changed, removed]]
    let parts: Vec<&str> = text.split("<array>").skip(3).collect();
    assert_eq!(parts.len(), 3, "{text}");
    let names = |part: &&str| {
        let part = part.split("</array>").next().unwrap_or_default();
        let values = part.split("<value>").skip(1);
        let plain = |value: &str| {
            let value = value.split("</value>").next().unwrap_or_default();
            value.replace("<string>", "").replace("</string>", "").trim().to_owned()
        };
        values.map(plain).collect()
    };
    [names(&parts[0]), names(&parts[1]), names(&parts[2])]
}

/// What supervisorctl sends for `update`, all by one connection; what was added, changed, removed.
fn update(http: &mut Http) -> [Vec<String>; 3] {
    let differences = groups(&http.call("supervisor.reloadConfig", &[]));
    let [added, changed, removed] = &differences;
    let well = |http: &mut Http, method: &str, name: &str| {
        let answer = http.call(&format!("supervisor.{method}"), &[string(name)]);
        assert!(!answer.words().starts_with("faultCode"), "{method} {name}: {}", answer.words());
    };
    for name in removed {
        well(http, "stopProcessGroup", name);
        well(http, "removeProcessGroup", name);
    }
    for name in changed {
        well(http, "stopProcessGroup", name);
        well(http, "removeProcessGroup", name);
        well(http, "addProcessGroup", name);
    }
    for name in added {
        well(http, "addProcessGroup", name);
    }
    differences
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Processes of one program, with pids.
fn workers(ours: &Supervisor<'_>, count: usize) -> Vec<i32> {
    (0..count).map(|number| ours.starts(&format!("w_{number}"))).collect()
}

fn numbered<'s>(sandbox: &'s Sandbox, count: usize, more: &str) -> Config<'s> {
    let keys = format!(
        "numprocs={count}\nprocess_name=%(program_name)s_%(process_num)d\n\
         stdout_logfile=NONE\nstderr_logfile=NONE\n{more}"
    );
    Config::new(sandbox).control().idle("same", "").idle("w", &keys)
}

#[test]
fn only_what_has_changed() {
    let sandbox = Sandbox::new("sv-update");
    let base = || Config::new(&sandbox).control().idle("same", "");
    let config = base().idle("other", "environment=A=\"1\"").idle("old", "");
    let mut ours = config.idle("sorted", "priority=5").spawn();
    let [same, other, old, sorted] =
        ["same", "other", "old", "sorted"].map(|name| ours.starts(name));
    let config = base().idle("other", "environment=A=\"2\"").idle("new", "");
    config.idle("sorted", "priority=6").write();
    let [added, mut changed, removed] = update(&mut ours.http());
    changed.sort();
    assert_eq!(
        (added, changed, removed),
        (named(&["new"]), named(&["other", "sorted"]), named(&["old"]))
    );
    for pid in [other, old, sorted] {
        gone(pid);
    }
    for name in ["other", "sorted", "new"] {
        ours.starts(name);
    }
    assert!(alive(same), "{}", ours.transcript());
    assert_eq!(ours.asked("same", "pid"), same.to_string());
    ours.call("supervisor.getProcessInfo", &["old"]).fails(10, "BAD_NAME: old");
    // There is nothing more to do.
    assert_eq!(update(&mut ours.http()), NOTHING);
    assert!(alive(same));
    ours.stop();
    assert_eq!(ours.count_spawned("same"), 1);
}

#[test]
fn more_processes_and_fewer() {
    let sandbox = Sandbox::new("sv-update-numprocs");
    let mut ours = numbered(&sandbox, 2, "").spawn();
    let same = ours.starts("same");
    let two = workers(&ours, 2);
    let changed = [vec![], named(&["w"]), vec![]];
    numbered(&sandbox, 4, "").write();
    assert_eq!(update(&mut ours.http()), changed);
    let more = [ours.starts("w_2"), ours.starts("w_3")];
    assert!(two.iter().all(|pid| alive(*pid)), "{}", ours.transcript());
    numbered(&sandbox, 1, "").write();
    assert_eq!(update(&mut ours.http()), changed);
    for pid in [two[1], more[0], more[1]] {
        gone(pid);
    }
    assert!(alive(two[0]) && alive(same), "{}", ours.transcript());
    ours.call("supervisor.getProcessInfo", &["w:w_1"]).fails(10, "BAD_NAME: w:w_1");
    numbered(&sandbox, 0, "").write();
    update(&mut ours.http());
    gone(two[0]);
    assert!(alive(same));
    ours.stop();
    assert_eq!(ours.count_spawned("w_0"), 1, "{}", ours.transcript());
}

/// A group of several programs of which one has changed.
#[test]
fn one_of_a_group() {
    let sandbox = Sandbox::new("sv-update-group");
    let config = |keys: &str| {
        let config = Config::new(&sandbox).control().idle("a", "").idle("b", keys);
        config.section("[group:g]\nprograms=a,b")
    };
    let mut ours = config("").spawn();
    let [a, b] = ["a", "b"].map(|name| ours.starts(name));
    config("startretries=7").write();
    assert_eq!(update(&mut ours.http()), [vec![], named(&["g"]), vec![]]);
    gone(b);
    ours.starts("b");
    assert!(alive(a), "{}", ours.transcript());
    ours.stop();
}

/// Whoever asks for it by hand gets supervisord's semantics: the whole group.
#[test]
fn the_same_methods_by_hand() {
    let sandbox = Sandbox::new("sv-update-hand");
    let mut ours = numbered(&sandbox, 2, "").spawn();
    ours.starts("same");
    let two = workers(&ours, 2);
    numbered(&sandbox, 3, "").write();
    let mut http = ours.http();
    http.call("supervisor.reloadConfig", &[]);
    // Something else in between: this is no update any more.
    http.call("supervisor.getVersion", &[]).says("3.0");
    http.call("supervisor.addProcessGroup", &[string("w")]).fails(90, "ALREADY_ADDED: w");
    http.call("supervisor.removeProcessGroup", &[string("w")]).fails(91, "STILL_RUNNING: w");
    let stopped = http.call("supervisor.stopProcessGroup", &[string("w")]).words();
    assert_eq!(stopped.matches("status 80").count(), 2, "{stopped}");
    two.iter().for_each(|pid| gone(*pid));
    http.call("supervisor.removeProcessGroup", &[string("w")]).says("1");
    http.call("supervisor.addProcessGroup", &[string("w")]).says("1");
    workers(&ours, 3);
    // And who never read the configuration again.
    ours.call("supervisor.addProcessGroup", &["w"]).fails(90, "ALREADY_ADDED: w");
    ours.call("supervisor.removeProcessGroup", &["nope"]).fails(10, "BAD_NAME: nope");
    ours.stop();
}

/// A broken file changes nothing, for one who reads it as for one who applies it.
#[test]
fn a_broken_file() {
    let sandbox = Sandbox::new("sv-update-broken");
    let mut ours = numbered(&sandbox, 1, "").spawn();
    let same = ours.starts("same");
    let worker = workers(&ours, 1)[0];
    numbered(&sandbox, 2, "startsecs=soon").write();
    let mut http = ours.http();
    let answer = http.call("supervisor.reloadConfig", &[]).words();
    assert!(answer.starts_with("faultCode 92 faultString CANT_REREAD: "), "{answer}");
    assert!(answer.contains("soon") && answer.contains("program:w"), "{answer}");
    http.call("supervisor.addProcessGroup", &[string("w")]).fails(90, "ALREADY_ADDED: w");
    assert!(alive(same) && alive(worker));
    numbered(&sandbox, 2, "").write();
    update(&mut http);
    ours.starts("w_1");
    assert!(alive(same) && alive(worker), "{}", ours.transcript());
    ours.stop();
}

/// What was reread and not applied is not lost to a HUP, and the other way round.
#[test]
fn reread_and_hup() {
    let sandbox = Sandbox::new("sv-update-hup");
    let mut ours = numbered(&sandbox, 1, "").spawn();
    let same = ours.starts("same");
    workers(&ours, 1);
    numbered(&sandbox, 2, "").write();
    let mut http = ours.http();
    assert_eq!(groups(&http.call("supervisor.reloadConfig", &[]))[1], named(&["w"]));
    ours.signal(Signal::HUP);
    ours.starts("w_1");
    let mut http = ours.http();
    assert_eq!(groups(&http.call("supervisor.reloadConfig", &[])), NOTHING);
    assert!(alive(same));
    ours.stop();
}

/// A stopped program stays so when an update changes it only if that is its way.
#[test]
fn a_stopped_program() {
    let sandbox = Sandbox::new("sv-update-stopped");
    let config = |keys: &str| Config::new(&sandbox).control().idle("p", keys).idle("q", "");
    let mut ours = config("autostart=false").spawn();
    ours.starts("q");
    config("autostart=false\nstartretries=9").write();
    assert_eq!(update(&mut ours.http()), [vec![], named(&["p"]), vec![]]);
    assert_eq!(ours.asked("p", "statename"), "STOPPED");
    config("startretries=9").write();
    update(&mut ours.http());
    ours.starts("p");
    ours.stop();
}

/// A hot program has no gap: the new process is ready before the old one is told to stop.
#[test]
fn a_hot_program() {
    let sandbox = Sandbox::new("sv-update-hot");
    let config = |steps: &str, key: &str| {
        let keys =
            format!("type=notify\nhot=true\nsocket=unix://%(here)s/sock\nstopwaitsecs=600\n{key}");
        Config::new(&sandbox).control().puppet("p", steps, &keys)
    };
    let mut ours = config("on TERM say asked\nready\nsay up\nwait leave\nexit 0", "").spawn();
    let old = ours.starts("p");
    config("say second\nwait go\nready\nsay up", "priority=5").write();
    update(&mut ours.http());
    let new = ours.spawned("p");
    sandbox.wait_text("p.out", "second\n");
    assert!(alive(old) && alive(new));
    assert!(!sandbox.read("p.out").contains("asked"), "{}", ours.transcript());
    assert_eq!(ours.http().get("/ready").status, 200, "somebody serves all the time");
    sandbox.write("go", "");
    sandbox.wait_text("p.out", "asked\n");
    sandbox.write("leave", "");
    gone(old);
    ours.becomes("p", "RUNNING");
    assert_eq!(ours.asked("p", "pid"), new.to_string());
    ours.stop();
}

/// The same program once more, by order.
#[test]
fn a_hot_program_is_replaced() {
    let sandbox = Sandbox::new("sv-replace");
    let keys = "type=notify\nhot=true\nsocket=unix://%(here)s/sock";
    let config = Config::new(&sandbox).control().puppet("p", "on TERM exit 0\nready\nsay up", keys);
    let mut ours = config.idle("cold", "").spawn();
    let old = ours.starts("p");
    ours.starts("cold");
    ours.call("supervise.replaceProcess", &["p"]).says("1");
    let new = ours.starts("p");
    gone(old);
    assert_eq!(ours.asked("p", "pid"), new.to_string());
    let words = ours.call("supervise.replaceProcess", &["cold"]).words();
    assert!(words.starts_with("faultCode"), "{words}");
    let words = ours.call("supervise.replaceProcess", &["nope"]).words();
    assert!(words.starts_with("faultCode 10 faultString BAD_NAME"), "{words}");
    ours.stop();
}
