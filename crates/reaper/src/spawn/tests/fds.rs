//! Which descriptors the program finds.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use super::*;

/// Number and target of each descriptor of the child, without standard ones
/// and without that of the directory that `ls` reads.
pub(super) fn listing<'fd>(
    tactic: Tactic,
    setup: Setup<'fd>,
    plan: FdPlan<'fd>,
) -> BTreeMap<i32, String> {
    let (text, exit) =
        output_with(tactic, &image("/bin/ls", &["-l", "/proc/self/fd"]), setup, plan);
    assert!(exit.success(), "{exit}: {text}");
    text.lines()
        .filter_map(|line| {
            let (head, target) = line.split_once(" -> ")?;
            let number: i32 = head.rsplit(' ').next()?.parse().ok()?;
            let standard = number < 3 || (target.starts_with("/proc/") && target.ends_with("/fd"));
            (!standard).then(|| (number, target.to_owned()))
        })
        .collect()
}

struct Files {
    dir: Dir,
    open: Vec<fs::File>,
}

impl Files {
    fn new(count: usize) -> Files {
        let dir = Dir::new();
        let open = (0..count).map(|n| fs::File::open(dir.file(&n.to_string(), 0o600)).unwrap());
        let open = open.collect();
        Files { dir, open }
    }

    fn path(&self, index: usize) -> String {
        self.dir.join(&index.to_string()).to_str().unwrap().to_owned()
    }

    fn number(&self, index: usize) -> i32 {
        self.open[index].as_raw_fd()
    }
}

/// Puts file `.0` at the number `.1` and compares what the child has.
fn check(files: &Files, moves: &[(usize, i32)], keep: &[usize]) {
    for tactic in TACTICS {
        let mut plan = FdPlan::new();
        let mut expected = BTreeMap::new();
        for index in keep {
            expected.insert(files.number(*index), files.path(*index));
        }
        for (index, at) in moves {
            plan.pass(files.open[*index].as_fd(), *at).unwrap();
            expected.insert(*at, files.path(*index));
        }
        let numbers: Vec<i32> = keep.iter().map(|index| files.number(*index)).collect();
        let found = listing(tactic, Setup::new().keep_open(&numbers), plan);
        assert_eq!(found, expected, "{moves:?} {keep:?} by {tactic:?}");
    }
}

#[test]
fn nothing_but_the_plan() {
    let files = Files::new(3);
    check(&files, &[], &[]);
    check(&files, &[(0, 3)], &[]);
    check(&files, &[(0, 3), (0, 4), (1, 200)], &[]);
    check(&files, &[(2, files.number(2))], &[]);
}

#[test]
fn cycles_chains_and_the_same_place() {
    let files = Files::new(4);
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| files.number(index));
    check(&files, &[(0, b), (1, a)], &[]);
    check(&files, &[(0, b), (1, c), (2, a), (3, d)], &[]);
    check(&files, &[(0, b), (1, c), (2, d), (3, d + 100)], &[]);
    check(&files, &[(0, a), (0, b), (1, c), (1, d)], &[]);
}

#[test]
fn kept_descriptors_pass_and_the_plan_wins() {
    let files = Files::new(3);
    check(&files, &[], &[0, 2]);
    check(&files, &[(1, 300), (0, files.number(2))], &[0, 2]);
    check(&files, &[(0, files.number(1)), (1, files.number(0))], &[0, 1]);
}

#[test]
fn random_plans() {
    let files = Files::new(6);
    let mut seed = 20_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..40 {
        let mut moves: Vec<(usize, i32)> = Vec::new();
        for _ in 0..=random(7) {
            let at = match random(2) {
                0 => files.number(random(6) as usize),
                _ => 3 + random(40) as i32,
            };
            if moves.iter().all(|(_, taken)| *taken != at) {
                moves.push((random(6) as usize, at));
            }
        }
        check(&files, &moves, &[]);
    }
}

/// A descriptor that somebody forgot to make close-on-exec.
fn leaky(file: &fs::File) -> OwnedFd {
    // SAFETY: dup makes a new descriptor, which only this function knows.
    unsafe { OwnedFd::from_raw_fd(libc::dup(file.as_raw_fd())) }
}

#[test]
fn leaks_are_stopped() {
    let files = Files::new(1);
    let leak = leaky(&files.open[0]);
    for tactic in TACTICS {
        assert_eq!(listing(tactic, Setup::new(), FdPlan::new()), BTreeMap::new());
        let expected = BTreeMap::from([(leak.as_raw_fd(), files.path(0))]);
        let kept = Setup::new().keep_open(&[leak.as_raw_fd()]);
        assert_eq!(listing(tactic, kept, FdPlan::new()), expected);
        let open = listing(tactic, Setup::new().close_others(false), FdPlan::new());
        assert_eq!(open.get(&leak.as_raw_fd()), Some(&files.path(0)));
        assert_eq!(open.get(&files.number(0)), None);
    }
}

#[test]
fn the_parents_table_is_untouched() {
    let files = Files::new(2);
    let [a, b] = [0, 1].map(|index| files.number(index));
    for tactic in TACTICS {
        let mut plan = FdPlan::new();
        plan.pass(files.open[0].as_fd(), b).unwrap();
        plan.pass(files.open[1].as_fd(), a).unwrap();
        listing(tactic, Setup::new(), plan);
        for index in [0, 1] {
            let link = fs::read_link(format!("/proc/self/fd/{}", files.number(index))).unwrap();
            assert_eq!(link.to_str().unwrap(), files.path(index));
            let flags = fcntl_getfd(&files.open[index]).unwrap();
            assert_eq!(flags, rustix::io::FdFlags::CLOEXEC);
        }
    }
}
