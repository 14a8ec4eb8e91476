//! A manager whose disk fails.

use std::fs::OpenOptions;

use super::*;
use crate::file::Positioned;
use crate::{ErrorKind, Shape};

/// Every write to it is ENOSPC.
fn full() -> Store {
    let file = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    Store::File(Arc::new(Positioned::new(file.into())))
}

#[test]
fn a_write_that_fails_is_told() {
    let name = format!("scoreboard-full-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut board = Board::create_file(&path, Shape::new(2)).unwrap();
    board.prepare(1).unwrap();
    let (facts, slots) = (board.facts.clone(), board.files[0].store.clone());
    let line =
        |file: &str| format!("{}{file}: No space left on device (os error 28)", path.display());
    board.facts = full();
    for result in [
        board.prepare(0),
        board.occupy(0, &Occupant::new(1)),
        board.force(0, Some(State::PARKED)),
        board.release(0),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::System, line("")));
    }
    board.facts = facts;
    board.files[0].store = full();
    for result in [board.prepare(0), board.order(0, Order::Leave), board.release(0)] {
        assert_eq!(result.unwrap_err().to_string(), line(".slots"));
    }
    board.files[0].store = slots;
    board.prepare(0).unwrap();
    board.release(0).unwrap();
}
