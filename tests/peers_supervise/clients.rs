//! Programs of others that act through SUPERVISOR_SERVER_URL: superlance, and the library of
//! supervisor, both from PyPI as they are.

use std::path::Path;

use sigpolicy::Signal;

use super::pair::{Differences, Pair, REAL, Side, ours, supervisord};
use super::superlance::{mail_server, superlance, wait_file};
use crate::pypi::pypi;
use crate::sandbox::{DEADLINE, Sandbox, free_port};

/// The servers that a client may ask.
pub const SERVERS: &str = "[unix_http_server]\nfile=<DIR>/sup.sock\n[rpcinterface:supervisor]\n\
    supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n";

/// A section for one of superlance's programs, which are told where the supervisor is.
fn listener(place: &Path, program: &str, events: &str, options: &str) -> String {
    let place = place.display();
    format!(
        "[eventlistener:{program}]\ncommand=/usr/bin/python3 {place}/bin/{program} {options}\n\
         environment=PYTHONPATH=\"{place}\"\nevents={events}\nstderr_logfile=<DIR>/{program}.err\n"
    )
}

/// Puts what mail it is given into a file of that name, as a whole; one mail, and no other.
const SENDMAIL: &str =
    "#!/bin/sh\ncat > <DIR>/mail.$$ && { test -e <DIR>/mail || mv <DIR>/mail.$$ <DIR>/mail; }\n";

