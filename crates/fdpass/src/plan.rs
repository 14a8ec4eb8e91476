//! Which descriptor goes to which number in a child (PURE).
//!
//! A plan is made in the parent, checked there, and turned into a list of [`Step`]s before the
//! fork, so that the child only executes: it needs no memory and no decisions.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use crate::spec::MAX_FD;

#[cfg(test)]
mod tests;

/// One descriptor of the parent and the number it gets in the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Move {
    /// The number in the parent.
    pub from: RawFd,
    /// The number in the child.
    pub to: RawFd,
}

/// Where a [`Step::Dup`] takes its descriptor from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A number of the parent's, still untouched in the child.
    Fd(RawFd),
    /// The result of the [`Step::Lift`] into this slot.
    Slot(usize),
}

/// One thing the child does.
///
/// The steps are to be executed in order, by a child whose other descriptors are all close-on-exec,
/// with `slots: [i32; plan.slots()]` and `base = plan.lift_base()`:
///
/// | step | system call |
/// |---|---|
/// | `Lift { from, slot }` | `slots[slot] = fcntl(from, F_DUPFD_CLOEXEC, base)` |
/// | `Dup { from, to }` | `dup3(from, to, 0)`, which clears close-on-exec on `to` |
/// | `Inherit { fd }` | `fcntl(fd, F_SETFD, 0)`: dup3 refuses equal numbers, dup2 keeps the flag |
///
/// All lifts come first; nothing a later step reads is overwritten by an earlier one. Lifted copies
/// need no closing: they are close-on-exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Copy a source that stands in the way of another to a free number above all targets.
    Lift {
        /// The number in the parent.
        from: RawFd,
        /// Index of the copy's number in the child's scratch array.
        slot: usize,
    },
    /// Put a descriptor at its number.
    Dup {
        /// What is copied.
        from: Source,
        /// The number in the child.
        to: RawFd,
    },
    /// Let a descriptor that already has its number through `execve`.
    Inherit {
        /// The number in parent and child.
        fd: RawFd,
    },
}

/// A set of descriptors with the numbers a child will find them at.
///
/// Numbers not in the plan are no concern of it. Any mixture is possible, also exchanges and the
/// same descriptor at several numbers:
///
/// ```
/// use std::os::fd::AsFd;
/// let (input, socket) = (std::fs::File::open("/dev/null")?, std::fs::File::open("/dev/null")?);
/// let mut plan = fdpass::FdPlan::new();
/// plan.pass(input.as_fd(), 0)?;
/// plan.pass(socket.as_fd(), 3)?;
/// assert_eq!(plan.highest_target(), Some(3));
/// assert!(plan.pass(input.as_fd(), 3).is_err()); // taken
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FdPlan<'fd> {
    moves: Vec<Move>,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> FdPlan<'fd> {
    /// A plan that passes nothing.
    #[must_use]
    pub fn new() -> FdPlan<'fd> {
        FdPlan::default()
    }

    /// Plans that the child finds `fd` at number `at`, without close-on-exec.
    ///
    /// # Errors
    ///
    /// Refuses a number that is negative, above 1048575, or already given away; the plan is then
    /// as before. Whether `at` is below the child's `RLIMIT_NOFILE` is for the caller to check.
    pub fn pass(&mut self, fd: BorrowedFd<'fd>, at: RawFd) -> Result<(), PlanError> {
        self.add(Move { from: fd.as_raw_fd(), to: at })
    }

    fn add(&mut self, wanted: Move) -> Result<(), PlanError> {
        if !(0..=MAX_FD).contains(&wanted.to) {
            return Err(PlanError { to: wanted.to, taken: false });
        }
        if self.moves.iter().any(|earlier| earlier.to == wanted.to) {
            return Err(PlanError { to: wanted.to, taken: true });
        }
        self.moves.push(wanted);
        Ok(())
    }

    /// The moves in the order they were planned.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// The highest number the child gets; `None` for an empty plan.
    #[must_use]
    pub fn highest_target(&self) -> Option<RawFd> {
        self.moves.iter().map(|planned| planned.to).max()
    }

    /// The lowest number a lifted copy may have: above every target and above standard error.
    #[must_use]
    pub fn lift_base(&self) -> RawFd {
        self.highest_target().unwrap_or(0).max(2).saturating_add(1)
    }

    /// How many [`Step::Lift`]s there are: the length of the child's scratch array.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.lifted().len()
    }

    /// What the child has to do, see [`Step`].
    ///
    /// A source is lifted only when its number is the target of a *different* source; no search for
    /// cycles is needed, and a plan without such conflicts costs one system call per descriptor.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let lifted = self.lifted();
        let lifts = lifted.iter().enumerate().map(|(slot, from)| Step::Lift { from: *from, slot });
        let places = self.moves.iter().map(|planned| {
            if planned.from == planned.to {
                return Step::Inherit { fd: planned.to };
            }
            let from = match lifted.binary_search(&planned.from) {
                Ok(slot) => Source::Slot(slot),
                Err(_) => Source::Fd(planned.from),
            };
            Step::Dup { from, to: planned.to }
        });
        lifts.chain(places).collect()
    }

    /// The sources that another source's arrival would destroy; sorted, each once.
    fn lifted(&self) -> Vec<RawFd> {
        let mut overwritten: Vec<RawFd> =
            self.moves.iter().filter(|m| m.from != m.to).map(|m| m.to).collect();
        overwritten.sort_unstable();
        let mut lifted: Vec<RawFd> = self
            .moves
            .iter()
            .map(|m| m.from)
            .filter(|from| overwritten.binary_search(from).is_ok())
            .collect();
        lifted.sort_unstable();
        lifted.dedup();
        lifted
    }
}

/// A number that cannot be given to a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanError {
    to: RawFd,
    taken: bool,
}

impl PlanError {
    /// The number that was refused.
    #[must_use]
    pub fn target(&self) -> RawFd {
        self.to
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.taken {
            true => write!(f, "descriptor number {} is planned for two descriptors", self.to),
            false => write!(f, "descriptor number {} is not within 0 to {MAX_FD}", self.to),
        }
    }
}

impl std::error::Error for PlanError {}
