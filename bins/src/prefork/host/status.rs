//! What a client that asks for the status is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reaper::Pid;
use scoreboard::State as Letter;

use super::Host;
use crate::prefork::status::{ListenerStatus, ManagerStatus, PoolStatus, Status, WorkerStatus};

impl Host {
    pub(super) fn status(&mut self) -> Status {
        let view = self.see(false);
        let summary = self.machine.summary();
        let rules = self.machine.rules();
        let now = self.events.now();
        let uptime = now.saturating_since(self.state.begun);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let words = std::iter::once(&self.config.program).chain(&self.config.args);
        let command: Vec<String> = words
            .map(|word| word.to_string_lossy().into_owned())
            .filter(|w| !w.is_empty())
            .collect();
        let mut status = Status {
            manager: ManagerStatus {
                pid: Some(Pid::own().as_raw()),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                title: self.config.title.clone(),
                started: Some(clock.saturating_sub(uptime).as_secs()),
                uptime: Some(uptime),
                generation: summary.generation,
                reloading: summary.reloading,
                stopping: summary.stopping,
                gone: false,
                command: Some(command.join(" ")).filter(|command| !command.is_empty()),
            },
            pool: PoolStatus {
                rule: rules.text(),
                max_workers: rules.max_workers,
                pressure: view.pressure,
                ..PoolStatus::default()
            },
            ..Status::default()
        };
        status.pool.note(&summary);
        let queues = self.observer.queues(&self.sockets);
        let listeners = self.sockets.infos().zip(queues);
        status.listeners = listeners
            .map(|(info, queue)| ListenerStatus {
                name: info.name.to_string_lossy().into_owned(),
                address: info.address.to_string(),
                fd: info.fd,
                kind: info.kind.to_string(),
                queue: queue.map(|(waiting, _)| waiting),
                queue_limit: queue.map(|(_, limit)| limit),
            })
            .collect();
        status.workers = summary
            .members
            .iter()
            .map(|member| {
                let age = now.saturating_since(member.since);
                let mut worker = WorkerStatus::new(member, age, Some(&view));
                let process = self.state.workers.get(&member.id);
                worker.text = process
                    .and_then(|process| process.text.as_ref())
                    .map(|text| text.clone().into_bytes());
                worker
            })
            .collect();
        if let Some((_, reader)) = &self.board {
            status.note(&reader.snapshot());
        }
        status.count(&self.state.gone);
        status
    }

    /// Before a slot is given to another worker: the requests of the one that has gone, if it kept
    /// its slot.
    pub(super) fn count_gone(&mut self, slot: u32) -> Option<u64> {
        let (_, reader) = self.board.as_ref()?;
        let gone = &mut self.state.gone;
        let mut requests = None;
        reader.each_state(&mut |view| {
            if view.number() == slot {
                gone.add(view.requests(), view.bytes(), view.busy());
                let silent = [Letter::STARTING, Letter::FREE, Letter::UNKNOWN];
                let said = view.said_state().filter(|said| !silent.contains(said));
                requests = said.map(|_| view.requests());
            }
        });
        requests
    }
}
