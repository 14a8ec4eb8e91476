//! Who may come in, by what name, with what password; and what nobody gets to read.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::control_client::{Answer, Http, SERVER, SOCKET, request};
use super::harness::{Config, Supervisor, is_root};
use crate::sandbox::{Sandbox, eventually, free_port};

/// An [inet_http_server] with this port and more keys.
fn inet(port: &str, more: &str) -> String {
    format!("[inet_http_server]\nport={port}\n{more}")
}

fn tcp(address: &str) -> Http {
    let address: SocketAddr = address.parse().unwrap();
    eventually("a connection", || Http::tcp(address).ok())
}

/// `Authorization:` with this in it.
fn basic(login: &str) -> String {
    // Enough of base64 for a password.
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in login.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - part.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > part.len() { '=' } else { char::from(digit) });
        }
    }
    format!("Authorization: Basic {text}\r\n")
}

/// A call of getVersion with these lines in its head.
fn version(http: &mut Http, extra: &str) -> Answer {
    http.send(&request("supervisor.getVersion", &[], extra)).unwrap();
    http.answer().expect("an answer")
}

fn mode(path: &std::path::Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

#[test]
fn the_mode_of_the_socket() {
    let sandbox = Sandbox::new("sv-mode");
    for (keys, expected) in [("", 0o700), ("\nchmod=0770", 0o770), ("\nchmod=666", 0o666)] {
        let server = SERVER.replacen("sup.sock", &format!("sup.sock{keys}"), 1);
        let mut ours = Config::new(&sandbox).section(&server).idle("p", "").spawn();
        ours.starts("p");
        ours.call("supervisor.getVersion", &[]).says("3.0");
        assert_eq!(mode(&sandbox.path(SOCKET)), expected, "{keys}");
        ours.stop();
    }
}

/// A perl script that asks for the version and prints the first line that comes, or why it cannot.
const ASK: &str = r#"use IO::Socket::UNIX; $SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or do { print "no: $!\n"; exit };
    syswrite $s, "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 71\r\n\r\n<methodCall><methodName>supervisor.getVersion</methodName></methodCall>";
    my $line = <$s>; print defined $line ? $line : "closed\n";"#;

#[test]
fn another_user() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new("sv-user");
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let ask = |user: &str| {
        let person = ["setpriv", "--clear-groups", "--regid", "nogroup", "--reuid", user];
        let perl = sandbox.run("perl").args(["-e", ASK]).arg(sandbox.path(SOCKET)).through(person);
        let done = perl.output();
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    // The keys of the server, and whether root, nobody and games get an answer.
    let cases = [
        ("", [true, false, false]),
        ("\nchown=nobody", [true, true, false]),
        ("\nchmod=0777", [true, true, true]),
        ("\nchmod=0770\nchown=root:nogroup", [true, true, true]),
    ];
    for (keys, expected) in cases {
        let server = SERVER.replacen("sup.sock", &format!("sup.sock{keys}"), 1);
        let mut ours = Config::new(&sandbox).section(&server).idle("p", "").spawn();
        ours.starts("p");
        ours.call("supervisor.getVersion", &[]).says("3.0");
        for (user, served) in ["root", "nobody", "games"].into_iter().zip(expected) {
            let said = ask(user);
            assert_eq!(said.starts_with("HTTP/1.1 200"), served, "{keys:?} {user}: {said}");
        }
        // Who made the file open does not find the way in: it is not asked for again.
        if keys.is_empty() {
            fs::set_permissions(sandbox.path(SOCKET), fs::Permissions::from_mode(0o777)).unwrap();
            let said = ask("nobody");
            assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
        }
        ours.stop();
    }
}

/// A password, in every form in which it may be kept and given.
#[test]
fn passwords() {
    let sandbox = Sandbox::new("sv-password");
    let port = free_port();

    let sha = sha_of("thepassword", &sandbox);
    for kept in ["thepassword", sha.as_str()] {
        let keys = format!("username=user\npassword={kept}");
        let server = inet(&format!("127.0.0.1:{port}"), &keys);
        let unix = SERVER.replacen("sup.sock", &format!("sup.sock\n{keys}"), 1);
        let mut ours = Config::new(&sandbox).section(&server).section(&unix).idle("p", "").spawn();
        ours.starts("p");
        let logins = [
            ("user:thepassword", 200),
            ("user:wrong", 401),
            ("user:", 401),
            ("user:thepasswor", 401),
            ("user:thepassword1", 401),
            ("User:thepassword", 401),
            (":thepassword", 401),
            ("user", 401),
            ("", 401),
        ];
        for (login, status) in logins {
            for mut http in [tcp(&format!("127.0.0.1:{port}")), ours.http()] {
                let answer = version(&mut http, &basic(login));
                assert_eq!(answer.status, status, "{kept} {login}");
            }
        }
        // What was kept is not what is asked for.
        if kept.starts_with("{SHA}") {
            let answer = version(&mut ours.http(), &basic(&format!("user:{kept}")));
            assert_eq!(answer.status, 401);
        }
        for extra in [
            "",
            "Authorization: Basic\r\n",
            "Authorization: Basic %%%\r\n",
            "Authorization: Bearer x\r\n",
        ] {
            let mut http = ours.http();
            let answer = version(&mut http, extra);
            assert_eq!(answer.status, 401, "{extra}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"default\""));
            assert!(http.closed());
        }
        for target in ["/logtail/p/stdout", "/mainlogtail", "/metrics", "/", "/RPC2", "/nothing"] {
            let mut http = ours.http();
            assert_eq!(http.get(target).status, 401, "{target}");
        }
        // The probes of a container say no more than yes or no.
        for target in ["/health", "/ready"] {
            let answer = ours.http().get(target);
            assert_eq!(answer.status, 200, "{target}");
            assert!(!answer.text().contains("\"p\""), "{}", answer.text());
        }
        let mut http = ours.http();
        http.extra = basic("user:thepassword");
        let config = http.call("supervisor.getAllConfigInfo", &[]).text();
        ours.stop();
        let log = sandbox.read("main.log");
        for secret in ["thepassword", kept, "wrong"] {
            assert!(!log.contains(secret), "{secret} is in the log: {log}");
            assert!(!config.contains(secret), "{secret} is told: {config}");
        }
        sandbox.remove("main.log");
    }
}

