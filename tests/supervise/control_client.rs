//! A client of the control sockets that sends any bytes, and what helps with its answers.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::harness::{Config, Supervisor};
use crate::sandbox::{DEADLINE, eventually};

/// The name of the unix socket in its sandbox.
pub const SOCKET: &str = "sup.sock";
/// The section of that socket.
pub const SERVER: &str = "[unix_http_server]\nfile=%(here)s/sup.sock\n[rpcinterface:supervisor]\n\
    supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface";

/// What carries the bytes.
pub trait Connection: Read + Write + Send {
    fn patience(&self, limit: Duration);
    fn shut(&self);
    fn second(&self) -> Box<dyn Connection>;
}

impl Connection for UnixStream {
    fn patience(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
        self.set_write_timeout(Some(limit)).unwrap();
    }

    fn shut(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }

    fn second(&self) -> Box<dyn Connection> {
        Box::new(self.try_clone().unwrap())
    }
}

impl Connection for TcpStream {
    fn patience(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
        self.set_write_timeout(Some(limit)).unwrap();
    }

    fn shut(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }

    fn second(&self) -> Box<dyn Connection> {
        Box::new(self.try_clone().unwrap())
    }
}

/// One connection.
pub struct Http {
    stream: Box<dyn Connection>,
    buffer: Vec<u8>,
    /// How many have come.
    answers: usize,
    /// A line of a header, with its end, for each request of [`Http::call`].
    pub extra: String,
}

/// What came for a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// `<string>` as a parameter.
pub fn string(text: &str) -> String {
    format!("<string>{text}</string>")
}

/// `<boolean>` as a parameter.
pub fn boolean(value: bool) -> String {
    format!("<boolean>{}</boolean>", u8::from(value))
}

