//! A reload: how it begins, when it is over, and who hears of it.

use reaper::Moment;

use super::{Action, Cause, Client, Id, Line, Machine, Notice, Phase, Reload, Worker};

/// Failures of new workers in a row after which a reload keeps the rest of the old ones.
pub(super) const ATTEMPTS: u32 = 3;

/// A reload under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) way: Reload,
    /// Workers with lower numbers are the old ones.
    pub(super) mark: Id,
    pub(super) clients: Vec<Client>,
    /// A new worker has come up.
    pub(super) proven: bool,
    /// New workers in a row that have not.
    pub(super) failures: u32,
    /// Those that were asked for before then belong to the last failure.
    pub(super) failed_at: Moment,
    /// No seat before then for one that is ready by its silence alone.
    pub(super) pace_until: Option<Moment>,
    /// The interval between one worker and the next.
    pub(super) pause_until: Moment,
    /// New workers that `replace` waits for.
    pub(super) need: u32,
}

impl Machine {
    pub(super) fn ask_reload(
        &mut self,
        now: Moment,
        cause: Cause,
        client: Option<Client>,
        out: &mut Vec<Action>,
    ) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(run) = &mut self.reload else {
            self.begin_reload(now, cause, client.into_iter().collect(), out);
            return;
        };
        if run.way == Reload::All && self.young > 0 && self.serving() == 0 {
            // The new ones do not come up; whoever asks again has mended something.
            let mut clients = self.reload.take().map(|run| run.clients).unwrap_or_default();
            clients.extend(client);
            self.begin_reload(now, cause, clients, out);
            return;
        }
        if self.pending.is_none() {
            out.push(Action::Log(Line::ReloadPending(cause)));
        }
        self.pending.get_or_insert_default().extend(client);
    }

    fn begin_reload(
        &mut self,
        now: Moment,
        cause: Cause,
        clients: Vec<Client>,
        out: &mut Vec<Action>,
    ) {
        let way = self.policy.conduct.reload;
        out.push(Action::Log(Line::Reloading(cause, way)));
        self.generation = self.generation.saturating_add(1);
        self.end_row();
        self.refused = 0;
        self.resting.clear();
        self.told_errors.clear();
        self.error_until = Moment::ZERO;
        self.dirty = true;
        if self.announced {
            let text = format!("reloading, generation {} follows", self.generation);
            out.push(Action::Notify(Notice::Reloading(text)));
        }
        self.reload = Some(Run {
            way,
            mark: self.next_id,
            clients,
            proven: false,
            failures: 0,
            failed_at: now,
            pace_until: None,
            pause_until: now,
            need: self.members(),
        });
        if way == Reload::All {
            self.accepted = self.generation;
            self.told_before = self.next_id;
            for id in self.by_pid(Worker::stays) {
                self.tell(now, id, out);
            }
            self.first = 0;
            self.pool.restart();
        }
    }

    pub(super) fn advance_reload(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(run) = &self.reload else { return };
        let mark = run.mark;
        match run.way {
            Reload::All => {
                let new = |(id, worker): (&Id, &Worker)| *id >= mark && worker.serves();
                if self.pool.target() == 0 || self.workers.iter().any(new) {
                    self.end_reload(now, out);
                } else if self.pending.is_some() && self.young > 0 && self.serving() == 0 {
                    let text = "the new workers do not come up".to_owned();
                    self.abort_reload(now, text, out);
                }
            }
            Reload::Rolling => self.roll(now, out),
            Reload::Replace => self.replace(now, out),
        }
    }

    /// The new ones are in place; those of before leave.
    pub(super) fn end_reload(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(run) = self.reload.take() else { return };
        self.accepted = self.generation;
        let generation = self.generation;
        let waiting = run.clients.into_iter().map(|client| (client, run.mark, generation));
        self.leaving.extend(waiting);
        out.push(Action::Log(Line::Reloaded(generation)));
        self.after_reload(now, out);
    }

    /// The old ones that are left stay.
    pub(super) fn abort_reload(&mut self, now: Moment, reason: String, out: &mut Vec<Action>) {
        let Some(run) = self.reload.take() else { return };
        let joiners = self.workers.iter().filter(|(_, worker)| worker.joiner && worker.stays());
        let joiners: Vec<Id> = joiners.map(|(id, _)| *id).collect();
        for id in joiners {
            self.retire(now, id, out);
        }
        out.push(Action::Log(Line::ReloadAborted(reason.clone())));
        for client in run.clients {
            out.push(Action::Report(client, Err(reason.clone())));
        }
        self.after_reload(now, out);
    }

    fn after_reload(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.dirty = true;
        if self.announced {
            out.push(Action::Notify(Notice::Ready(self.status_text())));
        }
        if let Some(clients) = self.pending.take() {
            self.begin_reload(now, Cause::Remembered, clients, out);
        }
    }

    /// Tells those who asked for a reload when the last of its old workers has left.
    pub(super) fn report_left(&mut self, out: &mut Vec<Action>) {
        if self.leaving.is_empty() {
            return;
        }
        let living = self.workers.keys().copied().chain(self.asked.iter().map(|asked| asked.id));
        let oldest = living.min().unwrap_or(Id::MAX);
        self.leaving.retain(|(client, mark, generation)| {
            let over = oldest >= *mark;
            if over {
                out.push(Action::Report(*client, Ok(format!("generation {generation} serves"))));
            }
            !over
        });
    }
}