/// Hides the number of bytes and the time.
fn plain(text: &str) -> Vec<String> {
    let number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let word = |word: &str| match word.trim_start_matches('(') {
        bare if number(bare) => "N".to_owned(),
        bare if bare.contains(':') && bare.starts_with(|c: char| c.is_ascii_digit()) => {
            "T".to_owned()
        }
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

/// Both, each with a unix socket and with a port of its own; `<DIR>` is the directory of each.
pub fn with_ports(topic: &str, keys: &str, body: &str, ports: [u16; 2]) -> Pair {
    let side = |(name, program, port): (&'static str, &str, u16)| {
        let sandbox = Sandbox::new(&format!("{topic}-{name}"));
        let dir = sandbox.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let text = format!(
            "[supervisord]\nnodaemon=true\nlogfile=<DIR>/main.log\npidfile=<DIR>/pid\n\
             childlogdir=<DIR>\n{SERVERS}[inet_http_server]\nport=127.0.0.1:{port}\n{keys}\n{body}"
        );
        let conf = sandbox.write("supervisord.conf", text.replace("<DIR>", &dir));
        let server = sandbox.run(program).arg("-c").arg(conf).spawn();
        Side { name, sandbox, server }
    };
    Pair { sides: [("real", REAL, ports[0]), ("ours", ours(), ports[1])].map(side) }
}

/// How often a process was started.
fn starts(side: &Side, name: &str) -> usize {
    let text = format!("spawned: '{name}'");
    side.log().iter().filter(|line| line.contains(&text)).count()
}

#[test]
fn memmon_restarts_a_fat_process() {
    let Some(place) = supervisord().then(superlance).flatten() else {
        return;
    };
    // Fat only the first time.
    let fat = "#!/usr/bin/perl\nmy $fat = 'x' x (-e '<DIR>/was-fat' ? 1 : 80_000_000);\n\
               open my $mark, '>', '<DIR>/was-fat';\nsleep 1000;\n";
    let options = "-p fat=40MB -p lean=40MB -m ops@example.com -n test -s <DIR>/sendmail";
    let body = format!(
        "{SERVERS}{}[program:fat]\ncommand=<DIR>/fat\n[program:lean]\ncommand=/bin/sleep 1000\n",
        listener(&place, "memmon", "TICK_5", options)
    );
    let mut pair = Pair::start("memmon", "", &body, &[("sendmail", SENDMAIL), ("fat", fat)]);
    wait_file(&pair, "mail");
    pair.stop_by(Signal::TERM);
    let mail = |side: &Side| plain(&side.file("mail"));
    let text = "memmon.py restarted the process named fat:fat at ";
    let [real, _] = pair.both(mail);
    assert!(real.last().is_some_and(|line| line.starts_with(text)), "{real:?}");
    let mut differences = Differences::default();
    differences.equal("the mail", pair.both(mail));
    differences.equal("restarts", pair.both(|side| [starts(side, "fat"), starts(side, "lean")]));
    assert_eq!(starts(&pair.sides[1], "fat"), 2, "{}", pair.transcript());
    differences.none(&pair.transcript());
}

#[test]
fn httpok_restarts_what_does_not_answer() {
    let Some(place) = supervisord().then(superlance).flatten() else {
        return;
    };
    let port = free_port();
    let options = format!(
        "-p web -p gone -t 2 -m ops@example.com -s <DIR>/sendmail http://127.0.0.1:{port}/"
    );
    let body = format!(
        "{SERVERS}{}[program:web]\ncommand=/bin/sleep 1000\n[program:other]\ncommand=/bin/sleep 1000\n",
        listener(&place, "httpok", "TICK_5", &options)
    );
    let mut pair = Pair::start("httpok", "", &body, &[("sendmail", SENDMAIL)]);
    wait_file(&pair, "mail");
    pair.stop_by(Signal::TERM);
    let mail = |side: &Side| plain(&side.file("mail"));
    let [real, _] = pair.both(mail);
    assert!(real.iter().any(|line| line == "web restarted"), "{real:?}");
    let mut differences = Differences::default();
    differences.equal("the mail", pair.both(mail));
    differences.equal("restarts of others", pair.both(|side| starts(side, "other")));
    assert!(starts(&pair.sides[1], "web") > 1, "{}", pair.transcript());
    differences.none(&pair.transcript());
}

#[test]
fn crashmailbatch_mails() {
    let Some(place) = supervisord().then(superlance).flatten() else {
        return;
    };
    let servers = [mail_server(), mail_server()];
    // Each side has a mail server of its own.
    let wrapper = format!(
        "#!/bin/sh\ncase <DIR> in *-real) port={};; *) port={};; esac\n\
         exec /usr/bin/python3 {}/bin/crashmailbatch -H 127.0.0.1:$port \"$@\"\n",
        servers[0].0,
        servers[1].0,
        place.display()
    );
    let options = "-t ops@example.com -f me@example.com -e TICK_5 -i 0.01";
    let section = listener(&place, "crashmailbatch", "PROCESS_STATE,TICK_5", options);
    let (head, _) = section.split_once("command=").unwrap();
    let (_, tail) = section.split_once(options).unwrap();
    let crashes =
        "[program:crashes]\ncommand=/bin/sh -c \"sleep 1.5; exit 7\"\nautorestart=false\n";
    let body = format!("{SERVERS}{head}command=<DIR>/mailer {options}{tail}{crashes}");
    let mut pair = Pair::start("crashmailbatch", "", &body, &[("mailer", &wrapper)]);
    let mails = servers.map(|(_, mails)| {
        let mail = mails.recv_timeout(DEADLINE);
        let mail = mail.unwrap_or_else(|error| panic!("{error}\n{}", pair.transcript()));
        let varies = |line: &&str| !line.starts_with("Date:") && !line.starts_with("Message-ID:");
        let time = |line: &str| plain(line.split(" -- ").last().unwrap_or_default()).concat();
        mail.lines().filter(varies).map(time).collect::<Vec<String>>()
    });
    pair.stop_by(Signal::TERM);
    let text = "Process crashes:crashes (pid ";
    assert!(mails[0].iter().any(|line| line.starts_with(text)), "{mails:?}");
    let pid = |line: &String| line.split("(pid ").next().unwrap_or_default().to_owned();
    let mails = mails.map(|mail| mail.iter().map(pid).collect::<Vec<_>>());
    let mut differences = Differences::default();
    differences.equal("the mails", mails);
    differences.none(&pair.transcript());
}

/// By the unix socket, by TCP, and with a password.
#[test]
fn the_library_of_supervisor() {
    let Some(place) = supervisord().then(|| pypi("supervisor==4.3.0")).flatten() else {
        return;
    };
    let ports = [free_port(), free_port()];
    let mut pair = with_ports(
        "library",
        "username=u\npassword=p",
        "[program:web]\ncommand=/bin/sleep 1000\n\
         [program:said]\ncommand=/bin/sh -c \"echo hello; exec sleep 1000\"\n\
         stdout_logfile=<DIR>/said.out\n",
        ports,
    );
    pair.wait_log("success: said entered RUNNING");
    pair.wait_log("success: web entered RUNNING");
    let run = |side: &Side, arguments: &[&str]| {
        let dir = side.sandbox.path("");
        let dir = dir.to_str().unwrap().trim_end_matches('/');
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/xmlrpc/library.py");
        let python = side.sandbox.run("/usr/bin/python3").arg(script).arg(dir).args(arguments);
        let done = python.env("PYTHONPATH", &place).output();
        assert_eq!(done.code, Some(0), "{}: {done:?}", side.name);
        done.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut differences = Differences::default();
    let unix = |side: &Side| {
        let url = format!("unix://{}", side.sandbox.path("sup.sock").display());
        run(side, &[&url])
    };
    let [real, ours] = pair.both(unix);
    assert!(real.len() > 10, "{real:?}");
    differences.equal("by the unix socket", [real, ours]);
    let tcp = |side: &Side| {
        let url = format!("http://127.0.0.1:{}", ports[usize::from(side.name == "ours")]);
        run(side, &[&url, "u", "p"])
    };
    let [real, ours] = pair.both(tcp);
    assert_eq!(real.last().map(String::as_str), Some("refused 401"));
    differences.equal("by TCP with a password", [real, ours]);
    pair.stop_by(Signal::TERM);
    differences.none(&pair.transcript());
}
