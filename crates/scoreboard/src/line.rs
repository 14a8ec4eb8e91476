//! What goes faster than word by word: a cache line at a time, and lines that are fetched before they
//! are needed.
#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;

use crate::layout::{LINE, WORD};

/// The words of a line.
pub(crate) type Words = [AtomicU64; LINE / WORD];

/// Copies a line that others may be writing: each word as it is at some moment, none before what was
/// loaded earlier, none after what is loaded past an acquire fence.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(crate) fn copy(words: &Words, into: &mut [u8; LINE]) {
    use std::arch::asm;
    use std::arch::x86_64::__m128i;

    let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
    // SAFETY: reads the 64 bytes of `words`, and nothing else. It is assembly because the compiler
    // must not take these for plain loads, which would race; to the processor they are loads as any
    // other, in their order.
    unsafe {
        asm!(
            "movdqu {a}, [{from}]",
            "movdqu {b}, [{from} + 16]",
            "movdqu {c}, [{from} + 32]",
            "movdqu {d}, [{from} + 48]",
            a = out(xmm_reg) a,
            b = out(xmm_reg) b,
            c = out(xmm_reg) c,
            d = out(xmm_reg) d,
            from = in(reg) words.as_ptr(),
            options(nostack, preserves_flags)
        );
    }
    let to = into.as_mut_ptr().cast::<__m128i>();
    // SAFETY: four times 16 bytes are the 64 of `into`; no alignment is asked for.
    unsafe {
        to.write_unaligned(a);
        to.add(1).write_unaligned(b);
        to.add(2).write_unaligned(c);
        to.add(3).write_unaligned(d);
    }
}

/// Copies a line that others may be writing, each word relaxed.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
pub(crate) fn copy(words: &Words, into: &mut [u8; LINE]) {
    copy_words(words, into);
}

#[cfg(any(test, not(all(target_arch = "x86_64", not(miri)))))]
fn copy_words(words: &Words, into: &mut [u8; LINE]) {
    for (to, word) in into.chunks_exact_mut(WORD).zip(words) {
        to.copy_from_slice(&word.load(std::sync::atomic::Ordering::Relaxed).to_ne_bytes());
    }
}

/// Has the line of a word brought near, without waiting for it. The word may be beyond the end:
/// nothing is loaded, and no address is wrong.
#[inline]
pub(crate) fn prefetch(words: &[AtomicU64], word: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = words.as_ptr().wrapping_add(word).cast::<i8>();
        // SAFETY: a hint that never faults, whatever the address; SSE is part of x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (words, word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_copy_the_same() {
        let words: Words = std::array::from_fn(|at| AtomicU64::new(0x0102_0304_0506_0708 << at));
        let (mut lines, mut by_words) = ([0xff; LINE], [0; LINE]);
        copy(&words, &mut lines);
        copy_words(&words, &mut by_words);
        assert_eq!(lines, by_words);
        for word in [0, 7, 8, usize::MAX / 8, usize::MAX] {
            prefetch(&words, word);
        }
    }
}
