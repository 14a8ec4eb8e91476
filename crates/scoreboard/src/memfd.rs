//! Sealed memfds: files without a name that nobody can make shorter under a reader.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::Error;

/// A memfd of so many zero bytes, all of them allocated, for this user alone. It cannot become
/// longer or shorter any more.
pub(crate) fn create(name: &str, size: u64) -> Result<OwnedFd, Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        made => made,
    };
    let fd = fd.map_err(|error| Error::system("memfd_create", error))?;
    let prepare = || {
        // Whoever was given a descriptor for reading could open it again for writing: the mode of
        // a new memfd is 0777.
        rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
        allocate(&fd, size)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)
    };
    prepare().map_err(|error| Error::system(format!("a memfd of {size} bytes"), error))?;
    Ok(fd)
}

/// No seals from here on but those that it has.
pub(crate) fn seal(fd: impl AsFd) -> Result<(), Error> {
    rustix::fs::fcntl_add_seals(fd, SealFlags::SEAL).map_err(|error| Error::system("seal", error))
}

/// As [`seal`], and only mappings that exist can change it any more (Linux 5.1; else its mode has
/// to do).
pub(crate) fn seal_against_writers(fd: impl AsFd) -> Result<(), Error> {
    let fd = fd.as_fd();
    match rustix::fs::fcntl_add_seals(fd, SealFlags::FUTURE_WRITE) {
        Ok(()) | Err(Errno::INVAL) => seal(fd),
        Err(error) => Err(Error::system("seal", error)),
    }
}

/// Whether the file can be mapped without fear: a file that shrinks under a mapping is a SIGBUS.
pub(crate) fn cannot_shrink(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

/// Makes the file so long, with all of its blocks: a store into a hole on a full disk would be a
/// SIGBUS.
pub(crate) fn allocate(fd: impl AsFd, size: u64) -> rustix::io::Result<()> {
    let fd = fd.as_fd();
    // Beyond this limit the kernel would send SIGXFSZ, also for a memfd.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| size > most) {
        return Err(Errno::FBIG);
    }
    loop {
        match rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, size) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return fill(fd, size),
            done => return done,
        }
    }
}

/// For file systems without fallocate.
fn fill(fd: impl AsFd, size: u64) -> rustix::io::Result<()> {
    let zeros = [0; 4096];
    let mut at = 0;
    while at < size {
        let left = usize::try_from(size.saturating_sub(at)).unwrap_or(zeros.len());
        let part = zeros.get(..left.min(zeros.len())).unwrap_or(&zeros);
        match rustix::io::pwrite(&fd, part, at) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => at = at.saturating_add(count as u64),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::fs::fstat;

    use super::*;

    #[test]
    fn sealed_private_and_not_executable() {
        let fd = create("test", 8192).unwrap();
        seal(&fd).unwrap();
        let stat = fstat(&fd).unwrap();
        assert_eq!((stat.st_mode & 0o7777, stat.st_size), (0o600, 8192));
        assert!(stat.st_blocks >= 16, "allocated");
        for size in [0, 4096, 16384] {
            assert_eq!(rustix::fs::ftruncate(&fd, size), Err(Errno::PERM));
        }
        assert_eq!(rustix::fs::fcntl_add_seals(&fd, SealFlags::WRITE), Err(Errno::PERM));
        assert!(cannot_shrink(&fd));
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        if rustix::fs::fcntl_get_seals(&fd).unwrap().contains(SealFlags::EXEC) {
            assert_eq!(rustix::fs::fchmod(&fd, Mode::RWXU), Err(Errno::PERM));
        }
    }

    #[test]
    fn later_writers_are_refused() {
        let fd = create("test", 4096).unwrap();
        seal_against_writers(&fd).unwrap();
        assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
    }

    #[test]
    fn files_are_filled_where_they_cannot_be_allocated() {
        let path = std::env::temp_dir().join(format!("scoreboard-fill-{}", std::process::id()));
        let file = std::fs::File::create_new(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        fill(&file, 5000).unwrap();
        assert_eq!(fstat(&file).unwrap().st_size, 5000);
        assert!(!cannot_shrink(&file));
    }
}
