//! Failures name the stage and the error, and leave nothing behind.

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use super::*;
use crate::{Limit, Resource};

/// What must fail in a child, by every tactic, with the child reaped.
fn fails(image: &Image, setup: impl Fn() -> Setup<'static>) -> (Stage, i32, String) {
    let results = TACTICS.map(|tactic| {
        let error = spawn_by(tactic, image, &setup()).unwrap_err();
        let pid = error.pid().expect("a child existed");
        assert!(is_reaped(pid), "{error} left a zombie ({tactic:?})");
        (error.stage(), error.errno(), error.to_string())
    });
    let [first, second, third] = results;
    assert!(first == second && second == third);
    first
}

fn found_by_path(name: &str, path: &str, setup: impl Fn() -> Setup<'static>) -> Result<(), i32> {
    let env = [(OsString::from("PATH"), OsString::from(path))];
    let image = Image::new(name.as_ref(), [], env).unwrap();
    let results = TACTICS.map(|tactic| match spawn_by(tactic, &image, &setup()) {
        Ok(mut child) => {
            assert!(child.wait().unwrap().success());
            Ok(())
        }
        Err(error) => {
            assert_eq!(error.stage(), Stage::Exec);
            Err(error.errno())
        }
    });
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    results[0]
}

#[test]
fn no_such_program() {
    let (stage, errno, text) = fails(&image("/no/such", &[]), Setup::new);
    assert_eq!((stage, errno), (Stage::Exec, libc::ENOENT));
    assert_eq!(text, "failed to exec /no/such: No such file or directory (os error 2)");
    assert_eq!(fails(&image("no-such-anywhere", &[]), Setup::new).1, libc::ENOENT);
}

#[test]
fn no_program_at_all() {
    let dir = Dir::new();
    let denied = dir.file("denied", 0o644);
    let empty = dir.file("empty", 0o755);
    for path in [&denied, &dir.0] {
        let (stage, errno, _) = fails(&image(path.to_str().unwrap(), &[]), Setup::new);
        assert_eq!((stage, errno), (Stage::Exec, libc::EACCES));
    }
    // execvp would hand this to /bin/sh, which succeeds with an empty script.
    let (stage, errno, _) = fails(&image(empty.to_str().unwrap(), &[]), Setup::new);
    assert_eq!((stage, errno), (Stage::Exec, libc::ENOEXEC));
}

#[test]
fn search_along_the_path() {
    let (bad, good, broken) = (Dir::new(), Dir::new(), Dir::new());
    bad.file("prog", 0o644);
    broken.file("prog", 0o755);
    symlink("/bin/true", good.join("prog")).unwrap();
    let [a, b, c] = [&bad, &good, &broken].map(|dir| dir.0.to_str().unwrap());
    let search = |path: &str| found_by_path("prog", path, Setup::new);
    assert_eq!(search(b), Ok(()));
    assert_eq!(search(&format!("/no/such:/dev/null:{a}:{b}")), Ok(()));
    assert_eq!(search(&format!("{a}:/no/such")), Err(libc::EACCES));
    assert_eq!(search("/no/such:/dev/null"), Err(libc::ENOTDIR));
    assert_eq!(search(&format!("{c}:{b}")), Err(libc::ENOEXEC));
    assert_eq!(search(&format!("/{}:{b}", "x".repeat(300))), Ok(()));
    // An empty element is the child's directory, not the manager's.
    let inside = || Setup::new().dir(&good.0).unwrap();
    assert_eq!(found_by_path("prog", "/no/such:", inside), Ok(()));
    assert_eq!(found_by_path("./prog", "/no/such", inside), Ok(()));
    assert_eq!(search("/no/such:"), Err(libc::ENOENT));
}

#[test]
fn directories() {
    let at = |path: &'static str| move || Setup::new().dir(Path::new(path)).unwrap();
    let (stage, errno, text) = fails(&image("/bin/true", &[]), at("/no/such"));
    assert_eq!((stage, errno), (Stage::Chdir, libc::ENOENT));
    assert!(text.starts_with("failed to change directory to /no/such: "), "{text}");
    let (stage, errno, _) = fails(&image("/bin/true", &[]), at("/dev/null"));
    assert_eq!((stage, errno), (Stage::Chdir, libc::ENOTDIR));
    let (stage, _, text) =
        fails(&image("/bin/true", &[]), || Setup::new().chroot(Path::new("/no/such")).unwrap());
    assert_eq!(stage, Stage::Chroot);
    assert!(text.starts_with("failed to chroot to /no/such: "), "{text}");
}

#[test]
fn limits_and_descriptors() {
    for resource in [Resource::Core, Resource::OpenFiles] {
        let limit = Limit { soft: Some(2), hard: Some(1) };
        let (stage, errno, _) =
            fails(&image("/bin/true", &[]), || Setup::new().rlimit(resource, limit));
        assert_eq!((stage, errno), (Stage::Limit, libc::EINVAL));
    }
    let null = fs::File::open("/dev/null").unwrap();
    for tactic in TACTICS {
        let mut plan = FdPlan::new();
        plan.pass(null.as_fd(), 1_048_575).unwrap();
        let error = spawn_by(tactic, &script("exit 0"), &Setup::new().fds(plan)).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Fds, libc::EBADF));
        assert!(is_reaped(error.pid().unwrap()));
    }
}

#[test]
fn what_is_found_before_the_fork() {
    for tactic in TACTICS {
        for number in [-1, i32::MIN, i32::MAX, 1_048_574] {
            let setup = Setup::new().keep_open(&[0, number]);
            let error = spawn_by(tactic, &script("exit 0"), &setup).unwrap_err();
            assert_eq!((error.stage(), error.errno()), (Stage::Fds, libc::EBADF));
            assert_eq!(error.pid(), None);
        }
        let image = script("exit 0").env_own_pid("A=B");
        let error = spawn_by(tactic, &image, &Setup::new()).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Prepare, libc::EINVAL));
    }
}
