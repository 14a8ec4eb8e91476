//! Listeners of superlance, from PyPI, as they are.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use sigpolicy::Signal;

use super::pair::{Differences, Pair, Side, supervisord};
use crate::pypi::pypi;
use crate::sandbox::DEADLINE;

const VERSION: &str = "superlance==2.0.0";

/// Where superlance is. None where PyPI cannot be reached.
pub(super) fn superlance() -> Option<PathBuf> {
    pypi(VERSION)
}

/// A section for one of its programs.
fn listener(place: &Path, program: &str, events: &str, options: &str) -> String {
    let place = place.display();
    format!(
        "[eventlistener:{program}]\ncommand=/usr/bin/python3 {place}/bin/{program} {options}\n\
         environment=PYTHONPATH=\"{place}\"\nserverurl=http://localhost:1\nevents={events}\n\
         stderr_logfile=<DIR>/{program}.err\n"
    )
}

/// Waits for a file to be there on both sides.
pub(super) fn wait_file(pair: &Pair, name: &str) {
    pair.wait(name, |side| {
        let there = !side.file(name).is_empty();
        (!there).then(|| side.log().join("\n")).into_iter().collect()
    });
}

#[test]
fn crashmail() {
    let Some(place) = supervisord().then(superlance).flatten() else {
        return;
    };
    let options = "-a -m ops@example.com -o test -s <DIR>/sendmail";
    let body = format!(
        "{}\
         [program:leaves]\ncommand=/bin/sh -c \"sleep 1.3; exit 0\"\n\
         [program:crashes]\ncommand=/bin/sh -c \"sleep 2.3; exit 7\"\nautorestart=false\n",
        listener(&place, "crashmail", "PROCESS_STATE", options)
    );
    let sendmail = "#!/bin/sh\ncat >> <DIR>/mail.new && mv <DIR>/mail.new <DIR>/mail\n";
    let mut pair = Pair::start("crashmail", "", &body, &[("sendmail", sendmail)]);
    wait_file(&pair, "mail");
    pair.wait_log("success: crashmail");
    pair.stop_by(Signal::TERM);
    let [real, ours] = pair.both(|side| {
        let time = |line: &str| line.split(" at ").next().unwrap_or_default().to_owned();
        ["mail", "crashmail.err"].map(|name| side.file(name).lines().map(time).collect::<Vec<_>>())
    });
    let text = "Process crashes in group crashes exited unexpectedly (pid P) from state RUNNING";
    assert_eq!(real[0].last().map(String::as_str), Some(text));
    let mut differences = Differences::default();
    differences.equal("the mail and what the listener says", [real, ours]);
    let log = |side: &Side| side.log_of("crashmail");
    differences.equal("the listener's life", pair.both(log));
    differences.none(&pair.transcript());
}

/// A mail server for one mail.
pub(super) fn mail_server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, receive) = channel();
    thread::spawn(move || {
        if let Some(mail) = listener.accept().ok().and_then(|(stream, _)| take_mail(stream).ok()) {
            let _ = send.send(mail);
        }
    });
    (port, receive)
}

/// The text of the mail that comes this way.
fn take_mail(mut stream: TcpStream) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let (mut mail, mut line, mut data) = (String::new(), String::new(), false);
    stream.write_all(b"220 test\r\n")?;
    while lines.read_line(&mut line)? > 0 {
        let answer: &[u8] = match line.trim_end() {
            "." => b"250 taken\r\n",
            _ if data => {
                mail.push_str(&line);
                b""
            }
            "data" | "DATA" => b"354 go on\r\n",
            "quit" | "QUIT" => b"221 bye\r\n",
            _ => b"250 well\r\n",
        };
        data = if data { line.trim_end() != "." } else { answer.starts_with(b"354") };
        stream.write_all(answer)?;
        line.clear();
    }
    Ok(mail)
}

#[test]
fn fatalmailbatch() {
    let Some(place) = supervisord().then(superlance).flatten() else {
        return;
    };
    let servers = [mail_server(), mail_server()];
    let ports = servers.each_ref().map(|(port, _)| *port);
    // Each side has a mail server of its own, so the port comes from a file beside the configuration.
    let wrapper = format!(
        "#!/bin/sh\ncase <DIR> in *-real) port={};; *) port={};; esac\n\
         exec /usr/bin/python3 {}/bin/fatalmailbatch -H 127.0.0.1:$port \"$@\"\n",
        ports[0],
        ports[1],
        place.display()
    );
    let options = "-t ops@example.com -f me@example.com -e TICK_5 -i 0.01";
    let section = listener(&place, "fatalmailbatch", "PROCESS_STATE_FATAL,TICK_5", options);
    let (head, _) = section.split_once("command=").unwrap();
    let (_, tail) = section.split_once(options).unwrap();
    let failing = "[program:fails]\ncommand=/bin/false\nstartsecs=60\nstartretries=0\n";
    let body = format!("{head}command=<DIR>/mailer {options}{tail}{failing}");
    let mut pair = Pair::start("fatalmail", "", &body, &[("mailer", &wrapper)]);
    let mails = servers.map(|(_, mails)| {
        let mail = mails.recv_timeout(DEADLINE);
        let mail = mail.unwrap_or_else(|error| panic!("{error}\n{}", pair.transcript()));
        let varies = |line: &&str| !line.starts_with("Date:") && !line.starts_with("Message-ID:");
        let time = |line: &str| line.split(" -- ").last().unwrap_or_default().to_owned();
        mail.lines().filter(varies).map(time).collect::<Vec<String>>()
    });
    pair.stop_by(Signal::TERM);
    let text = "Process fails:fails failed to start too many times";
    assert!(mails[0].iter().any(|line| line == text), "{mails:?}");
    let mut differences = Differences::default();
    differences.equal("the mails", mails);
    differences.none(&pair.transcript());
}
