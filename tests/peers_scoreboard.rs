//! Scoreboards of Perl modules: theirs read by `scoreboard::legacy`, ours by them.
//!
//! Parallel::Scoreboard is in no Debian package. Its tests run with a stand-in in any case, and with
//! the module too where perl finds it, for instance by PERL5LIB.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};
use scoreboard::legacy::parallel::{Entry, Owner, Unread, read_all};
use scoreboard::legacy::prefork::{self, Record};
use scoreboard::legacy::spare_workers::{self, Slot};
use scoreboard::{LongText, State};
use sigpolicy::Signal;

use crate::peers::{installed, perl_modules, program};
use crate::sandbox::{DEADLINE, Launch, Sandbox, Server, eventually, kill};

/// Nothing, little, as much as fits a slot but one, and more than a page.
const LENGTHS: [usize; 4] = [0, 1, 439, 100_000];
const FLOOD: [usize; 5] = [100_000, 439, 0, 30_000, 5000];

/// A text says by its length what its bytes are; `text` of `scoreboard_peer.pl`.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + length) & 255) as u8).collect()
}

/// The modules that write these records; `StandIn` is in `data`.
fn modules() -> Vec<&'static str> {
    if !installed("perl", program("perl")) {
        return Vec::new();
    }
    let real = "Parallel::Scoreboard";
    if perl_modules(&[real]) {
        return vec!["StandIn", real];
    }
    eprintln!("skipped: {real} is not installed; only its stand-in is tested");
    vec!["StandIn"]
}

/// A Perl program that does what it is told, line by line.
struct Peer {
    server: Server,
    commands: File,
}

impl Peer {
    fn start(launch: Launch) -> Self {
        let (stdin, commands) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        Self { server: launch.stdin(stdin).spawn(), commands: commands.into() }
    }

    /// `scoreboard_peer.pl` with one of the [`modules`], in the sandbox's `board`.
    fn new(sandbox: &Sandbox, module: &str, id: Option<&str>) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/data");
        std::fs::create_dir_all(sandbox.path("board")).unwrap();
        let launch = sandbox.run("perl").arg("-I").arg(&data);
        let launch = launch.arg(data.join("scoreboard_peer.pl")).args([module, "board"]).args(id);
        let peer = Self::start(launch);
        peer.server.wait_line("up ");
        peer
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// The answer, without the word it begins with.
    fn ask(&mut self, command: &str, answer: &str) -> String {
        self.tell(command);
        self.server.wait_line(answer).text[answer.len()..].trim_start().to_owned()
    }

    fn die(&mut self) {
        self.server.signal(Signal::KILL);
        self.server.wait_exit();
    }
}

fn entries(sandbox: &Sandbox) -> Vec<Entry> {
    read_all(sandbox.path("board")).unwrap()
}

fn only(sandbox: &Sandbox) -> Entry {
    let mut entries = entries(sandbox);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[test]
fn their_texts() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-theirs");
        let mut worker = Peer::new(&sandbox, module, None);
        let pid = u32::try_from(worker.server.pid()).unwrap();
        // Up and down: what is left of a longer one does not count.
        for length in LENGTHS.into_iter().chain(LENGTHS.into_iter().rev()) {
            worker.ask(&format!("update {length}"), "updated");
            let entry = only(&sandbox);
            assert_eq!((entry.pid(), entry.owner), (Some(pid), Owner::Alive), "{module}");
            assert!(entry.text.unwrap() == text(length), "{module} {length}");
        }
    }
}

#[test]
fn their_dead_owner() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-dead");
        let mut worker = Peer::new(&sandbox, module, Some("first"));
        let mut other = Peer::new(&sandbox, module, Some("second"));
        worker.ask("update 439", "updated");
        other.ask("update 1", "updated");
        assert_eq!(other.ask("read", "found"), "first=439 second=1");
        worker.die();
        let [first, second] = &entries(&sandbox)[..] else { panic!("{module}: two files") };
        assert_eq!((first.owner, second.owner), (Owner::Dead, Owner::Alive), "{module}");
        assert_eq!(first.text.as_ref().unwrap(), &text(439), "its last words");
        assert!(sandbox.exists("board/status_first"), "reading removes nothing");
        assert_eq!(other.ask("read", "found"), "second=1");
    }
}

