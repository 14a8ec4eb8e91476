//! Letting go of code and constants that only a start needs.

#![allow(unsafe_code)]

use std::fs;

/// Gives memory back that is free in the heap: what reading a configuration of a thousand programs
/// has left.
pub fn forget_what_is_free() {
    // SAFETY: malloc_trim(3) looks at free memory only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Unmaps the program's own code and constants; pages that are still used come back by themselves.
///
/// Starting a worker touches most of the program, waiting for its end very
/// little of it, and a manager waits for months. The pages stay in the page
/// cache: coming back costs a minor fault for each 64 KiB. Where /proc is
/// missing nothing happens.
pub fn forget_the_start() {
    let (Ok(program), Ok(maps)) =
        (fs::read_link("/proc/self/exe"), fs::read_to_string("/proc/self/maps"))
    else {
        return;
    };
    let Some(program) = program.to_str() else { return };
    for line in maps.lines().filter(|line| line.ends_with(program)) {
        if let Some((start, len)) = unchanging(line) {
            // SAFETY: the range is a private read-only mapping of the program file in which the
            // loader changes nothing, so what is dropped is read back from the file as it was.
            unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
        }
    }
}

/// Start and length of a mapping, if it is the code or the constants.
///
/// The loader relocates data in one more read-only mapping, which must stay; it
/// never begins at the start of the file, as the constants do.
fn unchanging(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (access, offset) = (fields.next()?, fields.next()?);
    let constants = access == "r--p" && offset.bytes().all(|digit| digit == b'0');
    if access != "r-xp" && !constants {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relocated_data_stays() {
        let text = "55c779342000-55c7793d6000 r-xp 00025000 fe:00 1 /usr/bin/start_server";
        assert_eq!(unchanging(text), Some((0x55c7_7934_2000, 0x94000)));
        let constants = "55c77931d000-55c779342000 r--p 00000000 fe:00 1 /usr/bin/start_server";
        assert_eq!(unchanging(constants), Some((0x55c7_7931_d000, 0x25000)));
        let relocated = "55c7793d6000-55c7793db000 r--p 000b9000 fe:00 1 /usr/bin/start_server";
        assert_eq!(unchanging(relocated), None);
        assert_eq!(unchanging(""), None);
    }

    #[test]
    fn the_program_goes_on() {
        forget_the_start();
        relocated_data_stays();
    }
}
