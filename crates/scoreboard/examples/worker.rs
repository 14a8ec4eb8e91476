//! A worker with a slot: serves each line of standard input, and tells the board about it.
//!
//! Started by a manager that sets `SCOREBOARD_FD` and `SCOREBOARD_SLOT`; by itself it works as well,
//! and nobody sees what it does.

use std::error::Error;
use std::io::{self, BufRead, Write};

use scoreboard::{Order, State, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut slot = Writer::from_env()?;
    if let Some(slot) = &mut slot {
        slot.set(State::IDLE);
    }
    for request in io::stdin().lock().lines() {
        let request = request?;
        if let Some(slot) = &mut slot {
            slot.begin(State::WRITING);
            slot.text(&request);
        }
        let reply = request.to_uppercase();
        writeln!(io::stdout(), "{reply}")?;
        if let Some(slot) = &mut slot {
            slot.add_bytes(reply.len() as u64);
            slot.end();
            if slot.order() == Order::Leave {
                break;
            }
        }
    }
    Ok(())
}
