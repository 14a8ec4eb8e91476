//! Answers on every inherited socket.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::net::{SocketType, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::steps::{expand, fail};

/// One thread for each socket of SERVER_STARTER_PORT.
pub fn serve() {
    let variable = std::env::var_os("SERVER_STARTER_PORT").unwrap_or_default();
    let entries = match fdpass::wire::parse_server_starter(&variable) {
        Ok(entries) => entries,
        Err(error) => fail(&format!("puppet: {error}")),
    };
    for entry in entries {
        let socket = duplicate(entry.fd);
        if sockopt::socket_type(&socket) == Ok(SocketType::DGRAM) {
            thread::spawn(move || answer_datagrams(&UdpSocket::from(socket)));
        } else {
            thread::spawn(move || answer_connections(&TcpListener::from(socket)));
        }
    }
}

/// An owned duplicate of a descriptor that is only known by its number.
fn duplicate(fd: i32) -> OwnedFd {
    let duplicate = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|own| pidfd_getfd(own, fd, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(socket) => socket,
        Err(error) => fail(&format!("puppet: descriptor {fd}: {error}")),
    }
}

/// Works for unix sockets as well: accept(2) and write(2) do not care about the family.
fn answer_connections(listener: &TcpListener) {
    while let Ok(connection) = rustix::net::accept(listener) {
        let _ = rustix::io::write(&connection, expand("$GEN $PID\n").as_bytes());
    }
}

fn answer_datagrams(socket: &UdpSocket) {
    let mut buffer = [0; 2048];
    while let Ok((_, from)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(expand("$GEN $PID\n").as_bytes(), from);
    }
}
