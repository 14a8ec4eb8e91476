//! Workers that are threads of this process, each with a signal of its own; forked ones are tested
//! with the examples.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::panic;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fdpass::notify::Receiver;
use fdpass::{BindOptions, Inherited};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{Signal as SysSignal, getpid, kill_process};
use scoreboard::{Board, Order as Wish, Reader, Shape, SlotView, State};
use sigpolicy::SignalSet;

use super::*;
use crate::prefork::maker::Order;
use crate::sockets::Sockets;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a manager has.
struct Pool {
    sockets: Sockets,
    board: Board,
    receiver: Receiver,
}

impl Pool {
    fn new(addresses: &[&str]) -> Pool {
        let specs: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let opened = Sockets::open(&specs, &BindOptions::default(), Inherited::none(), &[]);
        let mut board = Board::create(Shape::new(2)).unwrap();
        board.prepare(1).unwrap();
        Pool { sockets: opened.unwrap().0, board, receiver: Receiver::bind().unwrap() }
    }

    fn order(&self) -> Order<'_> {
        Order {
            id: 7,
            slot: 1,
            generation: 3,
            sockets: &self.sockets,
            notify: Some(self.receiver.address()),
            board: Some(self.board.slots_fd(1).unwrap()),
            life: None,
            access_log: None,
            ignored: SignalSet::new(),
            mask: SignalSet::new(),
            open_files: None,
        }
    }

    fn address(&self, index: usize) -> String {
        self.sockets.listeners().nth(index).unwrap().0.local_addr().to_string()
    }

    /// Runs a worker beside `body`.
    fn employ<T: Send + 'static>(
        &mut self,
        signal: Signal,
        max_requests: Option<u64>,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
        body: impl FnOnce(&mut Board, &Reader),
    ) -> T {
        let order = self.order();
        let terms = Terms {
            order: &order,
            signals: &[signal],
            hold: false,
            max_requests,
            watches_parent: true,
        };
        let mut worker = Worker::new(&terms).unwrap();
        let reader = self.board.reader();
        let work = beside(move || work(&mut worker));
        body(&mut self.board, &reader);
        work()
    }
}

/// Runs it in a thread that is left behind when it does not end, or when the test fails; what this
/// returns waits for the outcome.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || tell.send(work()));
    move || match told.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the worker does not leave"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}

fn send(signal: SysSignal) {
    kill_process(getpid(), signal).unwrap();
}

/// Sends a signal and waits until its handler has run, in whichever thread it met. The worker, which
/// came first, has heard of it then.
fn send_and_wait(signal: Signal, raw: SysSignal) {
    let heard = sigpolicy::Policy::new().catch(&[signal]).install().unwrap();
    send(raw);
    eventually(|| heard.arrivals() > 0);
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it never comes to that");
        thread::yield_now();
    }
}

/// Waits until the worker's slot says so.
fn until(reader: &Reader, wanted: impl Fn(SlotView<'_>) -> bool) {
    eventually(|| reader.snapshot().get(1).is_some_and(&wanted));
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn answer(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("superdaemon-worker-{}-{name}", std::process::id()))
}

#[test]
fn it_serves_both_kinds_and_leaves_on_a_signal() {
    let path = socket_path("both");
    let mut pool = Pool::new(&["127.0.0.1:0", path.to_str().unwrap()]);
    let tcp = pool.address(0);
    let work = |worker: &mut Worker| {
        assert_eq!((worker.id(), worker.slot(), worker.generation()), (7, 1, 3));
        assert_eq!(worker.listeners().len(), 2);
        let mut through = Vec::new();
        while let Some(mut request) = worker.accept().unwrap() {
            request.status("greets");
            let mut name = [0; 3];
            request.stream().read_exact(&mut name).unwrap();
            request.state(State::WRITING);
            request.stream().write_all(&name).unwrap();
            request.add_bytes(3);
            through.push(request.listener());
        }
        (through, worker.served(), worker.leaving())
    };
    let (through, served, leaving) = pool.employ(Signal::WINCH, None, work, |_, reader| {
        until(reader, |slot| slot.said_state() == Some(State::IDLE));
        let mut client = connect(&tcp);
        until(reader, |slot| slot.said_state() == Some(State::READING));
        client.write_all(b"tcp").unwrap();
        assert_eq!(answer(client), "tcp");
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"uni").unwrap();
        assert_eq!(answer(client), "uni");
        // In mid-request: it is finished first, and another connection is left for others.
        let mut client = connect(&tcp);
        until(reader, |slot| slot.in_request().is_some() && slot.requests() == 2);
        send_and_wait(Signal::WINCH, SysSignal::WINCH);
        let _late = connect(&tcp);
        client.write_all(b"end").unwrap();
        assert_eq!(answer(client), "end");
    });
    assert_eq!((through, served, leaving), (vec![0, 1, 0], 3, true));
    let snapshot = pool.board.reader().snapshot();
    let slot = snapshot.get(1).unwrap();
    assert_eq!((slot.requests(), slot.said_state()), (3, Some(State::GRACEFUL)));
    assert_eq!(slot.text().map(|text| text.to_string()), Some("greets".into()));
    let mut ready = 0;
    while let Some((message, _)) = pool.receiver.recv().unwrap() {
        ready += usize::from(message.ready);
    }
    assert_eq!(ready, 1, "once");
    pool.sockets.unlink();
}

