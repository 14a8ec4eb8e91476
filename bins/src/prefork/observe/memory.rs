//! The memory of a process, as the kernel counts it.

use std::io;
use std::os::fd::OwnedFd;

use super::process::text;
use crate::prefork::view::Memory;

/// By `smaps_rollup`, about 20 µs per MB; where that may not be read, by `status`, which tells only
/// what is resident: then all of it counts as shared and so exceeds no limit but that of `rss`.
pub(super) fn read(process: &OwnedFd) -> io::Result<Memory> {
    let refused = match text(process, "smaps_rollup").map(|text| rollup(&text)) {
        Ok(Some(memory)) => return Ok(memory),
        Ok(None) => io::Error::from(io::ErrorKind::InvalidData),
        Err(error) => error,
    };
    status(&text(process, "status")?).ok_or(refused)
}

fn rollup(text: &str) -> Option<Memory> {
    let sum = |names: &[&str]| {
        names.iter().filter_map(|name| field(text, name)).fold(0, u64::saturating_add)
    };
    Some(Memory {
        rss: field(text, "Rss:")?,
        pss: field(text, "Pss:")?,
        unshared: sum(&["Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"]),
        shared: sum(&["Shared_Clean:", "Shared_Dirty:", "Shared_Hugetlb:"]),
    })
}

fn status(text: &str) -> Option<Memory> {
    let rss = field(text, "VmRSS:")?;
    Some(Memory { rss, pss: 0, unshared: 0, shared: rss })
}

/// `Name:   123 kB` in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefork::observe::process::directory;
    use reaper::Pid;

    #[test]
    fn sums() {
        let text = "5 - 7 [rollup]\nRss:  100 kB\nPss:  60 kB\nPss_Anon: 9 kB\nShared_Clean: 40 kB\n\
                    Shared_Dirty: 10 kB\nPrivate_Clean: 20 kB\nPrivate_Dirty: 30 kB\n";
        let memory = rollup(text).unwrap();
        assert_eq!((memory.rss, memory.pss), (102_400, 61_440));
        assert_eq!((memory.unshared, memory.shared), (51_200, 51_200));
        for bad in ["", "Rss: 1 kB\n", "Rss: 1\nPss: 1 kB\n", "Rss: x kB\nPss: 1 kB\n"] {
            assert_eq!(rollup(bad), None, "{bad}");
        }
        assert_eq!(rollup(&format!("Rss: {} kB\nPss: 1 kB\n", u64::MAX)), None);
        let refused = status("Name:\tx\nVmRSS:\t  7 kB\n").unwrap();
        assert_eq!((refused.rss, refused.unshared, refused.shared), (7168, 0, 7168));
    }

    #[test]
    fn this_process() {
        let memory = read(&directory(Pid::own()).unwrap()).unwrap();
        assert!(memory.rss > 100_000 && memory.pss <= memory.rss && memory.unshared > 0);
        assert_eq!(memory.unshared + memory.shared, memory.rss);
    }
}