fn sha_of(text: &str, sandbox: &Sandbox) -> String {
    let script = "use Digest::SHA qw(sha1_hex); print sha1_hex($ARGV[0])";
    let done = sandbox.run("perl").args(["-e", script, text]).output();
    assert_eq!(done.code, Some(0), "{done:?}");
    format!("{{SHA}}{}", done.stdout.trim())
}

/// Anybody could run programs: that is not begun.
#[test]
fn an_open_port_without_a_password() {
    let sandbox = Sandbox::new("sv-open");
    let port = free_port();
    for host in ["0.0.0.0:", "*:", ":", "", "[::]:"] {
        let section = inet(&format!("{host}{port}"), "");
        let mut ours = Config::new(&sandbox).section(&section).idle("p", "").spawn();
        let status = ours.server.wait_exit();
        assert_eq!(status.code(), Some(2), "{host}\n{}", ours.transcript());
        let why = ours.count("password");
        assert_eq!(why, 1, "{host}\n{}", ours.transcript());
        assert_eq!(ours.count_spawned("p"), 0);
    }
    // With a password it is the administrator's affair.
    let section = inet(&format!("*:{port}"), "username=u\npassword=p");
    let mut ours = Config::new(&sandbox).section(&section).idle("p", "").spawn();
    ours.starts("p");
    assert_eq!(version(&mut tcp(&format!("127.0.0.1:{port}")), "").status, 401);
    assert_eq!(version(&mut tcp(&format!("127.0.0.1:{port}")), &basic("u:p")).status, 200);
    ours.stop();
}

/// Both addresses of loopback, a unix socket, and a second one of each: all of them serve.
#[test]
fn several_servers() {
    let sandbox = Sandbox::new("sv-several");
    let (one, two) = (free_port(), free_port());
    let mut config = Config::new(&sandbox)
        .control()
        .idle("p", "")
        .section(&inet(&format!("127.0.0.1:{one}"), ""));
    config = config.section("[unix_http_server:second]\nfile=%(here)s/second.sock\nchmod=0777");
    config = config.section(&format!("[inet_http_server:six]\nport=[::1]:{two}"));
    let mut ours = config.spawn();
    ours.starts("p");
    version(&mut ours.http(), "").says("3.0");
    version(&mut Http::unix(&sandbox.path("second.sock")).unwrap(), "").says("3.0");
    version(&mut tcp(&format!("127.0.0.1:{one}")), "").says("3.0");
    version(&mut tcp(&format!("[::1]:{two}")), "").says("3.0");
    assert_eq!(mode(&sandbox.path("second.sock")), 0o777);
    ours.stop();
    for name in [SOCKET, "second.sock"] {
        assert!(!sandbox.exists(name), "{name} is left: {:?}", sandbox.names());
    }
}