/// The request for a method, as xmlrpc.client sends it.
pub fn request(method: &str, parameters: &[String], extra: &str) -> Vec<u8> {
    let mut body = format!(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n"
    );
    for parameter in parameters {
        writeln!(body, "<param>\n<value>{parameter}</value>\n</param>").unwrap();
    }
    body.push_str("</params>\n</methodCall>\n");
    let length = body.len();
    let head = "Host: localhost\r\nUser-Agent: Python-xmlrpc/3.11\r\nContent-Type: text/xml\r\n";
    format!("POST /RPC2 HTTP/1.1\r\n{head}{extra}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

impl Http {
    fn new(stream: impl Connection + 'static) -> Self {
        stream.patience(DEADLINE);
        Self { stream: Box::new(stream), buffer: Vec::new(), answers: 0, extra: String::new() }
    }

    pub fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self::new(UnixStream::connect(path)?))
    }

    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address)?))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The same connection, for another thread that sends.
    pub fn sender(&self) -> Box<dyn Connection> {
        self.stream.second()
    }

    /// Says that nothing more will be sent.
    pub fn shut(&self) {
        self.stream.shut();
    }

    /// Sends a request without a body.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        let extra = &self.extra;
        let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n");
        self.send(text.as_bytes()).unwrap();
        self.answer().unwrap_or_else(|| panic!("no answer to GET {target}"))
    }

    /// Calls a method and waits for its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &[String]) -> Answer {
        self.begin(method, parameters);
        self.answer().unwrap_or_else(|| panic!("no answer to {method}{parameters:?}"))
    }

    /// Calls a method.
    pub fn begin(&mut self, method: &str, parameters: &[String]) {
        self.send(&request(method, parameters, &self.extra)).unwrap();
    }

    /// Reads more; false: nothing more comes.
    #[track_caller]
    fn more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 1 << 16];
        let count = match self.stream.read(&mut bytes) {
            // It had more to say than was listened to.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let buffer = String::from_utf8_lossy(&self.buffer);
                panic!(
                    "nothing came for {DEADLINE:?} after {} answers and {buffer:?}",
                    self.answers
                );
            }
            other => other?,
        };
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }

    /// Bytes up to and with this, or `None` if the connection ends before.
    #[track_caller]
    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.more().unwrap() {
                return None;
            }
        }
    }

    #[track_caller]
    fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.more().unwrap(), "the body ends early: {:?}", self.buffer);
        }
        self.buffer.drain(..count).collect()
    }

    /// The head of the next answer; `None`: the connection was closed instead.
    #[track_caller]
    pub fn head(&mut self) -> Option<(u16, String)> {
        let head = String::from_utf8(self.until(b"\r\n\r\n")?).unwrap();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Some((status.unwrap_or_else(|| panic!("{head:?}")), head))
    }

    /// The next answer; `None`: the connection was closed instead.
    #[track_caller]
    pub fn answer(&mut self) -> Option<Answer> {
        let (status, head) = self.head()?;
        let mut answer = Answer { status, head, body: Vec::new() };
        if answer.status == 100 {
            return self.answer();
        }
        answer.body = match answer.header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()),
            None if answer.header("transfer-encoding").is_some() => {
                std::iter::from_fn(|| self.chunk()).flatten().collect()
            }
            None => {
                while self.more().unwrap() {}
                std::mem::take(&mut self.buffer)
            }
        };
        self.answers += 1;
        Some(answer)
    }

    /// The next piece of a chunked body; `None`: its end, or that of the connection.
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n")?).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("{size:?}"));
        let bytes = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n");
        (size > 0).then_some(bytes)
    }

    /// Whether the other side has closed the connection; waits for that.
    #[track_caller]
    pub fn closed(&mut self) -> bool {
        while self.more().unwrap() {}
        self.buffer.is_empty()
    }

    /// Asks for a log and takes the head of the answer.
    pub fn follow(&mut self, target: &str) {
        // As supervisorctl asks, with an empty line too many.
        let head = "Host: \r\nAccept-Encoding: chunked\r\nAccept: */*\r\n";
        self.send(format!("GET {target} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).unwrap();
        let (status, head) = self.head().unwrap();
        assert_eq!(status, 200, "{head}");
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().skip(1).find(named)?;
        Some(line.split_once(':')?.1.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer is UTF-8")
    }

    /// The text between the tags: `faultCode 70 faultString NOT_RUNNING: x`.
    pub fn words(&self) -> String {
        let text = self.text();
        let body = text.split_once("?>").map_or(text.as_str(), |(_, body)| body);
        let parts = body.split('<').filter_map(|part| part.split_once('>'));
        let texts = parts.map(|(_, text)| text.trim()).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(" ")
    }

    /// The text that follows the name of a member.
    pub fn member(&self, name: &str) -> String {
        let text = self.text();
        let (_, rest) = text
            .split_once(&format!("<name>{name}</name>"))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        let value = rest.split("</member>").next().unwrap_or_default();
        let parts = value.split('<').filter_map(|part| part.split_once('>'));
        parts.map(|(_, text)| text.trim()).collect::<String>()
    }

    /// Asserts that a method answered with this.
    pub fn says(&self, words: &str) {
        assert_eq!(self.status, 200, "{}{}", self.head, self.text());
        assert_eq!(self.words(), words);
    }

    /// Asserts that a method failed with this.
    pub fn fails(&self, code: u32, text: &str) {
        self.says(&format!("faultCode {code} faultString {text}"));
    }
}

impl Config<'_> {
    /// With a unix socket in the sandbox.
    pub fn control(self) -> Self {
        self.section(SERVER)
    }
}

impl Supervisor<'_> {
    /// A new connection to the unix socket, when it is there.
    pub fn http(&self) -> Http {
        let path = self.sandbox.path(SOCKET);
        eventually("a connection", || Http::unix(&path).ok())
    }

    /// A method that is called on a connection of its own.
    pub fn call(&self, method: &str, parameters: &[&str]) -> Answer {
        let parameters: Vec<String> = parameters.iter().map(|text| string(text)).collect();
        self.http().call(method, &parameters)
    }

    /// What is known of a process.
    pub fn asked(&self, name: &str, member: &str) -> String {
        self.call("supervisor.getProcessInfo", &[name]).member(member)
    }

    /// Waits until a process is in this state.
    pub fn becomes(&self, name: &str, state: &str) {
        let mut http = self.http();
        eventually(&format!("{name} is {state}"), || {
            let info = http.call("supervisor.getProcessInfo", &[string(name)]);
            (info.member("statename") == state).then_some(())
        });
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// How many of them are sockets.
    pub fn sockets(&self) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Its memory in KiB.
    pub fn memory(&self) -> u64 {
        let field = super::harness::status_field(self.pid(), "VmRSS");
        field.split(' ').next().and_then(|number| number.parse().ok()).unwrap()
    }
}