#[test]
fn an_idle_worker_leaves_at_once() {
    let mut pool = Pool::new(&["127.0.0.1:0"]);
    let work = |worker: &mut Worker| worker.accept().unwrap().is_none();
    let left = pool.employ(Signal::URG, None, work, |_, reader| {
        until(reader, |slot| slot.said_state() == Some(State::IDLE));
        send(SysSignal::URG);
    });
    assert!(left);
}

#[test]
fn it_leaves_after_its_last_request_or_when_the_manager_wants_it() {
    let mut pool = Pool::new(&["127.0.0.1:0"]);
    let address = pool.address(0);
    let work = |worker: &mut Worker| {
        while let Some(mut request) = worker.accept().unwrap() {
            let _ = request.stream().write_all(b".");
        }
        worker.served()
    };
    let served = pool.employ(Signal::PROF, Some(2), work, |_, _| {
        for _ in 0..2 {
            assert_eq!(answer(connect(&address)), ".");
        }
    });
    assert_eq!(served, 2);
    let mut pool = Pool::new(&["127.0.0.1:0"]);
    let address = pool.address(0);
    let served = pool.employ(Signal::PROF, None, work, |board, reader| {
        until(reader, |slot| slot.said_state() == Some(State::IDLE));
        board.order(1, Wish::Leave).unwrap();
        // It looks when it is woken, and takes what it was woken for.
        let client = connect(&address);
        drop(client);
    });
    assert!(served <= 1);
}

#[test]
fn a_loop_of_its_own() {
    let mut pool = Pool::new(&["127.0.0.1:0"]);
    let address = pool.address(0);
    let (say, said) = mpsc::channel();
    let work = move |worker: &mut Worker| {
        let mut errors = Vec::new();
        while let Some(mut idle) = worker.waiting().unwrap() {
            if idle.slate().served() == 2 {
                // Between the check and accept.
                send(SysSignal::VTALARM);
                let end = Instant::now() + PATIENCE;
                let accepted = loop {
                    let accepted = accept_with(idle.listener(0).unwrap(), SocketFlags::CLOEXEC);
                    // The signal is handled by whichever thread it meets, and so perhaps later.
                    if accepted.is_err() || Instant::now() > end {
                        break accepted;
                    }
                };
                errors.extend(accepted.err());
                continue;
            }
            let client = accept_with(idle.listener(0).unwrap(), SocketFlags::CLOEXEC).unwrap();
            let mut serving = idle.serving();
            serving.status("by itself");
            rustix::io::write(&client, b"own").unwrap();
            say.send(()).unwrap();
        }
        (errors, worker.served())
    };
    let (errors, served) = pool.employ(Signal::VTALRM, None, work, |_, reader| {
        for _ in 0..2 {
            assert_eq!(answer(connect(&address)), "own");
            said.recv_timeout(PATIENCE).unwrap();
        }
        // Were the signal handled too late, these would release it.
        let _late = [0; 3].map(|_| connect(&address));
        until(reader, |slot| slot.said_state() == Some(State::GRACEFUL));
    });
    assert_eq!(served, 2);
    // EINTR when it was in accept already.
    use rustix::io::Errno;
    assert!(matches!(errors[..], [Errno::INVAL | Errno::INTR]), "{errors:?}");
}

#[test]
fn without_a_scoreboard() {
    let pool = Pool::new(&["127.0.0.1:0"]);
    let address = pool.address(0);
    let order = Order { board: None, notify: None, ..pool.order() };
    let terms = Terms {
        order: &order,
        signals: &[Signal::PWR],
        hold: true,
        max_requests: Some(1),
        watches_parent: false,
    };
    let mut worker = Worker::new(&terms).unwrap();
    let client = beside(move || answer(connect(&address)));
    let work = beside(move || {
        {
            let mut request = worker.accept().unwrap().unwrap();
            request.status("nobody sees this");
            assert!(sigpolicy::mask::current().contains(Signal::PWR), "held back");
            request.stream().write_all(b"hello").unwrap();
        }
        assert!(!sigpolicy::mask::current().contains(Signal::PWR));
        worker.accept().unwrap().is_none()
    });
    assert_eq!(client(), "hello");
    assert!(work());
}

/// The others sleep on: the kernel has woken this one alone.
#[test]
fn who_was_woken_takes_the_connection_before_it_leaves() {
    let mut pool = Pool::new(&["127.0.0.1:0", "127.0.0.1:0"]);
    let address = pool.address(1);
    let (woken, wakes) = mpsc::channel();
    let (dismiss, dismissed) = mpsc::channel::<()>();
    let work = move |worker: &mut Worker| {
        worker.accepting = Some(worker.choose().unwrap());
        worker.slate.wait();
        worker.wait().unwrap();
        woken.send(()).unwrap();
        dismissed.recv_timeout(PATIENCE).unwrap();
        assert!(worker.leaving());
        let mut through = Vec::new();
        while let Some(mut request) = worker.accept().unwrap() {
            request.stream().write_all(b"still").unwrap();
            through.push(request.listener());
        }
        through
    };
    let through = pool.employ(Signal::TTIN, None, work, |board, _| {
        let client = connect(&address);
        wakes.recv_timeout(PATIENCE).unwrap();
        board.order(1, Wish::Leave).unwrap();
        dismiss.send(()).unwrap();
        assert_eq!(answer(client), "still");
    });
    assert_eq!(through, [1], "and no other");
}
