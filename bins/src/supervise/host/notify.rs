//! What programs say of themselves: a newline on `ready_fd`, datagrams on NOTIFY_SOCKET.

use reaper::Key;
use rustix::io::Errno;

use super::Host;
use crate::supervise::config::model::Level;
use crate::supervise::machine::types::{Input, ProcId};

/// Datagrams read from one program before others get their turn.
const AT_ONCE: usize = 16;

impl Host {
    /// A newline means ready, as s6 has it; the end of the pipe without one means nothing.
    pub(super) fn hear_ready(&mut self, id: ProcId, key: Key) {
        let mut buffer = [0_u8; 256];
        let Some(fd) = self.events.fd(key) else { return };
        let ready = match rustix::io::read(fd, &mut buffer) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(0) | Err(_) => false,
            Ok(count) if buffer.iter().take(count).any(|byte| *byte == b'\n') => true,
            Ok(_) => return,
        };
        self.forget(key);
        if let Some(run) = self.processes.get_mut(&id).and_then(|process| process.run.as_mut()) {
            run.ready = None;
        }
        if ready {
            self.feed(Input::Ready(id));
        } else {
            let name = self.name(id);
            self.line(Level::Warn, format!("{name} closed its ready_fd without a newline"));
        }
    }

    pub(super) fn hear_notify(&mut self, id: ProcId) {
        for _ in 0..AT_ONCE {
            let Some(run) = self.processes.get(&id).and_then(|process| process.run.as_ref()) else {
                return;
            };
            let Some((_, receiver)) = &run.notify else { return };
            let message = match receiver.recv() {
                Ok(Some((message, sender))) if self.trusts(id, sender.uid) => message,
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => return,
            };
            let name = self.name(id);
            if let Some(status) = &message.status {
                self.line(Level::Debug, format!("{name} says: {status}"));
            }
            if message.ready {
                self.feed(Input::Ready(id));
            }
            if message.watchdog {
                self.feed(Input::Alive(id));
            }
            if message.watchdog_trigger {
                self.line(Level::Warn, format!("{name} says that it is stuck"));
                self.feed(Input::Unhealthy(id));
            }
        }
    }

    /// Anybody can send to the socket: only the program's user, ours and root are believed.
    fn trusts(&self, id: ProcId, uid: u32) -> bool {
        let user = self.processes.get(&id).and_then(|process| process.spec.process.uid);
        uid == 0 || uid == rustix::process::geteuid().as_raw() || user == Some(uid)
    }
}
