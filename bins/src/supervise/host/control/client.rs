//! One connection: what it is at, what waits to be sent, and when its patience ends.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use reaper::{Interest, Moment};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::doors::Entrance;
use super::follow::Follow;
use crate::supervise::http::{Limits, Manner, Parser, Response, Stream};
use crate::supervise::methods::{Caller, Waiting};

/// How long a request may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may be silent between two requests.
const SILENCE: Duration = Duration::from_secs(300);
/// How long what a refused client still sends is taken, so that it sees why it was refused.
const LINGER: Duration = Duration::from_secs(2);
/// How long a follower may take nothing of what there is.
const STALL: Duration = Duration::from_secs(600);
/// What may wait to be sent before no more is read, of requests or of a log.
pub(super) const ENOUGH: usize = 256 << 10;
/// What a client may send on while its request is being answered.
pub(super) const AHEAD: usize = 64 << 10;

/// One connection.
pub(super) struct Client {
    pub(super) entrance: Rc<Entrance>,
    pub(super) parser: Parser,
    pub(super) caller: Caller,
    unsent: Vec<u8>,
    sent: usize,
    pub(super) doing: Doing,
    /// It ends when everything has been sent.
    pub(super) closing: bool,
    /// It has said all that it had to say.
    pub(super) ended: bool,
    /// It has no whole request any more; before that is so, no more is read.
    pub(super) drained: bool,
    pub(super) interest: Interest,
    /// When it last began, ended or took something.
    pub(super) since: Moment,
}

/// What a connection is at.
pub(super) enum Doing {
    /// It reads requests.
    Nothing,
    /// A method has not answered yet.
    Waiting(Box<Waiting>, Manner),
    /// It is sent a log.
    Following(Follow, Stream),
    /// It has been told no; so much of what it sends is thrown away.
    Lingering(usize),
}

impl Client {
    pub(super) fn new(entrance: Rc<Entrance>, since: Moment) -> Self {
        Self {
            entrance,
            parser: Parser::new(Limits::default()),
            caller: Caller::default(),
            unsent: Vec::new(),
            sent: 0,
            doing: Doing::Nothing,
            closing: false,
            ended: false,
            drained: true,
            interest: Interest::Read,
            since,
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let patience = match self.doing {
            Doing::Waiting(..) => return None,
            Doing::Following(..) if self.is_sent() => return None,
            Doing::Following(..) => STALL,
            Doing::Lingering(_) => LINGER,
            Doing::Nothing if self.is_sent() && self.parser.is_idle() => SILENCE,
            Doing::Nothing => PATIENCE,
        };
        Some(self.since.saturating_add(patience))
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent >= self.unsent.len()
    }

    pub(super) fn left(&self) -> usize {
        self.unsent.len().saturating_sub(self.sent)
    }

    /// Appends more of a log: its patience begins with the first that it does not take.
    pub(super) fn queue_log(&mut self, bytes: &[u8], now: Moment) {
        if self.is_sent() {
            self.since = now;
        }
        self.queue(bytes);
    }

    /// Appends what is to be sent.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        self.unsent.drain(..self.sent.min(self.unsent.len()));
        self.sent = 0;
        self.unsent.extend_from_slice(bytes);
    }

    /// The whole answer to a request.
    pub(super) fn answer(&mut self, response: &Response, manner: Manner) {
        self.queue(&response.bytes(manner));
        self.closing |= !manner.keep;
    }

    /// The answer comes later.
    pub(super) fn wait_for(&mut self, waiting: Waiting, manner: Manner) {
        self.doing = Doing::Waiting(Box::new(waiting), manner);
    }

    /// The answer is a log without an end.
    pub(super) fn follow(&mut self, follow: Follow, stream: Stream) {
        self.doing = Doing::Following(follow, stream);
    }

    /// Sends what waits, as far as it goes; false: the client has gone.
    pub(super) fn flush(&mut self, fd: impl AsFd, now: Moment) -> bool {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while let Some(rest) = self.unsent.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match send(fd.as_fd(), rest, flags) {
                Ok(count) => {
                    self.sent = self.sent.saturating_add(count);
                    self.since = now;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        if self.unsent.capacity() > AHEAD {
            self.unsent = Vec::new();
        } else {
            self.unsent.clear();
        }
        self.sent = 0;
        true
    }

    /// Whether a request of it can be answered now.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.doing, Doing::Nothing) && !self.closing && self.left() < ENOUGH
    }

    /// What to be woken for; `unsent` if anything waits for room, or did until now.
    pub(super) fn wants(&self, unsent: bool) -> Interest {
        let reads = match self.doing {
            Doing::Nothing => self.drained && !self.ended && self.is_free(),
            Doing::Waiting(..) | Doing::Following(..) | Doing::Lingering(_) => true,
        };
        match (reads, unsent) {
            (true, false) => Interest::Read,
            (true, true) => Interest::Both,
            (false, _) => Interest::Write,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    fn at(seconds: u64) -> Moment {
        Moment::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    /// Its patience is for what a follower does not take, not for how long it has followed.
    #[test]
    fn a_follower_has_time_from_when_it_falls_behind() {
        let (dir, manner) = (Dir::new(), Manner::LAST);
        let log = dir.path("log");
        std::fs::write(&log, "").unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let entrance = Rc::new(Entrance { login: None, tcp: false });
        let mut client = Client::new(entrance, at(1));
        let (stream, head) = Stream::begin("text/plain", manner);
        client.queue(&head);
        client.follow(Follow::open(&log).unwrap(), stream);
        assert!(client.flush(&ours, at(1)) && client.is_sent());
        assert_eq!(client.deadline(), None, "there is nothing to take");
        // After hours of that, more than it takes at once.
        let burst = vec![b'x'; 16 << 20];
        client.queue_log(&burst, at(9000));
        assert_eq!(client.deadline(), Some(at(9600)));
        assert!(client.flush(&ours, at(9001)) && !client.is_sent());
        assert_eq!(client.deadline(), Some(at(9601)), "it has taken some");
        client.queue_log(b"more", at(9300));
        assert!(client.flush(&ours, at(9300)));
        assert_eq!(client.deadline(), Some(at(9601)), "and nothing since");
        let mut buffer = vec![0; 1 << 20];
        let mut come = 0;
        let all = head.len() + burst.len() + "more".len();
        while come < all {
            come += theirs.read(&mut buffer).unwrap();
            assert!(client.flush(&ours, at(9400)));
        }
        assert_eq!(client.deadline(), None);
    }
}