/// What a browser sends on behalf of somebody else's page.
#[test]
fn another_site() {
    let sandbox = Sandbox::new("sv-site");
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut ours =
        Config::new(&sandbox).control().section(&inet(&address, "")).idle("p", "").spawn();
    ours.starts("p");
    let post = |head: &str| {
        let body = "<methodCall><methodName>supervisor.getVersion</methodName></methodCall>";
        let length = body.len();
        let mut http = tcp(&address);
        let text = format!("POST /RPC2 HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}");
        http.send(text.as_bytes()).unwrap();
        http.answer().expect("an answer").status
    };
    let own = format!("Host: {address}\r\n");
    // Lines of the head, and what comes of them.
    let cases = [
        (own.clone(), 200),
        (format!("Host: localhost:{port}\r\n"), 200),
        ("Host: localhost\r\n".to_owned(), 200),
        (format!("Host: [::1]:{port}\r\n"), 200),
        (format!("{own}Origin: http://{address}\r\n"), 200),
        (format!("{own}Sec-Fetch-Site: same-origin\r\n"), 200),
        (format!("{own}Origin: http://evil.example\r\n"), 403),
        (format!("{own}Origin: null\r\n"), 403),
        (format!("{own}Origin: http://127.0.0.1:{}\r\n", port + 1), 403),
        (format!("{own}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{own}Sec-Fetch-Site: same-site\r\n"), 403),
        // A name of somebody else's that leads to us.
        (format!("Host: evil.example:{port}\r\n"), 403),
        (format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"), 403),
        ("Host: 127.0.0.1.evil.example\r\n".to_owned(), 403),
        ("Host: localhost.evil.example\r\n".to_owned(), 403),
        (format!("{own}Host: evil.example\r\n"), 400),
    ];
    for (head, status) in cases {
        assert_eq!(post(&head), status, "{head}");
    }
    let get = |target: &str, head: &str| {
        let mut http = tcp(&address);
        http.send(format!("GET {target} HTTP/1.1\r\n{head}\r\n").as_bytes()).unwrap();
        http.answer().expect("an answer")
    };
    assert_eq!(get("/", "Host: evil.example\r\n").status, 403);
    assert_eq!(get("/logtail/p", "Host: evil.example\r\n").status, 403);
    let page = get("/", &own);
    assert_eq!(page.status, 200);
    // No page of another's may show ours, and ours loads nothing.
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(!page.text().contains("<script"), "{}", page.text());
    // The buttons of the page want the token that is in the page.
    let press = |token: &str| {
        let body = format!("token={token}&action=stop&process=p");
        let length = body.len();
        let mut http = tcp(&address);
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let text = format!(
            "POST /control HTTP/1.1\r\n{own}{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        http.send(text.as_bytes()).unwrap();
        http.answer().expect("an answer").status
    };
    assert_eq!(press("guessed"), 403);
    assert_eq!(press(""), 403);
    assert_eq!(ours.asked("p", "statename"), "RUNNING");
    ours.stop();
}

/// A secret of the configuration is nowhere to be read.
#[test]
fn secrets_of_programs() {
    let sandbox = Sandbox::new("sv-secrets");
    let login = SERVER.replacen("sup.sock", "sup.sock\nusername=u\npassword=hush-server", 1);
    let keys = "environment=TOKEN=\"hush-program\"";
    let config = || {
        Config::new(&sandbox).daemon("loglevel=debug\nenvironment=ALL=\"hush-all\"").section(&login)
    };
    let mut ours = config().idle("p", keys).spawn();
    ours.starts("p");
    let mut http = ours.http();
    http.extra = basic("u:hush-server");
    let mut told = String::new();
    for method in ["getAllConfigInfo", "getAllProcessInfo", "getState"] {
        told.push_str(&http.call(&format!("supervisor.{method}"), &[]).text());
    }
    told.push_str(&http.call("supervise.getAllProcessStatus", &[]).text());
    for target in ["/", "/metrics", "/health", "/ready"] {
        told.push_str(&http.get(target).text());
    }
    let broken = login.replace("username=u\n", "");
    Config::new(&sandbox).section(&broken).idle("p", "").write();
    told.push_str(&http.call("supervisor.reloadConfig", &[]).text());
    assert!(told.matches("faultCode").count() >= 1, "{told}");
    let log: Supervisor<'_> = {
        config().idle("p", keys).write();
        ours.stop();
        ours
    };
    let log = log.lines().join("\n");
    for secret in ["hush-server", "hush-program", "hush-all"] {
        assert!(!log.contains(secret), "{secret}\n{log}");
        assert!(!told.contains(secret), "{secret}\n{told}");
    }
}