/// The lock is the open file's: a child that keeps it stands for its parent.
#[test]
fn their_forked_child() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-forked");
        let mut worker = Peer::new(&sandbox, module, None);
        let mut other = Peer::new(&sandbox, module, None);
        worker.ask("update 439", "updated");
        let child: i32 = worker.ask("fork", "forked").parse().unwrap();
        let pid = worker.server.pid();
        worker.die();
        let entry = only(&sandbox);
        assert_eq!((entry.pid(), entry.owner), (u32::try_from(pid).ok(), Owner::Alive), "{module}");
        assert_eq!(other.ask("read", "found"), format!("{pid}=439"));
        kill(child, Signal::KILL);
        eventually("the lock is free", || (only(&sandbox).owner == Owner::Dead).then_some(()));
        assert_eq!(other.ask("read", "found"), "");
    }
}

#[test]
fn theirs_while_they_write() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-flood");
        let mut worker = Peer::new(&sandbox, module, Some("w 1"));
        worker.ask("update 0", "updated");
        worker.tell(&format!("flood {}", FLOOD.map(|length| length.to_string()).join(" ")));
        worker.server.wait_line("flooding");
        let mut whole = 0;
        for _ in 0..200 {
            let entry = only(&sandbox);
            assert_eq!((entry.id.to_str(), entry.owner), (Some("w 1"), Owner::Alive), "{module}");
            match entry.text {
                Ok(found) => {
                    assert!(FLOOD.contains(&found.len()) && found == text(found.len()), "{module}");
                    whole += 1;
                }
                Err(Unread::Torn) => {}
                Err(other) => panic!("{module}: {other}"),
            }
        }
        assert!(whole >= 100, "{module}: {whole} of 200");
    }
}

#[test]
fn our_texts() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-ours");
        let mut reader = Peer::new(&sandbox, module, None);
        let mut ours = LongText::create(sandbox.path("board"), "ours").unwrap();
        for length in LENGTHS.into_iter().chain(LENGTHS.into_iter().rev()) {
            ours.write(&text(length)).unwrap();
            assert_eq!(reader.ask("read", "found"), format!("ours={length}"), "{module}");
        }
        // The place of one that has died, and theirs beside it.
        drop(ours);
        assert_eq!(reader.ask("read", "found"), "", "{module}");
        sandbox.write("board/status_ours", "left behind");
        let mut ours = LongText::create(sandbox.path("board"), "ours").unwrap();
        ours.write(&text(1)).unwrap();
        let mut worker = Peer::new(&sandbox, module, Some("theirs"));
        worker.ask("update 439", "updated");
        assert_eq!(reader.ask("read", "found"), "ours=1 theirs=439", "{module}");
    }
}

#[test]
fn ours_while_we_write() {
    for module in modules() {
        let sandbox = Sandbox::new("scoreboard-our-flood");
        let mut reader = Peer::new(&sandbox, module, None);
        let mut ours = LongText::create(sandbox.path("board"), "ours").unwrap();
        let texts = FLOOD.map(text);
        ours.write(&texts[0]).unwrap();
        reader.tell("count ours 200");
        let start = Instant::now();
        while reader.server.count("counted") == 0 {
            assert!(start.elapsed() < DEADLINE, "{}", reader.server.transcript());
            texts.iter().for_each(|text| ours.write(text).unwrap());
        }
        let counted = reader.server.wait_line("counted");
        assert!(counted.text.contains("other=0"), "{module}: {}", counted.text);
        assert!(counted.number_after("whole=") >= 100, "{module}: {}", counted.text);
    }
}

