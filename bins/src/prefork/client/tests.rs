use super::*;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use scoreboard::{Board, Occupant, Shape};

use crate::control::{self, Client, Heard, PathSocket};
use crate::files::PidFile;
use crate::prefork::control::{Request, parse, reply};

fn dir(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("superdaemon-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A manager that answers so many clients.
fn manager(socket: OwnedFd, clients: usize) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..clients {
            let limit = Some(Duration::from_secs(10));
            assert!(readable(&[socket.as_fd()], limit).unwrap(), "nobody asks");
            let fd = control::accept(&socket).unwrap().unwrap();
            let mut client = Client::default();
            let line = loop {
                match client.read(&fd) {
                    Heard::More => drop(readable(&[fd.as_fd()], limit).unwrap()),
                    Heard::Request(line) => break line,
                    Heard::Gone => panic!("gone"),
                }
            };
            let answer = match parse(&line) {
                Ok(Request::Status) => {
                    let mut status = Status::default();
                    status.manager.generation = 7;
                    status.encode()
                }
                Ok(Request::Add(count)) => reply(&Ok(format!("{count} more"))),
                Ok(Request::Remove(_)) => String::new(),
                Ok(Request::Reload) => "done".to_owned(),
                Ok(_) => reply(&Err("not now".to_owned())),
                Err(reason) => reply(&Err(reason)),
            };
            assert_eq!(client.answer(&fd, answer), control::Sent::All);
        }
    })
}

#[test]
fn a_manager_is_found_by_pid_file_and_by_path() {
    let dir = dir("client");
    let path = dir.join("control");
    let socket = PathSocket::open(&path).unwrap();
    let by_path = Where { control: Some(path), ..Where::default() };
    let answering = manager(socket.try_clone().unwrap(), 7);
    assert_eq!(status(&by_path).unwrap().manager.generation, 7);
    let limit = Some(Duration::from_secs(10));
    assert_eq!(command(&by_path, "add 2", limit).unwrap(), "2 more");
    let failed = |request: &str| command(&by_path, request, limit).unwrap_err();
    assert_eq!(failed("signal USR1").to_string(), "not now");
    assert_eq!(failed("stop").to_string(), "not now");
    assert_eq!(failed("dance").to_string(), "unknown request: dance");
    let vanished = failed("remove 1");
    assert!(vanished.to_string().contains("went away"), "{vanished}");
    assert!(failed("reload").to_string().contains("went away"), "half an answer");
    answering.join().unwrap();
    socket.remove();
    assert!(status(&by_path).unwrap_err().to_string().starts_with("failed to connect to "));

    let pid_file = dir.join("pid");
    let mut held = PidFile::lock(&pid_file).unwrap();
    held.write(Pid::own()).unwrap();
    let by_pid = Where { pid_file: Some(pid_file), ..Where::default() };
    let deaf = status(&by_pid).unwrap_err();
    assert!(deaf.to_string().contains("listens to no commands"), "{deaf}");
    let answering = manager(control::open(PROGRAM, Pid::own()).unwrap(), 2);
    assert_eq!(status(&by_pid).unwrap().manager.generation, 7);
    assert_eq!(command(&by_pid, "add 1", limit).unwrap(), "1 more");
    answering.join().unwrap();
    held.remove();
    assert!(status(&by_pid).is_err());
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_silent_manager_is_not_waited_for_longer_than_asked() {
    let dir = dir("silent");
    let path = dir.join("control");
    let silent = UnixListener::bind(&path).unwrap();
    let place = Where { control: Some(path), ..Where::default() };
    let late = command(&place, "reload", Some(Duration::ZERO)).unwrap_err().to_string();
    assert_eq!(late, "reload: not done within 0 seconds; it goes on");
    let mut request = [0; 7];
    silent.accept().unwrap().0.read_exact(&mut request).unwrap();
    assert_eq!(&request, b"reload\n");

    let late = status_within(&place, Some(Duration::ZERO)).unwrap_err().to_string();
    assert_eq!(late, "the manager does not answer within 0 seconds");
    drop(silent.accept().unwrap());

    let babbling = std::thread::spawn(move || {
        let (mut client, _) = silent.accept().unwrap();
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    assert!(status(&place).is_err());
    babbling.join().unwrap();
    let nowhere = command(&Where::default(), "stop", None).unwrap_err();
    assert!(nowhere.to_string().starts_with("to stop a manager"), "{nowhere}");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_scoreboard_is_enough_for_a_status() {
    let dir = dir("board");
    let path = dir.join("board");
    let mut board = Board::create_file(&path, Shape::new(3)).unwrap();
    board.prepare(1).unwrap();
    board.occupy(1, &Occupant::new(std::process::id())).unwrap();
    let place = Where { scoreboard: Some(path.clone()), ..Where::default() };
    let found = status(&place).unwrap();
    assert_eq!((found.workers.len(), found.pool.max_workers), (1, 3));
    assert!(found.workers[0].rss.is_some());
    // Also when the manager does not answer.
    let control = Some(dir.join("none"));
    assert_eq!(status(&Where { control, ..place.clone() }).unwrap().workers.len(), 1);
    let refused = command(&place, "stop", None).unwrap_err();
    assert!(refused.to_string().contains("must be named"), "{refused}");
    drop(board);
    let none = Where { scoreboard: Some(dir.join("none")), ..Where::default() };
    let none = status(&none).unwrap_err();
    assert!(none.to_string().starts_with("failed to read the scoreboard"), "{none}");
    fs::remove_dir_all(&dir).unwrap();
}
