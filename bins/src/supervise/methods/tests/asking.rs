//! What is told of processes and of their settings.

use super::*;
use crate::supervise::events::Stream;
use crate::supervise::methods::fake::BEGAN;
use crate::supervise::methods::world::LogPlace;

const SEVERAL: &str = "[group:web]\nprograms=z,y\npriority=1\n[program:z]\ncommand=/z\npriority=1\n\
                       [program:y]\ncommand=/y\n[program:a]\ncommand=/a\nautostart=false\n";

#[test]
fn a_process_is_described_as_supervisord_does_it() {
    let mut session = Session::running(SEVERAL);
    let log = LogPlace::File("/var/log/z".into());
    session.fake.set_log("z", Stream::Stdout, log);
    let now = BEGAN + 2;
    assert_eq!(
        session.say("getProcessInfo", name("web:z")),
        format!(
            "{{name: \"z\", group: \"web\", start: {BEGAN}, stop: 0, now: {now}, state: 20, \
             statename: \"RUNNING\", spawnerr: \"\", exitstatus: 0, logfile: \"/var/log/z\", \
             stdout_logfile: \"/var/log/z\", stderr_logfile: \"\", pid: 101, \
             description: \"pid 101, uptime 0:00:02\"}}"
        )
    );
    for unknown in ["z", "web:*", "web:", "nope"] {
        let fault = format!("10 BAD_NAME: {unknown}");
        assert_eq!(session.say("getProcessInfo", name(unknown)), fault);
    }
}

#[test]
fn every_state_has_its_words() {
    let mut session = Session::running("[program:p]\ncommand=/p\nstartretries=0\n");
    let told = |session: &mut Session| {
        let info = session.ask("getProcessInfo", name("p")).unwrap();
        let of = |name| show_value(info.member(name).unwrap());
        format!("{} {} {}", of("statename"), of("exitstatus"), of("description"))
    };
    session.ask("stopProcess", unhurried("p")).unwrap();
    assert_eq!(told(&mut session), "\"STOPPING\" 0 \"\"");
    session.fake.exit("p", 7);
    let stopped = told(&mut session);
    assert!(stopped.starts_with("\"STOPPED\" 7 \"") && stopped.ends_with("M\""), "{stopped}");
    session.ask("startProcess", unhurried("p")).unwrap();
    assert_eq!(told(&mut session), "\"STARTING\" 0 \"\"");
    session.fake.after(2);
    assert_eq!(told(&mut session), "\"RUNNING\" 0 \"pid 102, uptime 0:00:02\"");
    session.fake.exit("p", 0);
    assert!(told(&mut session).starts_with("\"EXITED\" 0 \""));
    session.fake.broken.insert("p".into());
    session.ask("startProcess", name("p")).unwrap_err();
    assert_eq!(told(&mut session), "\"FATAL\" 0 \"no such luck\"");
    let mut session = Session::running("[program:p]\ncommand=/p\nautostart=false\n");
    assert_eq!(told(&mut session), "\"STOPPED\" 0 \"Not started\"");
}

#[test]
fn all_are_told_by_name() {
    let mut session = Session::running(SEVERAL);
    let all = session.ask("getAllProcessInfo", vec![]).unwrap();
    let names = all.as_array().unwrap().iter().map(|row| row.member("name").unwrap().clone());
    let names: Vec<Value> = names.collect();
    assert_eq!(names, ["a", "y", "z"].map(Value::from), "not in the order of their priorities");
    assert_eq!(all.as_array().unwrap()[2], session.ask("getProcessInfo", name("web:z")).unwrap());
}

#[test]
fn settings_are_those_of_the_file() {
    let config = "[program:b]\ncommand=/b -x\nautorestart=true\nuser=root\ndirectory=/tmp\n\
                  exitcodes=0,2\npriority=7\nstopsignal=INT\nstdout_logfile=/tmp/b\n\
                  stderr_logfile=NONE\nstdout_logfile_maxbytes=1KB\nkillasgroup=true\n\
                  [program:a]\ncommand=/a\n";
    let mut session = Session::running(config);
    session.fake.write(&format!("{config}[program:c]\ncommand=/c\nautorestart=false\n"));
    session.ask("reloadConfig", vec![]).unwrap();
    let all = session.ask("getAllConfigInfo", vec![]).unwrap();
    let Some([a, b, c]) = all.as_array() else { panic!("{all:?}") };
    assert_eq!(
        show_value(b),
        "{autostart: true, autorestart: true, directory: \"/tmp\", uid: 0, command: \"/b -x\", \
         exitcodes: [0, 2], group: \"b\", group_prio: 7, inuse: true, killasgroup: true, \
         name: \"b\", process_prio: 7, redirect_stderr: false, startretries: 3, startsecs: 1, \
         stdout_capture_maxbytes: 0, stdout_events_enabled: false, stdout_logfile: \"/tmp/b\", \
         stdout_logfile_backups: 10, stdout_logfile_maxbytes: 1024, stdout_syslog: false, \
         stopsignal: 2, stopwaitsecs: 10, stderr_capture_maxbytes: 0, \
         stderr_events_enabled: false, stderr_logfile: \"none\", stderr_logfile_backups: 10, \
         stderr_logfile_maxbytes: 52428800, stderr_syslog: false, serverurl: \"none\"}"
    );
    let of = |row: &Value, names: [&str; 5]| {
        names.map(|name| show_value(row.member(name).unwrap())).join(" ")
    };
    let names = ["name", "stdout_logfile", "directory", "uid", "autorestart"];
    assert_eq!(of(a, names), "\"a\" \"auto\" \"none\" \"none\" \"unexpected\"");
    assert_eq!(of(c, names), "\"c\" \"auto\" \"none\" \"none\" false");
    assert_eq!(c.member("inuse"), Some(&Value::Bool(false)));
}
