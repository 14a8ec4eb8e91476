//! What people want: signals to the manager, and commands over the control socket.

use reaper::Moment;
use sigpolicy::Signal;

use super::start::count;
use super::stop::Level;
use super::{Action, Cause, Client, Command, Line, Machine, Phase, Worker};

impl Machine {
    pub(super) fn signal(&mut self, now: Moment, signal: Signal, out: &mut Vec<Action>) {
        let cause = Cause::Received(signal);
        let traps = &self.policy.conduct.traps;
        let trap = traps.iter().find(|trap| trap.received == signal).copied();
        let late = self.phase != Phase::Running;
        match (signal, trap) {
            (Signal::TERM, _) | (Signal::INT, None) => {
                self.ask_stop(now, cause, Level::Term, out);
            }
            (Signal::QUIT, None) => self.ask_stop(now, cause, Level::Quit, out),
            (Signal::USR1, None) => {
                out.push(Action::Log(Line::ReopeningLogs(signal)));
                out.push(Action::ReopenLogs);
            }
            // Of no interest in any state: a terminal's or a child's news.
            (Signal::WINCH | Signal::CHLD | Signal::CONT | Signal::PIPE, None) => {}
            _ if late => {
                if self.stopping() {
                    out.push(Action::Log(Line::WhileStopping(signal)));
                }
            }
            (_, Some(trap)) => self.trapped(now, trap, out),
            (Signal::HUP, None) => self.ask_reload(now, cause, None, out),
            (Signal::TTIN, None) => self.adjust(cause, 1, None, out),
            (Signal::TTOU, None) => self.adjust(cause, -1, None, out),
            (_, None) => out.push(Action::Log(Line::Meaningless(signal))),
        }
    }

    pub(super) fn command(
        &mut self,
        now: Moment,
        client: Client,
        command: Command,
        out: &mut Vec<Action>,
    ) {
        match (self.phase, command) {
            (Phase::Fresh, Command::Stop)
            | (Phase::Running | Phase::Preparing(_) | Phase::Stopping, Command::Stop) => {
                out.push(Action::Report(client, Ok("stopping".to_owned())));
                self.ask_stop(now, Cause::Asked, Level::Term, out);
            }
            (Phase::Fresh, _) => {
                out.push(Action::Report(client, Err("the pool has not begun yet".to_owned())));
            }
            (Phase::Preparing(_) | Phase::Stopping | Phase::Ended, _) => {
                out.push(Action::Report(client, Err("the pool is stopping".to_owned())));
            }
            (Phase::Running, Command::Reload) => {
                self.ask_reload(now, Cause::Asked, Some(client), out);
            }
            (Phase::Running, Command::Add(n)) => {
                self.adjust(Cause::Asked, i64::from(n), Some(client), out);
            }
            (Phase::Running, Command::Remove(n)) => {
                let by = i64::from(n).saturating_neg();
                self.adjust(Cause::Asked, by, Some(client), out);
            }
            (Phase::Running, Command::Signal(signal)) => {
                self.pass_to_all(now, client, signal, out);
            }
        }
    }

    fn adjust(&mut self, cause: Cause, by: i64, client: Option<Client>, out: &mut Vec<Action>) {
        let answer = self.pool.adjust(by);
        out.push(Action::Log(match &answer {
            Ok(size) => Line::Adjusted(cause, *size),
            Err(reason) => Line::NotAdjusted(cause, reason.clone()),
        }));
        let answer = answer.map(|size| size.to_string());
        out.extend(client.map(|client| Action::Report(client, answer)));
        self.dirty = true;
    }

    fn pass_to_all(&mut self, now: Moment, client: Client, signal: Signal, out: &mut Vec<Action>) {
        let ids = self.by_pid(Worker::stays);
        let count = count(ids.len());
        if self.asks_to_leave(signal) {
            self.abort_reload(now, format!("{signal} was sent to all workers"), out);
        }
        for id in ids {
            self.pass(now, id, signal, out);
        }
        out.push(Action::Log(Line::Signalled(signal, count)));
        out.push(Action::Report(client, Ok(count.to_string())));
    }
}
