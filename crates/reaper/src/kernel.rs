//! Structures as the kernel reads them, where the C library's differ.

use sigpolicy::SignalSet;

/// A limit as `prlimit(2)` takes it, whatever the word size.
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct KernelLimit {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// The kernel's sigaction, of which only the handler is ever set. It is the
/// first word, except on MIPS, where the flags come before it; 16 words are
/// more than any architecture reads.
#[repr(C)]
pub(crate) struct KernelAction {
    words: [usize; 16],
}

impl KernelAction {
    /// "Ignore" or "default".
    pub(crate) fn new(ignore: bool) -> KernelAction {
        let handler = if ignore { libc::SIG_IGN } else { libc::SIG_DFL };
        let mut words = [0; 16];
        let [first, second, ..] = &mut words;
        *(if MIPS { second } else { first }) = handler;
        KernelAction { words }
    }
}

const MIPS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
));

/// The kernel's sigset_t in bytes: 128 signals on MIPS, 64 elsewhere.
pub(crate) const SIGNAL_SET_SIZE: usize = if MIPS { 16 } else { 8 };

/// The kernel's sigset_t: an array of words, the lowest signals first.
#[repr(C)]
pub(crate) struct KernelSet {
    words: [usize; 4],
}

impl KernelSet {
    pub(crate) fn new(signals: SignalSet) -> KernelSet {
        let bits = signals.bits();
        // On 64-bit architectures the first word has it all.
        let high = if usize::BITS == 64 { 0 } else { (bits >> 32) as usize };
        KernelSet { words: [bits as usize, high, 0, 0] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_sets_have_signal_one_lowest() {
        use sigpolicy::Signal;
        let set = KernelSet::new(SignalSet::new().with(Signal::HUP).with(Signal::TERM));
        assert_eq!(set.words[0], 1 | 1 << 14);
    }
}
