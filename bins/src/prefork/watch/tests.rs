use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;

struct Scene {
    dir: PathBuf,
    watch: Watch,
    now: Moment,
}

impl Scene {
    /// Watches `paths` of a directory in which `prepare` has made them.
    fn new(name: &str, paths: &[&str], prepare: impl Fn(&Path)) -> Self {
        let dir =
            std::env::temp_dir().join(format!("superdaemon-watch-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        prepare(&dir);
        let settings = AutoReload {
            paths: paths.iter().map(|path| dir.join(path)).collect(),
            ..AutoReload::default()
        };
        let watch = Watch::new(&settings).unwrap();
        let mut scene = Self { dir, watch, now: Moment::from_nanos(1) };
        assert_eq!(scene.watch.notes(), Vec::<String>::new());
        scene.quiet("at first");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn step(&mut self, milliseconds: u64) {
        self.now = self.now.saturating_add(Duration::from_millis(milliseconds));
    }

    /// What was done last is taken as one change. inotify has it before the call that did it returns.
    fn changed(&mut self, what: &str) {
        self.watch.read(self.now);
        assert!(!self.watch.due(self.now), "{what}: too early");
        assert!(self.watch.deadline().is_some(), "{what}: not seen");
        self.step(199);
        self.watch.read(self.now);
        assert!(!self.watch.due(self.now), "{what}: too early");
        self.step(1);
        assert!(self.watch.due(self.now), "{what}: not due");
        self.quiet(what);
    }

    fn quiet(&mut self, what: &str) {
        self.watch.read(self.now);
        assert_eq!(self.watch.deadline(), None, "{what}");
        self.step(5_000);
        assert!(!self.watch.due(self.now), "{what}");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn a_file_changes_in_every_way() {
    let mut scene =
        Scene::new("file", &["app.pl"], |dir| fs::write(dir.join("app.pl"), "1").unwrap());
    scene.write("other.pl", "1");
    scene.write(".app.pl.swp", "1");
    scene.quiet("other files");
    fs::read(scene.path("app.pl")).unwrap();
    drop(OpenOptions::new().append(true).open(scene.path("app.pl")).unwrap());
    scene.quiet("read, or opened and not written");
    scene.write("app.pl", "2");
    scene.changed("written");
    scene.write("app.pl.new", "3");
    scene.rename("app.pl.new", "app.pl");
    scene.changed("replaced by rename, as editors do");
    scene.write("app.pl", "4");
    scene.changed("the new one is written");
    fs::remove_file(scene.path("app.pl")).unwrap();
    scene.changed("removed");
    scene.write("app.pl", "5");
    scene.changed("back");
    OpenOptions::new().append(true).open(scene.path("app.pl")).unwrap().write_all(b"x").unwrap();
    scene.changed("appended to");
    let touched = std::process::Command::new("touch").arg(scene.path("app.pl")).status().unwrap();
    assert!(touched.success());
    scene.changed("touched");
    scene.rename("app.pl", "app.pl~");
    scene.write("app.pl", "6");
    scene.changed("moved to a backup and written anew");
}

#[test]
fn a_file_named_like_noise_counts_when_it_is_asked_for() {
    let mut scene = Scene::new("env", &[".env"], |dir| fs::write(dir.join(".env"), "1").unwrap());
    scene.write(".env", "2");
    scene.changed("written");
}

#[test]
fn a_directory_with_all_that_is_below() {
    let mut scene = Scene::new("tree", &["lib"], |dir| {
        fs::create_dir_all(dir.join("lib/a/b")).unwrap();
        fs::create_dir_all(dir.join("lib/.git")).unwrap();
    });
    scene.write("lib/a/b/x.pm", "1");
    scene.changed("made deep below");
    scene.write("lib/.git/index", "1");
    scene.write("lib/a/x.pm~", "1");
    scene.write("lib/a/b/x.pyc", "1");
    fs::create_dir(scene.path("lib/__pycache__")).unwrap();
    scene.write("outside", "1");
    scene.quiet("noise");
    // Made before anybody watches it.
    fs::create_dir_all(scene.path("lib/new/deep/er")).unwrap();
    scene.write("lib/new/deep/er/y.pm", "1");
    scene.changed("a new directory");
    scene.write("lib/new/deep/er/y.pm", "2");
    scene.changed("written in the new directory");
    scene.rename("lib/new", "new");
    scene.changed("moved out");
    scene.write("new/deep/er/y.pm", "3");
    fs::create_dir(scene.path("new/z")).unwrap();
    scene.quiet("what was moved out");
    scene.rename("new", "lib/again");
    scene.changed("moved in");
    scene.write("lib/again/deep/er/y.pm", "4");
    scene.changed("written where it is now");
    fs::remove_dir_all(scene.path("lib/again")).unwrap();
    scene.changed("removed");
}

#[test]
fn a_directory_is_replaced() {
    let mut scene = Scene::new("replaced", &["up/lib"], |dir| {
        fs::create_dir_all(dir.join("up/lib")).unwrap();
    });
    fs::create_dir(scene.path("up/next")).unwrap();
    scene.write("up/next/x", "1");
    scene.quiet("beside it");
    scene.rename("up/lib", "up/old");
    scene.rename("up/next", "up/lib");
    scene.changed("replaced");
    scene.write("up/old/x", "1");
    scene.quiet("the old one");
    scene.write("up/lib/x", "2");
    scene.changed("the new one");
}

#[test]
fn a_path_vanishes_with_its_directory_and_comes_back() {
    let mut scene = Scene::new("vanish", &["up/app.pl"], |dir| {
        fs::create_dir(dir.join("up")).unwrap();
        fs::write(dir.join("up/app.pl"), "1").unwrap();
    });
    scene.rename("up", "away");
    scene.watch.read(scene.now);
    scene.step(200);
    assert!(scene.watch.due(scene.now));
    // Now it is looked for.
    let next = scene.watch.deadline().unwrap();
    assert_eq!(next.saturating_since(scene.now), FALLBACK - Duration::from_millis(200));
    scene.write("away/app.pl", "2");
    scene.now = next;
    scene.watch.read(scene.now);
    assert!(!scene.watch.due(scene.now));
    scene.rename("away", "up");
    scene.step(2_000);
    assert!(!scene.watch.due(scene.now));
    scene.step(200);
    assert!(scene.watch.due(scene.now), "it is back");
    scene.quiet("nobody looks any more");
    scene.write("up/app.pl", "3");
    scene.changed("seen by inotify again");
}

#[test]
fn a_link_is_set_to_another_target() {
    use std::os::unix::fs::symlink;
    let mut scene = Scene::new("link", &["current/lib"], |dir| {
        fs::create_dir_all(dir.join("releases/1/lib")).unwrap();
        fs::create_dir_all(dir.join("releases/2/lib")).unwrap();
        symlink("releases/1", dir.join("current")).unwrap();
    });
    scene.write("releases/1/lib/x", "1");
    scene.changed("written through another name");
    scene.write("releases/2/lib/x", "1");
    scene.quiet("the next release is being made");
    symlink("releases/2", scene.path("current.new")).unwrap();
    scene.rename("current.new", "current");
    scene.changed("deployed");
    scene.write("releases/1/lib/x", "2");
    scene.quiet("the former release");
    scene.write("releases/2/lib/x", "2");
    scene.changed("the present release");
}

#[test]
fn without_inotify_files_are_compared() {
    let mut scene = Scene::new("poll", &["lib"], |dir| fs::create_dir(dir.join("lib")).unwrap());
    // As if the kernel had given none.
    scene.watch.deaf = true;
    scene.watch.tell(Errno::MFILE);
    scene.watch.tell(Errno::MFILE);
    assert_eq!(scene.watch.notes().len(), 1, "said once");
    scene.watch.read(scene.now);
    scene.watch.schedule(scene.now);
    scene.write("lib/x", "1");
    for what in ["made", "longer", "removed"] {
        let next = scene.watch.deadline().unwrap();
        assert!(next.saturating_since(scene.now) <= FALLBACK);
        scene.now = next;
        assert!(!scene.watch.due(scene.now), "{what}");
        scene.step(200);
        assert!(scene.watch.due(scene.now), "{what}");
        scene.step(5_000);
        assert!(!scene.watch.due(scene.now), "{what}: once");
        scene.step(200);
        assert!(!scene.watch.due(scene.now), "{what}: once");
        match what {
            "made" => scene.write("lib/x", "22"),
            _ => fs::remove_file(scene.path("lib/x")).unwrap_or_default(),
        }
    }
}

#[test]
fn both_ways_see_one_change_once() {
    let mut scene = Scene::new("both", &["lib"], |dir| fs::create_dir(dir.join("lib")).unwrap());
    scene.watch.every = Some(Duration::from_millis(500));
    scene.watch.schedule(scene.now);
    scene.write("lib/x", "1");
    let mut times = 0;
    for _ in 0..100 {
        scene.watch.read(scene.now);
        times += u32::from(scene.watch.due(scene.now));
        scene.now = scene.watch.deadline().unwrap();
    }
    assert_eq!(times, 1);
}

#[test]
fn changes_without_end_are_taken_every_two_seconds() {
    let mut scene = Scene::new("busy", &["lib"], |dir| fs::create_dir(dir.join("lib")).unwrap());
    let mut times = 0;
    for round in 0..100 {
        scene.write("lib/x", &"x".repeat(round));
        scene.watch.read(scene.now);
        times += u32::from(scene.watch.due(scene.now));
        scene.step(100);
    }
    assert_eq!(times, 4);
}

#[test]
fn the_descriptor_tells_and_an_overflow_is_survived() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut scene = Scene::new("fd", &["lib"], |dir| fs::create_dir(dir.join("lib")).unwrap());
    let ready = |scene: &Scene| {
        let mut fds = [PollFd::from_borrowed_fd(scene.watch.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    };
    assert!(!ready(&scene));
    scene.write("lib/x", "1");
    assert!(ready(&scene));
    scene.changed("written");
    assert!(!ready(&scene));
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 20_000 {
        return;
    }
    // Two names by turns, so that no two events are taken for one.
    let files = ["a", "b"].map(|name| {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(scene.path(&format!("lib/{name}")))
            .unwrap()
    });
    for round in 0..=limit {
        (&files[round % 2]).write_all(b"x").unwrap();
    }
    fs::create_dir(scene.path("lib/missed")).unwrap();
    let mut reads = 0;
    while ready(&scene) {
        scene.watch.read(scene.now);
        reads += 1;
    }
    assert!(reads > 1, "one read does not take all");
    scene.changed("an overflow");
    scene.write("lib/missed/x", "1");
    scene.changed("in the directory whose creation was lost");
}

#[test]
fn events_and_what_they_mean() {
    let names = [OsString::from("app")].into();
    let tree = Place { path: "/t".into(), names: BTreeSet::new(), tree: true };
    let parent = Place { path: "/p".into(), names, tree: false };
    type F = ReadFlags;
    let says = |place: &Place, flags, name: &str| judge(Some(place), flags, Some(OsStr::new(name)));
    assert_eq!(judge(None, F::QUEUE_OVERFLOW, None), Verdict::Moved);
    assert_eq!(judge(None, F::IGNORED, None), Verdict::Nothing, "let go by ourselves");
    assert_eq!(judge(Some(&tree), F::IGNORED, None), Verdict::Ignored);
    assert_eq!(judge(Some(&tree), F::ATTRIB | F::ISDIR, None), Verdict::Nothing);
    for flags in [F::DELETE_SELF, F::MOVE_SELF, F::UNMOUNT] {
        assert_eq!(judge(Some(&parent), flags, None), Verdict::Moved);
    }
    assert_eq!(says(&parent, F::MODIFY, "other"), Verdict::Nothing);
    assert_eq!(says(&parent, F::MODIFY, "app"), Verdict::Changed);
    assert_eq!(says(&parent, F::MOVED_TO, "app"), Verdict::Moved);
    assert_eq!(says(&parent, F::ATTRIB | F::ISDIR, "app"), Verdict::Nothing);
    assert_eq!(says(&tree, F::CREATE | F::ISDIR, "d"), Verdict::Entered("/t/d".into()));
    assert_eq!(says(&tree, F::CREATE | F::ISDIR, ".git"), Verdict::Nothing);
    assert_eq!(says(&tree, F::MOVED_FROM | F::ISDIR, "d"), Verdict::Moved);
    assert_eq!(says(&tree, F::ATTRIB | F::ISDIR, "d"), Verdict::Nothing);
    assert_eq!(says(&tree, F::ATTRIB, "f"), Verdict::Changed);
    assert_eq!(says(&tree, F::DELETE, "f~"), Verdict::Nothing);
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    let settings = AutoReload { paths: vec!["/no/such/file".into()], ..AutoReload::default() };
    let error = Watch::new(&settings).unwrap_err();
    assert!(error.to_string().starts_with("cannot watch /no/such/file: "), "{error}");
}
