//! The worker's side: one slot, written without a lock and without a system call.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::process::{Pid, getpid};

use crate::at_path::slots_path;
use crate::board::Order;
use crate::cell::{self, TextWriter};
use crate::clock;
use crate::error::Error;
use crate::file::Positioned;
use crate::header;
use crate::layout::{Geometry, Place, board_header, slot};
use crate::memory::{Memory, Source};
use crate::origin::Origin;
use crate::region::{Access, Region};
use crate::state::State;

/// A slot, in the hands of the one that writes it.
///
/// Every call is a few stores into shared memory; those that tell the time read the coarse clock,
/// which is good to the kernel's tick (1 to 10 ms).
///
/// ```no_run
/// use scoreboard::{Order, State, Writer};
///
/// # fn main() -> Result<(), scoreboard::Error> {
/// # fn next_request() -> Option<String> { None }
/// # fn serve(_: &str) {}
/// let mut slot = Writer::from_env()?; // None when nobody keeps a board
/// while let Some(request) = next_request() {
///     if let Some(slot) = &mut slot {
///         slot.begin(State::WRITING);
///         slot.text(&request);
///     }
///     serve(&request);
///     if let Some(slot) = &mut slot {
///         slot.end();
///         if slot.order() == Order::Leave {
///             break;
///         }
///     }
/// }
/// # Ok(()) }
/// ```
///
/// Dropping it gives the slot's claim back, and leaves the last state and text.
pub struct Writer {
    region: Arc<Region>,
    place: Place,
    number: u32,
    text: TextWriter,
    // Kept here and only ever stored there: what others do to the slot cannot spoil the counting.
    start: u64,
    requests: u64,
    busy: u64,
    bytes: u64,
    token: u64,
    owner: Origin,
}

impl Writer {
    /// The slot that this process was started for: `SCOREBOARD_FD` and `SCOREBOARD_SLOT`. `None`
    /// when neither is set.
    ///
    /// The descriptor stays open, and is made close-on-exec. The environment is read, not changed.
    ///
    /// # Errors
    ///
    /// Variables that make no sense, a descriptor that is no board, or a slot that has a writer.
    pub fn from_env() -> Result<Option<Writer>, Error> {
        let Some((fd, raw, slot)) = crate::environment::slots()? else {
            return Ok(None);
        };
        let writer = Writer::open(&fd, slot)?;
        // Only now: until it has been looked at, it may be somebody else's.
        crate::environment::keep_from_programs(raw)?;
        Ok(Some(writer))
    }

    /// A slot of a slots file that is open for reading and writing. The descriptor is not needed
    /// afterwards.
    ///
    /// # Errors
    ///
    /// It is no slots file, has no such slot, or the slot has a writer.
    pub fn open(fd: impl AsFd, slot: u32) -> Result<Writer, Error> {
        let fd = fd.as_fd();
        let copy = fd.try_clone_to_owned().map_err(|error| Error::system("dup", error))?;
        let size = fstat(fd).map_err(|error| Error::system("fstat", error))?.st_size;
        let words = Positioned::new(copy).words(0);
        let size = u64::try_from(size).unwrap_or(0);
        let geometry =
            header::slots(words, size).map_err(|why| Error::not_a_board("the descriptor", why))?;
        let region = Region::map(fd, geometry.file_size(), Access::Write)
            .map_err(|error| Error::system("mmap", error))?;
        Writer::attach(Arc::new(region), geometry, slot)
    }

    /// A slot of the board at a path: that of the board, or of its slots file.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open); the file cannot be opened for writing.
    pub fn open_path(path: impl AsRef<Path>, slot: u32) -> Result<Writer, Error> {
        let path = path.as_ref();
        let file = open(path, OFlags::RDONLY)?;
        let [magic] = Positioned::new(file).words(0);
        let file = if magic == board_header::MAGIC {
            open(&slots_path(path), OFlags::RDWR)?
        } else {
            open(path, OFlags::RDWR)?
        };
        Writer::open(&file, slot)
    }

