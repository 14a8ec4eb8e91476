//! When changes add up to one, and which files matter: no file system in here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use reaper::Moment;

/// So long nothing must change any more.
const QUIET: Duration = Duration::from_millis(200);
/// So long after the first change it is time in any case.
const LONGEST: Duration = Duration::from_secs(2);

/// Changes that are to be taken as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Burst(Option<(Moment, Moment)>);

impl Burst {
    /// Something changed.
    pub(super) fn changed(&mut self, now: Moment) {
        let first = self.0.map_or(now, |(first, _)| first);
        self.0 = Some((first, now));
    }

    /// When the burst is over; `None`: nothing changed.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.0.map(|(first, last)| last.saturating_add(QUIET).min(first.saturating_add(LONGEST)))
    }

    /// True once for each burst, when it is over.
    pub(super) fn due(&mut self, now: Moment) -> bool {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        if due {
            self.0 = None;
        }
        due
    }
}

/// Whether the name is one that editors, version control and compilers to byte code make beside
/// the files that matter. Byte code must not count: fresh workers write it, and would be replaced
/// for it.
pub(super) fn is_noise(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let ends: [&[u8]; 9] =
        [b"~", b".swp", b".swx", b".swo", b".bak", b".tmp", b".pyc", b".pyo", b"___jb_old___"];
    // 4913 is vim's test whether it may write.
    name.starts_with(b".")
        || (name.starts_with(b"#") && name.ends_with(b"#"))
        || matches!(name, b"4913" | b"__pycache__" | b"CVS")
        || ends.iter().any(|end| name.ends_with(end))
        || name.ends_with(b"___jb_tmp___")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_ends_when_it_is_quiet() {
        let mut burst = Burst::default();
        assert_eq!((burst.deadline(), burst.due(at(9))), (None, false));
        burst.changed(at(10));
        assert_eq!(burst.deadline(), Some(at(210)));
        burst.changed(at(150));
        assert_eq!(burst.deadline(), Some(at(350)));
        assert!(!burst.due(at(349)));
        assert!(burst.due(at(350)));
        assert!(!burst.due(at(350)), "once");
        assert_eq!(burst.deadline(), None);
        burst.changed(at(360));
        assert_eq!(burst.deadline(), Some(at(560)), "the next one");
    }

    #[test]
    fn a_burst_ends_although_it_is_never_quiet() {
        let mut burst = Burst::default();
        let mut due = Vec::new();
        for now in (0..10_000).step_by(100) {
            burst.changed(at(now));
            if burst.due(at(now)) {
                due.push(now);
            }
        }
        assert_eq!(due, [2000, 4100, 6200, 8300]);
    }

    #[test]
    fn a_clock_that_is_late_or_at_its_end() {
        let mut burst = Burst::default();
        burst.changed(at(10));
        assert!(burst.due(at(1_000_000)));
        burst.changed(Moment::MAX);
        assert!(burst.due(Moment::MAX));
    }

    #[test]
    fn names() {
        for name in [".git", ".app.pl.swp", "app.pl~", "#app#", "4913", "a.pyc", "__pycache__"] {
            assert!(is_noise(OsStr::new(name)), "{name}");
        }
        for name in ["app.pl", "#1", "swp", "a.tmpl", "4914", "git", "x.bakery", "日本"] {
            assert!(!is_noise(OsStr::new(name)), "{name}");
        }
    }
}
