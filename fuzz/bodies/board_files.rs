//! Boards and slots files whose bytes and sizes are anybody's: never a panic, never more than the file
//! can hold, nothing that must not be shown; and twice the same from a file that nobody changes.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use scoreboard::{Board, Occupant, Reader, Shape, SlotView, Snapshot, State};

/// A byte of flags, then changes of a valid board's two files; or, with [`RAW`], a whole file.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"\x00",
    b"\x01",
    b"\x02\x00\x10\x03W\0\x1b",
    b"\x03\x06\x30\x08\xff\xff\x07\0\0\0\0\0",
    b"\x01\x10\x30\x08\x05\xff\x01\0\0\0\0\0\x12\x40\x08\x05\xff\x01\0\0\0\0\0",
    b"\x01\x80\x10\x08\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x80\x18\x08\0\0\0\0\0\0\0\x10",
    b"\x00\x80\x50\x08\x01\0\0\0\0\0\0\0",
    b"\x05\x02\x40",
    b"\x09\x00\x00",
    b"\x0cSCSLOTS\n\x01\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0",
    b"\x0cSCBOARD\n\x01\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0",
];

/// Bits of the first byte: the files are sealed, and so mapped; the reader gets the slots file; the
/// file is cut short at what the last two bytes say; the rest is the file.
const SEALED: u8 = 1;
const SLOTS_ONLY: u8 = 2;
const CUT: u8 = 4;
const RAW: u8 = 8;

/// Words of the board file's header that name this process and the slots file.
const PID: u64 = 48;
const SLOTS_INODE: u64 = 88;
const SLOTS_FD: u64 = 96;

/// The bytes of a board with three slots, two of which have a worker: its board file, its slots file.
fn valid() -> &'static (Vec<u8>, Vec<u8>) {
    static VALID: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    VALID.get_or_init(|| {
        let mut board = Board::create(Shape::new(3)).unwrap();
        for slot in 0..2 {
            board.prepare(slot).unwrap();
            board.occupy(slot, &Occupant::new(slot + 1).generation(7)).unwrap();
            let mut writer = board.writer(slot).unwrap();
            writer.begin(State::WRITING);
            writer.text("one");
            writer.text("GET /\x1b[2J\u{202e} a text of some length");
        }
        let bytes = |fd: std::os::fd::BorrowedFd<'_>| {
            let file = File::from(fd.try_clone_to_owned().unwrap());
            let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().size()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        (bytes(board.board_fd()), bytes(board.slots_fd(0).unwrap()))
    })
}

fn memfd(bytes: &[u8], sealed: bool) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("fuzz", flags).unwrap());
    file.write_all_at(bytes, 0).unwrap();
    if sealed {
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    }
    file
}

/// Changes: two bytes of place (the highest bit chooses the board file, the rest counts in eights),
/// one of length, and the bytes.
fn change(mut data: &[u8], board: &mut [u8], slots: &mut [u8]) {
    while let [place, low, length, rest @ ..] = data {
        let (bytes, others) = rest.split_at(rest.len().min(usize::from(*length)));
        let file = if place & 0x80 == 0 { &mut *slots } else { &mut *board };
        let at = usize::from(place & 0x7f) * 256 + usize::from(*low);
        for (to, from) in file.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
        data = others;
    }
}

/// One input.
pub fn run(data: &[u8]) {
    let Some((flags, data)) = data.split_first() else {
        return;
    };
    let sealed = flags & SEALED != 0;
    if flags & RAW != 0 {
        return read(memfd(data, sealed).into(), data.len());
    }
    let (mut board, mut slots) = valid().clone();
    change(data, &mut board, &mut slots);
    if let (true, [.., high, low]) = (flags & CUT != 0, data) {
        let length = usize::from(*high) * 256 + usize::from(*low);
        board.truncate(length);
        slots.truncate(length);
    }
    let size = slots.len();
    let slots = memfd(&slots, sealed);
    if flags & SLOTS_ONLY != 0 {
        return read(slots.into(), size);
    }
    let board_file = memfd(&board, false);
    if board.len() > 4096 {
        let fd = u64::try_from(slots.as_raw_fd()).unwrap() + 1;
        let words =
            [(PID, std::process::id().into()), (SLOTS_INODE, inode(&slots)), (SLOTS_FD, fd)];
        for (at, word) in words {
            board_file.write_all_at(&word.to_ne_bytes(), at).unwrap();
        }
    }
    if sealed {
        fcntl_add_seals(&board_file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    }
    read(board_file.into(), size);
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

fn read(fd: OwnedFd, slots_size: usize) {
    let reader = match Reader::from_fd(fd) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return;
        }
    };
    let _ = (reader.manager(), reader.is_stale());
    let first = reader.snapshot();
    let mut again = Snapshot::default();
    reader.read(&mut again);
    assert_eq!(first.len(), again.len());
    assert!(first.len() <= slots_size / 1024, "{} slots in {slots_size} bytes", first.len());
    for (slot, again) in first.iter().zip(again.iter()) {
        check(slot);
        assert_eq!(values(slot), values(again));
        assert_eq!(first.get(slot.number()).map(values), Some(values(slot)));
    }
    let mut visited = Vec::new();
    reader.each(&mut |slot| visited.push(values_owned(slot)));
    let kept: Vec<_> = first.iter().map(values_owned).collect();
    assert_eq!(visited, kept);
}

fn check(slot: SlotView<'_>) {
    assert!(slot.state().letter().is_ascii_graphic());
    assert_eq!(slot.is_valid(), slot.said_state().is_some());
    let _ = (slot.in_request(), slot.last_beat(), slot.busy(), slot.bytes(), slot.worker());
    if let Some(text) = slot.text() {
        assert!(!slot.is_unsteady() && text.as_bytes().len() <= 32_696);
        assert!(!text.to_string().contains(|c: char| c.is_control() || c == '\u{202e}'));
        assert!(!text.html().to_string().contains(['<', '>', '"', '\'']));
    }
}

type Values<'v> = (u32, State, u64, Option<&'v [u8]>, bool);

fn values(slot: SlotView<'_>) -> Values<'_> {
    let text = slot.text().map(|text| text.as_bytes());
    (slot.number(), slot.state(), slot.requests(), text, slot.is_unsteady())
}

fn values_owned(slot: SlotView<'_>) -> (u32, State, u64, Option<Vec<u8>>, bool) {
    let (number, state, requests, text, unsteady) = values(slot);
    (number, state, requests, text.map(<[u8]>::to_vec), unsteady)
}
