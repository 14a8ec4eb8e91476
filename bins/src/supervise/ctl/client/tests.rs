use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use super::*;

const YES: &str = "<methodResponse><params><param><value><boolean>1</boolean></value></param>\
                   </params></methodResponse>";
const NO: &str = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>10\
                  </int></value></member><member><name>faultString</name><value><string>BAD_NAME: x\
                  </string></value></member></struct></value></fault></methodResponse>";

fn socket() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("ctl-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

fn client(path: &std::path::Path) -> Client {
    let login = Some(("u".to_owned(), "p:ä".to_owned()));
    let mut client = Client::new(&format!("unix://{}", path.display()), login, false).unwrap();
    client.progress = Progress::new(Watcher::Nobody);
    client
}

/// An answer with its length.
fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads a request up to the end of its body; `None` at the end of the connection.
fn request(connection: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let posted = text.trim_end().ends_with("</methodCall>");
        if posted || (text.starts_with("GET") && text.ends_with("\r\n\r\n")) {
            return Some(text);
        }
        match connection.read(&mut piece).unwrap() {
            0 => return None,
            count => bytes.extend(&piece[..count]),
        }
    }
}

/// A server that gives each connection its answers, then closes it; the requests in the end.
fn server(path: &std::path::Path, connections: Vec<Vec<String>>) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(path).unwrap();
    let path = path.to_owned();
    thread::spawn(move || {
        let mut requests = Vec::new();
        for answers in connections {
            let (mut connection, _) = listener.accept().unwrap();
            for answer in answers {
                requests.extend(request(&mut connection));
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
        std::fs::remove_file(path).unwrap();
        requests
    })
}

#[test]
fn calls_share_a_connection_until_the_server_closes_it() {
    let path = socket();
    let closes = answer("200 OK\r\nConnection: close", YES);
    let connections = vec![vec![answer("200 OK", YES), closes], vec![answer("200 OK", NO)]];
    let server = server(&path, connections);
    let mut client = client(&path);
    assert_eq!(client.call("supervisor.shutdown", &[]).unwrap(), Value::Bool(true));
    assert_eq!(client.call("a", &["x".into()]).unwrap(), Value::Bool(true));
    let error = client.call("b", &[]).unwrap_err();
    assert_eq!(error.to_string(), "BAD_NAME: x");
    let requests = server.join().unwrap();
    assert_eq!(requests.len(), 3);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(body.contains("<methodName>supervisor.shutdown</methodName>"), "{body}");
    let agent = format!("User-Agent: supervise-ctl/{}", env!("CARGO_PKG_VERSION"));
    let length = format!("Content-Length: {}", body.len());
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(
        lines,
        [
            "POST /RPC2 HTTP/1.1",
            "Host: localhost",
            &agent,
            "Accept: */*",
            "Authorization: Basic dTpwOsOk",
            "Content-Type: text/xml",
            &length,
        ]
    );
}

#[test]
fn a_connection_that_was_closed_without_a_word_is_made_anew() {
    let path = socket();
    let listener = UnixListener::bind(&path).unwrap();
    let (closed, wait) = channel();
    let server = thread::spawn(move || {
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().unwrap();
            request(&mut connection).unwrap();
            connection.write_all(answer("200 OK", YES).as_bytes()).unwrap();
            drop(connection);
            closed.send(()).unwrap();
        }
    });
    let mut client = client(&path);
    for _ in 0..2 {
        assert_eq!(client.call("a", &[]).unwrap(), Value::Bool(true));
        wait.recv().unwrap();
    }
    server.join().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn every_refusal_is_told_apart() {
    let path = socket();
    let missing = client(&path).call("a", &[]).unwrap_err();
    assert!(matches!(missing, CallError::NoSocket), "{missing:?}");
    std::fs::write(&path, "").unwrap();
    let refused = client(&path).call("a", &[]).unwrap_err();
    assert!(matches!(refused, CallError::Refused), "{refused:?}");
    std::fs::remove_file(&path).unwrap();
    for (text, error) in [
        (answer("401 Unauthorized", ""), "the server requires authentication"),
        (answer("500 Internal Server Error", "x"), "the server answered 500 Internal Server Error"),
        (String::new(), "the server closed the connection"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_owned(),
            "the server closed the connection",
        ),
    ] {
        let server = server(&path, vec![vec![text]]);
        let said = client(&path).call("a", &[]).unwrap_err();
        assert_eq!(said.to_string(), error);
        server.join().unwrap();
    }
    let server = server(&path, vec![vec![answer("200 OK", "<html>")]]);
    let said = client(&path).call("a", &[]).unwrap_err().to_string();
    assert!(said.starts_with("the answer cannot be understood: "), "{said}");
    server.join().unwrap();
}

#[test]
fn an_answer_without_end_comes_piece_by_piece() {
    let path = socket();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let log = format!("{head}3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    let server = server(&path, vec![vec![log], vec![answer("404 Not Found", "")]]);
    let mut client = client(&path);
    let mut follow = client.follow("/logtail/x/stdout").unwrap();
    let mut text = Vec::new();
    assert!(follow.fd().is_some(), "the head is still to come");
    while let Some(piece) = follow.read().unwrap() {
        text.extend(piece);
    }
    assert_eq!(text, b"onetwo");
    assert!(follow.fd().is_none(), "nothing more to wait for");
    let error = client.follow("/logtail/y/stdout").unwrap().read().unwrap_err();
    assert!(matches!(error, CallError::Status(404, _)), "{error:?}");
    let requests = server.join().unwrap();
    assert!(requests[0].starts_with("GET /logtail/x/stdout HTTP/1.1\r\n"), "{requests:?}");
}

#[test]
fn a_slow_answer_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (tell, told) = channel();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        request(&mut connection).unwrap();
        // Answers as soon as somebody has become impatient.
        told.recv().unwrap();
        connection.write_all(answer("200 OK", "x").as_bytes()).unwrap();
    });
    let mut wire = Wire::connect(&address).unwrap();
    wire.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut ticks = 0;
    let mut tick = || {
        ticks += 1;
        let _ = tell.send(());
    };
    let head = wire.head(&mut tick).unwrap();
    assert_eq!(wire.body(head.body, &mut || {}).unwrap(), b"x");
    assert!(ticks > 0);
    server.join().unwrap();
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let mut client = Client::new("http://u:secret@127.0.0.1:1", None, false).unwrap();
    assert_eq!(client.url(), "http://***@127.0.0.1:1");
    client.open("http://v:secret@127.0.0.1:2/").unwrap();
    assert_eq!(client.url(), "http://***@127.0.0.1:2/");
    let refused = client.open("https://v:secret@h").unwrap_err();
    assert!(!refused.contains("secret"), "{refused}");
}

#[test]
fn another_server_or_login_means_another_connection() {
    let (one, two) = (socket(), socket());
    let first = server(&one, vec![vec![answer("200 OK", YES)], vec![answer("200 OK", YES)]]);
    let second = server(&two, vec![vec![answer("200 OK", YES)]]);
    let mut client = client(&one);
    client.call("a", &[]).unwrap();
    client.login("v".to_owned(), "w".to_owned());
    client.call("b", &[]).unwrap();
    client.open(&format!("unix://{}", two.display())).unwrap();
    client.call("c", &[]).unwrap();
    assert!(client.url().ends_with(two.to_str().unwrap()));
    assert!(client.open("ftp://x").is_err());
    assert!(client.url().ends_with(two.to_str().unwrap()), "it stays where it is");
    let requests = first.join().unwrap();
    assert!(requests[1].contains("Authorization: Basic djp3\r\n"), "{requests:?}");
    assert_eq!(second.join().unwrap().len(), 1);
}
