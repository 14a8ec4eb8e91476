//! The descriptor and the slot that a worker was started with.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::FdFlags;

use crate::error::Error;

const FD: &str = "SCOREBOARD_FD";
const SLOT: &str = "SCOREBOARD_SLOT";

/// A copy of the descriptor that the environment names, its number, and the slot.
pub(crate) fn slots() -> Result<Option<(OwnedFd, RawFd, u32)>, Error> {
    let Some((raw, slot)) = parse(std::env::var_os(FD), std::env::var_os(SLOT))? else {
        return Ok(None);
    };
    let fd = copy(raw).map_err(|error| Error::system(format!("{FD}={raw}"), error))?;
    Ok(Some((fd, raw, slot)))
}

/// Keeps the descriptor from programs that this process starts.
pub(crate) fn keep_from_programs(raw: RawFd) -> Result<(), Error> {
    // SAFETY: the number is not negative, and only the close-on-exec flag is set.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)
        .map_err(|error| Error::system(format!("{FD}={raw}"), error))
}

fn parse(fd: Option<OsString>, slot: Option<OsString>) -> Result<Option<(RawFd, u32)>, Error> {
    let (fd, slot) = match (fd, slot) {
        (None, None) => return Ok(None),
        (Some(fd), Some(slot)) => (fd, slot),
        (Some(_), None) => return Err(Error::environment(format!("{FD} is set without {SLOT}"))),
        (None, Some(_)) => return Err(Error::environment(format!("{SLOT} is set without {FD}"))),
    };
    let number = |name: &str, text: OsString| {
        let number = text.to_str().and_then(|text| text.parse::<u32>().ok());
        number.ok_or_else(|| Error::environment(format!("{name} is not a number: {text:?}")))
    };
    let raw = RawFd::try_from(number(FD, fd)?);
    let raw = raw.map_err(|_| Error::environment(format!("{FD} is no descriptor's number")))?;
    Ok(Some((raw, number(SLOT, slot)?)))
}

/// A duplicate of it; the descriptor itself stays as it is.
fn copy(raw: RawFd) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the number is not negative. Nothing is done with it but to duplicate it; it is not
    // closed, and whoever owns it goes on owning it. If it is not open, that fails. What the
    // duplicate refers to is checked before it is used for anything.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fd: Option<&str>, slot: Option<&str>) -> Result<Option<(RawFd, u32)>, String> {
        parse(fd.map(OsString::from), slot.map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn both_or_neither() {
        assert_eq!(told(None, None), Ok(None));
        assert_eq!(told(Some("3"), Some("0")), Ok(Some((3, 0))));
        let error = Err("SCOREBOARD_FD is set without SCOREBOARD_SLOT".to_owned());
        assert_eq!(told(Some("3"), None), error);
        let error = Err("SCOREBOARD_SLOT is set without SCOREBOARD_FD".to_owned());
        assert_eq!(told(None, Some("3")), error);
    }

    #[test]
    fn numbers_only() {
        for bad in ["", "-1", "x", "3 ", "4294967296", "0x3"] {
            assert!(told(Some(bad), Some("0")).is_err(), "{bad}");
            assert!(told(Some("3"), Some(bad)).is_err(), "{bad}");
        }
        assert!(told(Some("4294967295"), Some("0")).is_err());
    }

    #[test]
    fn a_closed_descriptor_is_an_error() {
        assert_eq!(copy(i32::MAX).err(), Some(rustix::io::Errno::BADF));
    }
}
