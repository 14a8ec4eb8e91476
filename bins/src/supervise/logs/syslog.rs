//! The system's log: a datagram for each line, and no wait for anybody.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::SystemTime;

use super::{Trouble, clock};
use crate::supervise::config::model::Level;

/// LOG_USER and LOG_INFO, as supervisord sends everything.
const PRIORITY: u8 = 14;
/// A longer line is sent in pieces; what syslog daemons take is 8 KiB at least.
const LONGEST: usize = 8000;

/// The log under its usual name.
pub(super) const SOCKET: &str = "/dev/log";

#[derive(Debug)]
pub(super) struct Syslog {
    /// Not connected: each line finds the daemon that listens then.
    socket: Option<UnixDatagram>,
    path: Box<Path>,
    /// `supervisord: cat `: what stands before each line.
    head: Box<str>,
    unfinished: Vec<u8>,
    lost: u64,
}

impl Syslog {
    pub(super) fn new(path: &Path, ident: &str, name: &str) -> Self {
        let blank = if name.is_empty() { "" } else { " " };
        let head = format!("{ident}: {name}{blank}").into();
        Self { socket: None, path: path.into(), head, unfinished: Vec::new(), lost: 0 }
    }

    /// Sends the lines that are complete now.
    pub(super) fn write(&mut self, bytes: &[u8], now: SystemTime) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            for part in text.unwrap_or(piece).chunks(LONGEST) {
                if self.unfinished.len().saturating_add(part.len()) > LONGEST {
                    troubles.extend(self.end(now));
                }
                self.unfinished.extend_from_slice(part);
            }
            if text.is_some() {
                troubles.extend(self.end(now));
            }
        }
        troubles
    }

    /// Sends the unfinished line. An empty one says nothing and is not sent.
    pub(super) fn end(&mut self, now: SystemTime) -> Option<Trouble> {
        let line = std::mem::take(&mut self.unfinished);
        if line.is_empty() {
            return None;
        }
        match self.send(&line, now) {
            Ok(()) if self.lost > 0 => {
                let lost = std::mem::take(&mut self.lost);
                let name = self.path.display();
                let text = format!("{name} takes lines again, {lost} were lost");
                Some(Trouble::new(Level::Info, text))
            }
            Ok(()) => None,
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                let text = format!("could not write to {}: {error}", self.path.display());
                (self.lost == 1).then(|| Trouble::new(Level::Error, text))
            }
        }
    }

    fn send(&mut self, line: &[u8], now: SystemTime) -> std::io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket
            }
        };
        let mut packet = Vec::with_capacity(line.len().saturating_add(80));
        let time = clock::local(now).syslog();
        write!(packet, "<{PRIORITY}>{time} {}", self.head)?;
        packet.extend_from_slice(line);
        let sent = socket.send_to(&packet, &*self.path);
        self.socket = Some(socket);
        sent.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    fn received(socket: &UnixDatagram) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = vec![0; 65536];
        while let Ok(count) = socket.recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        }
        lines
    }

    fn listen(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    #[test]
    fn each_line_is_a_datagram() {
        let dir = Dir::new();
        let server = listen(&dir.path("log"));
        let mut log = Syslog::new(&dir.path("log"), "supervisord", "cat");
        let now = SystemTime::UNIX_EPOCH;
        let head = format!("<14>{} supervisord: cat ", clock::local(now).syslog());
        assert_eq!(log.write(b"one\n\ntw", now), []);
        assert_eq!(log.write(b"o\nrest", now), []);
        assert_eq!(received(&server), [format!("{head}one"), format!("{head}two")]);
        assert_eq!(log.end(now), None);
        assert_eq!(received(&server), [format!("{head}rest")]);

        let long = [vec![b'x'; LONGEST], vec![b'y'; 10], b"\n".to_vec()].concat();
        assert_eq!(log.write(&long, now), []);
        let lengths: Vec<_> =
            received(&server).iter().map(|line| line.len() - head.len()).collect();
        assert_eq!(lengths, [LONGEST, 10]);
    }

    #[test]
    fn a_daemon_that_is_away_or_does_not_read_loses_its_lines_only() {
        let dir = Dir::new();
        let mut log = Syslog::new(&dir.path("log"), "supervisord", "");
        let now = SystemTime::UNIX_EPOCH;
        let first = log.write(b"a\nb\n", now);
        assert_eq!(first.len(), 1, "said once: {first:?}");
        assert_eq!(first[0].level(), Level::Error);
        assert!(first[0].to_string().contains("No such file"), "{}", first[0]);

        let server = listen(&dir.path("log"));
        let again = log.write(b"c\n", now);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].level(), Level::Info);
        assert!(again[0].to_string().ends_with("takes lines again, 2 were lost"), "{}", again[0]);
        assert!(received(&server)[0].ends_with(" supervisord: c"));

        drop(server);
        assert_eq!(log.write(b"d\n", now).len(), 1, "refused");
        std::fs::remove_file(dir.path("log")).unwrap();
        let server = listen(&dir.path("log"));
        assert_eq!(log.write(b"e\n", now).len(), 1, "another daemon under the name");
        assert_eq!(received(&server).len(), 1);

        // More than the queue of the socket takes.
        let mut full = Vec::new();
        while full.is_empty() {
            full = log.write(b"full\n", now);
        }
        assert_eq!(log.write(b"still\nfull\n", now), [], "said once: {full:?}");
        assert!(!received(&server).is_empty());
        assert_eq!(log.write(b"f\n", now).len(), 1, "there is room again");
    }
}