/// The board of Parallel::Prefork::SpareWorkers, and what the module itself says of it.
#[test]
fn spare_workers_of_perl() {
    const PROGRAM: &str = r"
use Parallel::Prefork::SpareWorkers::Scoreboard;
use POSIX ();
$| = 1;
my $board = Parallel::Prefork::SpareWorkers::Scoreboard->new('board', 6);
sub start {
    my ($state) = @_;
    my $child = fork // die $!;
    return if $child;
    $board->child_start;
    $board->set_status($state);
    print qq{started $$\n};
    POSIX::pause() while 1;
}
sub finish { kill KILL => $_[0]; waitpid $_[0], 0; $board->clear_child($_[0]); print qq{finished\n} }
sub list { print join(' ', 'statuses', $board->get_statuses), qq{\n} }
while (<STDIN>) { my ($name, @words) = split; main->can($name)->(@words) }
";
    let modules = ["Parallel::Prefork::SpareWorkers::Scoreboard"];
    if !installed("libparallel-prefork-perl", perl_modules(&modules)) {
        return;
    }
    let sandbox = Sandbox::new("scoreboard-spare");
    sandbox.write("manager.pl", PROGRAM);
    let mut manager = Peer::start(sandbox.run("perl").arg("manager.pl"));
    let agrees = |manager: &mut Peer, expected: [(char, i32); 6]| {
        let slots = spare_workers::read(sandbox.path("board")).unwrap();
        let letter = |slot: &Slot| match slot {
            Slot::Worker { letter, .. } => char::from(*letter),
            other => other.state().letter(),
        };
        let letters: Vec<String> = slots.iter().map(|slot| letter(slot).to_string()).collect();
        assert_eq!(manager.ask("list", "statuses"), letters.join(" "));
        let found = slots.iter().map(|slot| (letter(slot), slot.pid().unwrap_or(0)));
        let expected = expected.map(|(letter, pid)| (letter, u32::try_from(pid).unwrap()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        slots
    };
    manager.tell("list");
    manager.server.wait_line("statuses");
    agrees(&mut manager, [('.', 0); 6]);
    let [idle, a, w, digit, odd] = ["_", "A", "W", "7", "!"]
        .map(|state| manager.ask(&format!("start {state}"), "started").parse().unwrap());
    let slots =
        agrees(&mut manager, [('_', idle), ('A', a), ('W', w), ('7', digit), ('!', odd), ('.', 0)]);
    let states: Vec<State> = slots.iter().map(Slot::state).collect();
    assert_eq!((states[0], states[4], states[5]), (State::IDLE, State::UNKNOWN, State::FREE));
    manager.ask(&format!("finish {a}"), "finished");
    agrees(&mut manager, [('_', idle), ('.', 0), ('W', w), ('7', digit), ('!', odd), ('.', 0)]);
    let next = manager.ask("start B", "started").parse().unwrap();
    agrees(&mut manager, [('_', idle), ('B', next), ('W', w), ('7', digit), ('!', odd), ('.', 0)]);
}

/// Proc::Daemon::Prefork is in no package: its records as Perl packs them.
#[test]
fn prefork_records_of_perl() {
    const PROGRAM: &str = r"
open my $board, '>:raw', 'board' or die $!;
print $board pack 'NNSNNAx', @$_ for
    [4711, 1700000000, 2, 1700000010, 1700000011, 'W'], [0, 0, 0, 0, 0, '_'],
    [4194304, 1700000001, 65535, 0, 1700000002, '_'], [4294967295, 4294967295, 0, 0, 0, '.'];
print $board 'the rest';
close $board or die $!;
";
    if !installed("perl", program("perl")) {
        return;
    }
    let sandbox = Sandbox::new("scoreboard-prefork");
    let done = sandbox.run("perl").args(["-e", PROGRAM]).output();
    assert_eq!(done.code, Some(0), "{done:?}");
    let record = |pid, child_start, requests, request_start, changed, letter| Record {
        pid,
        child_start,
        requests,
        request_start,
        changed,
        letter,
        reserved: 0,
    };
    let expected = [
        record(4711, 1_700_000_000, 2, 1_700_000_010, 1_700_000_011, b'W'),
        record(0, 0, 0, 0, 0, b'_'),
        record(4_194_304, 1_700_000_001, 65535, 0, 1_700_000_002, b'_'),
        record(u32::MAX, u32::MAX, 0, 0, 0, b'.'),
    ];
    let records = prefork::read(sandbox.path("board")).unwrap();
    assert_eq!(records, expected);
    let states: Vec<State> = records.iter().map(Record::state).collect();
    assert_eq!(states, [State::WRITING, State::FREE, State::IDLE, State::FREE]);
}
