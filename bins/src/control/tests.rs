use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

fn pair() -> (OwnedFd, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours.into(), theirs.into())
}

#[test]
fn requests_arrive_in_pieces_and_nonsense_ends_the_talk() {
    let (ours, theirs) = pair();
    let mut client = Client::default();
    assert_eq!(client.read(&ours), Heard::More);
    answer(&theirs, "sta");
    assert_eq!(client.read(&ours), Heard::More);
    answer(&theirs, "tus\n");
    assert_eq!(client.read(&ours), Heard::Request("status".to_owned()));
    answer(&theirs, "status\n");
    assert_eq!(client.read(&ours), Heard::Gone, "one request a connection");
    let long = format!("{}\n", "x".repeat(LONGEST));
    for nonsense in ["two\nlines\n".to_owned(), "x".repeat(LONGEST), long] {
        answer(&theirs, &nonsense);
        assert_eq!(Client::default().read(&ours), Heard::Gone, "{nonsense}");
        let mut rest = [0; 2 * LONGEST];
        let _ = rustix::io::read(&ours, &mut rest);
    }
    send(&theirs, b"\xff\n", SendFlags::NOSIGNAL).unwrap();
    assert_eq!(Client::default().read(&ours), Heard::Gone);
    drop(theirs);
    assert_eq!(Client::default().read(&ours), Heard::Gone);
}

#[test]
fn only_the_process_with_that_pid_is_believed() {
    let own = Pid::own();
    let listener = open("test", own).unwrap();
    let dialled = dial("test", own).unwrap();
    assert!(answers_us(&dialled));
    assert!(dial("another-test", own).is_none());
    assert!(accept(&listener).unwrap().is_some());
    assert!(accept(&listener).unwrap().is_none());
    drop(dialled);
    let other = Pid::from_raw(own.as_raw().saturating_add(1)).unwrap();
    let _imposter = open("test", other).unwrap();
    assert!(dial("test", other).is_none());
}

#[test]
fn a_long_answer_arrives_whole() {
    let (ours, theirs) = pair();
    let text = "0123456789".repeat(200_000);
    let asking = std::thread::spawn(move || ask(&theirs, "status", Some(Duration::from_secs(10))));
    let mut client = Client::default();
    while client.read(&ours) == Heard::More {
        readable(&[ours.as_fd()], Some(Duration::from_secs(10))).unwrap();
    }
    let mut sent = client.answer(&ours, text.clone());
    assert_eq!(sent, Sent::Part, "more than a socket holds");
    while sent == Sent::Part {
        let mut waiting = [PollFd::new(&ours, PollFlags::OUT)];
        poll(&mut waiting, None).unwrap();
        sent = client.send_more(&ours);
    }
    assert_eq!(sent, Sent::All);
    drop(ours);
    assert!(asking.join().unwrap().unwrap().is_some_and(|answer| answer == text));
}

#[test]
fn who_hangs_up_is_noticed_and_who_is_silent_not_waited_for() {
    let (ours, theirs) = pair();
    drop(theirs);
    assert_eq!(Client::default().answer(&ours, "text".to_owned()), Sent::Gone);
    let (ours, _theirs) = pair();
    assert_eq!(ask(&ours, "status", Some(Duration::ZERO)).unwrap(), None);
}

#[test]
fn a_socket_with_a_path_is_for_its_owner_alone() {
    let dir = std::env::temp_dir().join(format!("superdaemon-control-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("control");
    // What a manager that was killed leaves behind.
    drop(UnixListener::bind(&path).unwrap());
    let socket = PathSocket::open(&path).unwrap();
    let fd = socket.try_clone().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(accept(&fd).unwrap().is_none(), "it does not wait");
    let line = dial_path(&path).unwrap();
    let client = accept(&fd).unwrap().unwrap();
    assert_eq!(peer(&line).unwrap(), peer(&client).unwrap());
    let refused = PathSocket::open(&path).unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");
    socket.remove();
    assert!(!path.exists());
    assert!(dial_path(&path).is_err());

    fs::write(&path, "precious").unwrap();
    let refused = PathSocket::open(&path).unwrap_err().to_string();
    assert!(refused.contains("a regular file is in the way"), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_dir_all(&dir).unwrap();
}
