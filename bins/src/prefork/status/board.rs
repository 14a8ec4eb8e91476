//! The state of a pool from its scoreboard alone, and what the scoreboard adds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scoreboard::{Reader, SlotView, Snapshot, State};

use super::{ManagerStatus, Status, Totals, WorkerStatus};
use crate::prefork::machine::Stage;
use crate::prefork::view::{Activity, Source};

impl WorkerStatus {
    /// Adds what its slot of the scoreboard tells. A worker that does not keep its slot is left as it
    /// is.
    pub fn note(&mut self, slot: &SlotView<'_>) {
        let text = slot.text().map(|text| text.as_bytes()).filter(|text| !text.is_empty());
        if let Some(text) = text {
            self.text = Some(text.to_vec());
        }
        let Some(said) = kept(slot) else { return };
        self.said = Some(said.letter());
        self.last_beat = slot.last_beat();
        self.requests = Some(slot.requests());
        self.busy = Some(slot.busy());
        self.in_request = slot.in_request();
        self.bytes = Some(slot.bytes());
    }

    fn of_slot(slot: &SlotView<'_>) -> Option<Self> {
        let state = slot.state();
        let occupant = slot.worker();
        if occupant.is_none() && (!slot.is_valid() || state == State::FREE) {
            return None;
        }
        let mut worker = Self {
            slot: slot.number(),
            pid: occupant.and_then(|occupant| i32::try_from(occupant.pid).ok()),
            generation: occupant.map(|occupant| occupant.generation),
            age: occupant.map(|occupant| occupant.age),
            ..Self::default()
        };
        worker.note(slot);
        let Some(said) = kept(slot) else { return Some(worker) };
        worker.source = Source::Scoreboard;
        worker.activity = match said {
            said if said.is_idle() => Activity::Idle,
            said if said.is_busy() => Activity::Busy,
            _ => Activity::Unknown,
        };
        if matches!(state, State::GRACEFUL | State::TIMING_OUT) {
            worker.stage = Some(Stage::Draining);
        }
        Some(worker)
    }
}

/// What the worker says, if it ever did: a slot is handed to it with the letter `S`.
fn kept(slot: &SlotView<'_>) -> Option<State> {
    let never = [State::STARTING, State::FREE, State::UNKNOWN];
    slot.said_state().filter(|said| !never.contains(said))
}

impl Status {
    /// Adds to every worker what its slot tells.
    pub fn note(&mut self, board: &Snapshot) {
        for worker in &mut self.workers {
            if let Some(slot) = board.get(worker.slot) {
                worker.note(&slot);
            }
        }
    }

    /// What a scoreboard tells.
    #[must_use]
    pub fn of_board(reader: &Reader) -> Self {
        let board = reader.snapshot();
        let workers: Vec<WorkerStatus> =
            board.iter().filter_map(|slot| WorkerStatus::of_slot(&slot)).collect();
        let manager = reader.manager();
        let uptime = manager
            .map(|manager| Duration::from_nanos(board.taken().saturating_sub(manager.created)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut status = Self {
            manager: ManagerStatus {
                pid: manager.and_then(|manager| i32::try_from(manager.pid).ok()),
                started: uptime.map(|uptime| now.saturating_sub(uptime).as_secs()),
                uptime,
                generation: workers
                    .iter()
                    .filter_map(|worker| worker.generation)
                    .max()
                    .unwrap_or(0),
                gone: reader.is_stale(),
                ..ManagerStatus::default()
            },
            workers,
            ..Self::default()
        };
        status.count(&Totals::default());
        // Those of workers that have gone are not on the board: what is left would go up and down.
        status.pool.totals = None;
        status.pool.max_workers = reader.slots();
        status
    }
}
