//! Boards that other programs keep, to look at and never to write.
//!
//! | module | whose | what |
//! | --- | --- | --- |
//! | [`prefork`] | Perl's Proc::Daemon::Prefork | a file of records of 20 bytes |
//! | [`spare_workers`] | Perl's Parallel::Prefork::SpareWorkers | a file of slots of 16 bytes |
//! | [`parallel`] | Perl's Parallel::Scoreboard, and [`LongText`](crate::LongText) | a directory with a file for each worker |
//!
//! Nothing in these files is trusted: symbolic links, FIFOs and devices are not opened, sizes have
//! a limit, letters go through [`State::from_byte`](crate::State::from_byte). Text and names are any
//! bytes; who shows them escapes them.

pub mod parallel;
pub mod prefork;
pub mod spare_workers;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use rustix::path::Arg;

/// The largest board that [`prefork::read`] and [`spare_workers::read`] take, in bytes: 16 MiB, or
/// several hundred thousand workers.
pub const MAX_BOARD: u64 = 16 << 20;

/// The content of a regular file, of [`MAX_BOARD`] bytes at most.
fn read_board(path: &Path) -> io::Result<Vec<u8>> {
    let invalid = |why: String| Err(io::Error::new(ErrorKind::InvalidData, why));
    let Some(file) = open_regular(CWD, path)? else {
        return invalid("not a regular file; a scoreboard is one".to_owned());
    };
    let mut board = Vec::new();
    // One more than there may be: a size that was asked for before need not hold while reading.
    file.take(MAX_BOARD.saturating_add(1)).read_to_end(&mut board)?;
    if u64::try_from(board.len()).is_ok_and(|length| length <= MAX_BOARD) {
        return Ok(board);
    }
    invalid(format!("too large for a scoreboard: more than {MAX_BOARD} bytes"))
}

/// Opens a regular file; `None` when there is something else by that name.
///
/// The look before the open is for devices, some of which do things when they are opened. The look
/// after it is what counts: the name may have come to mean something else in between.
fn open_regular(dir: impl AsFd, name: impl Arg + Copy) -> io::Result<Option<File>> {
    let regular = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
    if !regular(statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    match openat(&dir, name, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => Ok(regular(fstat(&fd)?.st_mode).then(|| File::from(fd))),
        // A symbolic link; a socket.
        Err(Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory that goes away with its content.
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("scoreboard-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }

        pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, content).unwrap();
            path
        }

        /// The names in it, sorted.
        pub(crate) fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Scratch;
    use super::*;
    use rustix::fs::{RenameFlags, mkfifoat, renameat_with};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    #[test]
    fn a_file_is_read_whole() {
        let scratch = Scratch::new();
        let board = read_board(&scratch.file("board", &[7; 100_000])).unwrap();
        assert_eq!(board, [7; 100_000]);
        assert_eq!(read_board(&scratch.file("empty", b"")).unwrap(), b"");
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let scratch = Scratch::new();
        let in_dir = |name: &str| scratch.path().join(name);
        let file = scratch.file("file", b"x");
        symlink(&file, in_dir("link")).unwrap();
        symlink("/dev/zero", in_dir("zero")).unwrap();
        mkfifoat(CWD, in_dir("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        let _listener = UnixListener::bind(in_dir("socket")).unwrap();
        std::fs::create_dir(in_dir("dir")).unwrap();
        let device = Path::new("/dev/null").to_owned();
        for path in
            ["link", "zero", "fifo", "socket", "dir"].map(in_dir).into_iter().chain([device])
        {
            let error = read_board(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{path:?}");
            assert_eq!(error.to_string(), "not a regular file; a scoreboard is one");
        }
        let error = read_board(&in_dir("nothing")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn size_has_a_limit() {
        let scratch = Scratch::new();
        let path = scratch.file("board", b"");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(MAX_BOARD).unwrap();
        assert_eq!(read_board(&path).unwrap().len() as u64, MAX_BOARD);
        file.set_len(MAX_BOARD + 1).unwrap();
        let error = read_board(&path).unwrap_err();
        assert_eq!(error.to_string(), "too large for a scoreboard: more than 16777216 bytes");
        // Sparse; it is not read further than needed.
        file.set_len(1 << 40).unwrap();
        assert_eq!(read_board(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    /// A file and a FIFO change places all the time; an open of the FIFO must not wait for a writer.
    #[test]
    fn a_name_that_means_another_thing_after_the_look() {
        let scratch = Scratch::new();
        let (name, fifo) = (scratch.file("name", b"x"), scratch.path().join("fifo"));
        mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                (0..50_000).for_each(|_| drop(open_regular(CWD, &name).unwrap()));
            });
            while !reader.is_finished() {
                renameat_with(CWD, &name, CWD, &fifo, RenameFlags::EXCHANGE).unwrap();
                if start.elapsed() > Duration::from_secs(20) {
                    // Whoever waits is let go, so that the test can end.
                    let both = File::options().read(true).write(true).clone();
                    let _held = [&name, &fifo].map(|path| both.open(path));
                    reader.join().unwrap();
                    panic!("an open waits for a writer");
                }
            }
        });
    }
}