    pub(crate) fn attach(
        region: Arc<Region>,
        geometry: Geometry,
        number: u32,
    ) -> Result<Writer, Error> {
        let place = geometry
            .place(number)
            .ok_or_else(|| Error::no_such_slot(number, geometry.first(), geometry.count()))?;
        let token = token();
        cell::claim(&*region, place, token, |writer| has_left(writer, token))
            .map_err(|writer| Error::claimed(number, writer & PID))?;
        let word = |word| region.load(place.word(word), Acquire);
        Ok(Writer {
            place,
            number,
            text: TextWriter::attach(&*region, place),
            start: 0,
            requests: word(slot::REQUESTS),
            busy: word(slot::BUSY),
            bytes: word(slot::BYTES),
            token,
            owner: Origin::here(),
            region,
        })
    }

    /// The slot's number.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.number
    }

    /// Says what the worker is doing now.
    #[inline]
    pub fn set(&mut self, state: State) {
        self.store(slot::BEAT, clock::coarse());
        self.store_state(state);
    }

    /// A request begins; `state` is mostly [`State::READING`] or [`State::WRITING`].
    #[inline]
    pub fn begin(&mut self, state: State) {
        self.start = clock::coarse();
        self.store(slot::START, self.start);
        self.store(slot::BEAT, self.start);
        self.store_state(state);
    }

    /// The request has ended, and the worker waits for the next.
    #[inline]
    pub fn end(&mut self) {
        self.end_as(State::IDLE);
    }

    /// The request has ended, and the worker goes on to `state`, e.g. [`State::KEEP_ALIVE`].
    #[inline]
    pub fn end_as(&mut self, state: State) {
        let now = clock::coarse();
        if self.start != 0 {
            self.busy = self.busy.wrapping_add(now.saturating_sub(self.start));
            self.requests = self.requests.wrapping_add(1);
            self.start = 0;
            self.store(slot::BUSY, self.busy);
            self.store(slot::REQUESTS, self.requests);
            self.store(slot::START, 0);
        }
        self.store(slot::BEAT, now);
        self.store_state(state);
    }

    /// Says that the worker is alive, and nothing else.
    #[inline]
    pub fn beat(&mut self) {
        self.store(slot::BEAT, clock::coarse());
    }

    /// Adds to the bytes sent, or whatever the worker counts.
    #[inline]
    pub fn add_bytes(&mut self, count: u64) {
        self.bytes = self.bytes.wrapping_add(count);
        self.store(slot::BYTES, self.bytes);
    }

    /// Says something about the request, or anything else. What is longer than the
    /// [capacity](Self::capacity) is cut, between characters if it is UTF-8; a
    /// [`LongText`](crate::LongText) has no such limit.
    #[inline]
    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        self.text.write(&*self.region, self.place, text.as_ref());
    }

    /// How many bytes of text the slot has room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.place.capacity()
    }

    /// What the manager wants. To be looked at between requests.
    #[must_use]
    #[inline]
    pub fn order(&self) -> Order {
        Order::from_word(self.region.load(self.place.word(slot::ORDER), Acquire))
    }

    #[inline]
    fn store(&self, word: usize, value: u64) {
        self.region.store(self.place.word(word), value, Relaxed);
    }

    #[inline]
    fn store_state(&self, state: State) {
        self.region.store(self.place.word(slot::STATE), state.word(), Release);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Not in a forked child, whose copy of this is not what was claimed.
        if self.owner.is_here() {
            let _ = self.region.exchange(self.place.word(slot::WRITER), self.token, 0);
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("slot", &self.number).finish_non_exhaustive()
    }
}

/// The part of a claim that is the pid.
const PID: u64 = 0xffff_ffff;

fn own_pid() -> u64 {
    getpid().as_raw_nonzero().get().unsigned_abs().into()
}

/// This process's claim. The upper half tells the program that runs now from one that the same
/// process executed before, whose claims nobody could give back.
fn token() -> u64 {
    static PROGRAM: OnceLock<u64> = OnceLock::new();
    let program = PROGRAM.get_or_init(clock::precise);
    (program << 32) | own_pid()
}

/// Whether the writer of a slot is no more.
fn has_left(writer: u64, token: u64) -> bool {
    if writer & PID == token & PID {
        return writer != token;
    }
    match i32::try_from(writer & PID).ok().and_then(Pid::from_raw) {
        Some(pid) => rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH),
        // No process has that number.
        None => true,
    }
}

fn open(path: &Path, access: OFlags) -> Result<OwnedFd, Error> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat(CWD, path, flags, Mode::empty())
        .map_err(|error| Error::system(path.display().to_string(), error))
}
