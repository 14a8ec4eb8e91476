//! Scoreboards of other programs: never a panic; what is taken for a record or a slot is written
//! again as it was, and nothing but a letter that can be shown becomes a state.

use scoreboard::State;
use scoreboard::legacy::parallel::{self, Fault};
use scoreboard::legacy::prefork::{self, RECORD_SIZE};
use scoreboard::legacy::spare_workers::{self, SLOT_SIZE, Slot};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"\0\0\x12\x67\x65\x53\xf1\0\x02\0\x65\x53\xf1\x0a\x65\x53\xf1\x0b\x57\0",
    b"\0\0\x12\x67\x65\x53\xf1\0\xff\xff\0\0\0\0\x65\x53\xf1\x0b\x5f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
      \0\0\0\0\0\0",
    b"_4711          \nA4712          \n.              \n",
    b"A              \n_0             \n_04            \n_4294967296    \nW1   2          \n",
    b"\xd4\x1d\x8c\xd9\x8f\0\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e\0\0\0\0",
    b"\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61\0\0\0\x01a and the rest",
    b"\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61\xff\xff\xff\xff",
];

/// One input.
pub fn run(data: &[u8]) {
    prefork_board(data);
    spare_workers_board(data);
    parallel_record(data);
}

fn shown(state: State) {
    assert!(state.letter().is_ascii_graphic(), "{state:?}");
}

fn prefork_board(data: &[u8]) {
    let mut again = Vec::new();
    for record in prefork::parse(data) {
        shown(record.state());
        assert_eq!(record.is_free(), record.pid == 0);
        again.extend_from_slice(&record.to_bytes());
    }
    assert_eq!(again, data[..data.len() / RECORD_SIZE * RECORD_SIZE]);
}

fn spare_workers_board(data: &[u8]) {
    let slots: Vec<Slot> = spare_workers::parse(data).collect();
    assert_eq!(slots.len(), data.len() / SLOT_SIZE);
    for (slot, bytes) in slots.into_iter().zip(data.chunks(SLOT_SIZE)) {
        shown(slot.state());
        let free = bytes[1..] == *b"              \n";
        match slot {
            Slot::Worker { pid, letter } => {
                let written = format!("{pid:<14}\n");
                assert_eq!((letter, written.as_bytes()), (bytes[0], &bytes[1..]));
            }
            Slot::Free => assert!(free),
            Slot::Broken => {
                let text = String::from_utf8_lossy(&bytes[1..]);
                let pid: Option<u32> = text.trim_end().parse().ok();
                let written = pid.filter(|pid| *pid > 0).map(|pid| format!("{pid:<14}\n"));
                assert!(!free && written.as_deref() != Some(&text), "{text:?}");
            }
        }
    }
}

fn parallel_record(data: &[u8]) {
    match parallel::parse(data) {
        Ok(text) => assert!(data.starts_with(&parallel::encode(text))),
        Err(Fault::Short { needed }) => assert!(needed > data.len()),
        Err(Fault::Mismatch) => assert!(data.len() >= 20),
    }
    // As a text, any bytes go round; and no record is taken for whole when a byte has changed.
    let mut record = parallel::encode(data);
    assert_eq!(parallel::parse(&record), Ok(data));
    let needed = record.len();
    assert_eq!(parallel::parse(&record[..needed - 1]), Err(Fault::Short { needed }));
    let at = data.iter().fold(0, |sum, byte| sum + usize::from(*byte)) % needed;
    record[at] ^= 0x10;
    assert!(parallel::parse(&record).is_err(), "byte {at}");
}
