//! A worker that does to a slots file whatever can be done to it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use rustix::fs::{CWD, FallocateFlags, Mode, fallocate, mkfifoat};
use rustix::io::Errno;

use super::{Process, play, say};

/// The numbers of `docs/scoreboard-format.md`.
pub const HEADER: u64 = 4096;
pub const SLOT: u64 = 1024;
pub const CAPACITY: usize = 440;
pub const TEXT: u64 = 48;
const ORDER: u64 = 64;
const STAMPS: [u64; 2] = [128, 64 + SLOT / 2];

const SEED: &str = "VANDAL_SEED";
const SLOTS: &str = "VANDAL_SLOTS";

/// To start that test's vandal; `fd` is of the slots file, which has so many slots.
pub fn command(test: &str, fd: impl AsFd, slots: u32, seed: u64) -> Command {
    let mut command = play(test, "vandal");
    command.env(SLOTS, slots.to_string()).env(SEED, seed.to_string());
    command.stdin(fd.as_fd().try_clone_to_owned().unwrap());
    command
}

/// Starts it.
pub fn start(test: &str, fd: impl AsFd, slots: u32, seed: u64) -> Process {
    Process::spawn(command(test, fd, slots, seed))
}

/// A hostile worker, and the slots file that it was given.
pub struct Vandal {
    file: File,
    slots: u64,
    random: Rng,
}

impl Vandal {
    /// In the process that was started by [`command`].
    pub fn new() -> Vandal {
        let file = File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
        let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
        Vandal { file, slots: number(SLOTS), random: Rng::with_seed(number(SEED)) }
    }

    /// Does that for ever; tells each time that it has been done a thousand times.
    pub fn forever(mut self, act: impl Fn(&mut Vandal)) -> ! {
        loop {
            for _ in 0..1000 {
                act(&mut self);
            }
            say("did");
        }
    }

    fn slot(&mut self) -> u64 {
        HEADER + self.random.u64(..self.slots) * SLOT
    }

    fn anywhere(&mut self) -> u64 {
        self.random.u64(..HEADER + self.slots * SLOT)
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        // There may be no room any more, for somebody made the file as long as can be.
        let _ = self.file.write_at(bytes, at);
    }

    fn noise(&mut self, most: usize) -> Vec<u8> {
        let kind = self.random.u8(..4);
        let length = self.random.usize(1..most);
        let byte = |random: &mut Rng| match kind {
            0 => 0xff,
            1 => *random.choice(b"\x1b\r\n<>&\x9b\xe2\x80\xae\0").unwrap(),
            _ => random.u8(..),
        };
        (0..length).map(|_| byte(&mut self.random)).collect()
    }

    /// A text that is there, so long as it says, or is not.
    fn lie(&mut self) {
        let slot = self.slot();
        let length = match self.random.u8(..4) {
            0 => self.random.u64(..0x1_0000),
            1 => 0xffff,
            _ => self.random.u64(..CAPACITY as u64 + 2),
        };
        let word = ((self.random.u64(..) >> 16) << 16) | length;
        let stamps = if self.random.bool() { [word; 2] } else { [word, !word] };
        for (stamp, value) in STAMPS.into_iter().zip(stamps) {
            self.put(slot + stamp, &value.to_ne_bytes());
        }
        self.put(slot + TEXT, &word.to_ne_bytes());
    }

    /// Texts that change as fast as can be, at the place that a reader comes to next.
    fn run_away(&mut self) {
        let slot = self.slot();
        for number in 0..64_u64 {
            let word = (number << 16) | CAPACITY as u64;
            self.put(slot + STAMPS[(number % 2) as usize], &word.to_ne_bytes());
            self.put(slot + TEXT, &word.to_ne_bytes());
        }
    }

    fn punch(&mut self) {
        let start = self.anywhere();
        let length = if self.random.u8(..8) == 0 { 1 << 20 } else { self.random.u64(1..20_000) };
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(&self.file, how, start, length);
    }

    /// What can be done to any file.
    fn scribble(&mut self) {
        match self.random.u8(..12) {
            0 => {
                let (at, noise) = (self.anywhere(), self.noise(9000));
                self.put(at, &noise);
            }
            1 => {
                let (at, word) = (self.anywhere() / 8 * 8, self.random.u64(..));
                self.put(at, &word.to_ne_bytes());
            }
            2 => {
                let (at, noise) = (self.random.u64(..64), self.noise(64));
                self.put(at, &noise);
            }
            3 => {
                let (slot, noise) = (self.slot(), self.noise(SLOT as usize));
                self.put(slot, &noise);
            }
            4 => {
                // Its orders, and who has claimed it.
                let (slot, noise) = (self.slot(), self.noise(16));
                self.put(slot + ORDER, &noise);
            }
            5 => self.punch(),
            6 => self.run_away(),
            _ => self.lie(),
        }
    }

    /// What can be done to a memfd, and what cannot.
    pub fn scribble_memory(&mut self) {
        if self.random.u8(..16) != 0 {
            return self.scribble();
        }
        let size = if self.random.bool() { 0 } else { self.random.u64(..1 << 40) };
        let error = self.file.set_len(size).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::PERM.raw_os_error()));
    }

    /// What can be done to a file that has a name.
    pub fn spoil_file(&mut self, path: &Path) {
        match self.random.u8(..16) {
            0 => self.file.set_len(0).unwrap(),
            1 => self.file.set_len(1 << 33).unwrap(),
            2..8 => {
                let size = self.anywhere();
                self.file.set_len(size).unwrap();
            }
            8 => drop(fs::remove_file(path)),
            9 => {
                let _ = fs::remove_file(path);
                // Whatever another vandal has put there by now, it would wait for.
                if let Ok(file) = File::create_new(path) {
                    let _ = file.write_at(&self.noise(9000), 0);
                }
            }
            10 => drop((fs::remove_file(path), mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR))),
            11 => drop((fs::remove_file(path), std::os::unix::fs::symlink("/dev/zero", path))),
            _ => self.scribble(),
        }
    }
}
