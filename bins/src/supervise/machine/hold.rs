//! What was stopped by hand in a former run.

use super::Machine;
use super::types::ProcId;

impl Machine {
    /// Takes the process for one that was stopped by an order: it does not start by itself. To be
    /// told before [`Input::Begin`](super::types::Input::Begin).
    pub fn hold(&mut self, id: ProcId) {
        self.with(id, |process| process.by_hand = true);
    }
}
