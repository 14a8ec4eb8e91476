use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::*;

struct Other(Child);

impl Other {
    fn start() -> Self {
        let mut command = Command::new("cat");
        command.arg("-uuuuuuuuuuu").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What it echoes it does after its exec, which spawn() does not wait for to the last.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }

    fn shown(&self) -> (String, String) {
        let read = |name| fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).unwrap();
        (read("comm").trim_end().to_owned(), read("cmdline"))
    }

    fn set(&self, title: &str) -> bool {
        set_of(Path::new(&format!("/proc/{}", self.0.id())), title)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// Of another process only the command line can be set; its own the test process must keep.
#[test]
fn a_command_line_is_written_over() {
    let other = Other::start();
    let before = other.shown();
    assert_eq!(before.1, "cat\0-uuuuuuuuuuu\0");
    assert!(other.set("app [parent]"));
    assert_eq!(other.shown().1, format!("app [parent]{}", "\0".repeat(5)));
    assert!(other.set("x"), "a second title over the first");
    assert_eq!(other.shown().1, format!("x{}", "\0".repeat(16)));
    assert!(other.set("a much longer title than that"));
    assert_eq!(other.shown().1, "a much longer ti\0", "cut, and the environment stays out");
    assert!(other.set("two\nlines\x1b[2J"));
    assert!(other.shown().1.starts_with("two lines [2J\0"));
}

#[test]
fn nothing_is_written_where_the_command_line_is_not() {
    let dir = std::env::temp_dir().join(format!("superdaemon-title-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let stat = |start: u64, end: u64| {
        let before = "0 ".repeat(45);
        fs::write(dir.join("stat"), format!("1 (a) b) {before}{start} {end} 0")).unwrap();
    };
    fs::write(dir.join("cmdline"), "sleep\x00001\0").unwrap();
    fs::write(dir.join("mem"), "....sleep\x00001\0env=1\0").unwrap();
    let memory = || fs::read_to_string(dir.join("mem")).unwrap();
    for (start, end) in [(0, 0), (3, 13), (4, 13), (4, 15), (9, 4), (100, 110)] {
        stat(start, end);
        assert!(!set_of(&dir, "title"), "{start} {end}");
        assert_eq!(memory(), "....sleep\x00001\0env=1\0");
    }
    stat(4, 14);
    assert!(set_of(&dir, "grün und weiß"));
    assert_eq!(memory(), "....grün und\0env=1\0");
    assert_eq!(fs::read_to_string(dir.join("comm")).unwrap(), "grün und weiß");
    fs::remove_dir_all(&dir).unwrap();
    assert!(!set_of(&dir, "title"), "no /proc");
}

#[test]
fn numbers_that_are_none() {
    for stat in ["", "1 (x)", "1 (x) S 1 2", ") ) ) )"] {
        assert_eq!(arguments(stat), None, "{stat}");
    }
    let before = "0 ".repeat(45);
    assert_eq!(arguments(&format!("1 (x) {before}-1 5")), None);
    assert_eq!(arguments(&format!("1 (x) y) {before}7 9")), Some((7, 9)));
}

#[test]
fn titles() {
    assert_eq!((parent("app").as_str(), child("app").as_str()), ("app [parent]", "app [child]"));
    assert_eq!(prefix("grün", 3), "gr");
    assert_eq!(prefix("grün", 4), "grü");
    assert_eq!((prefix("", 4), prefix("abc", 0)), ("", ""));
}
