//! Many clients, slow ones and greedy ones: nobody else notices.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::control_client::{Http, SOCKET, boolean, request, string};
use super::harness::{Config, Supervisor, status_field};
use crate::sandbox::{Sandbox, eventually, promptly, stat_field};

fn idle<'s>(sandbox: &'s Sandbox) -> Supervisor<'s> {
    let ours = Config::new(sandbox).control().idle("p", "").idle("q", "").spawn();
    ours.starts("p");
    ours.starts("q");
    ours.call("supervisor.getVersion", &[]).says("3.0");
    ours
}

/// Ticks of processor time.
fn ticks(pid: i32) -> u64 {
    let field = |number| stat_field(pid, number).unwrap().parse::<u64>().unwrap();
    field(14) + field(15)
}

/// How often it went to sleep.
fn naps(pid: i32) -> u64 {
    status_field(pid, "voluntary_ctxt_switches").parse().unwrap()
}

/// Asks until the answer comes within this, again on a busy machine.
fn stays_fast(ours: &Supervisor<'_>) {
    promptly("getAllProcessInfo", Duration::from_millis(250), || {
        let began = Instant::now();
        let answer = ours.http().call("supervisor.getAllProcessInfo", &[]);
        assert!(answer.words().contains("statename"), "{}", answer.head);
        began.elapsed()
    });
}

/// Half of them never say anything, or stop in the middle of a word.
#[test]
fn two_hundred_clients() {
    const EACH: usize = 100;
    const CALLS: usize = 20;
    let sandbox = Sandbox::new("sv-many");
    let mut ours = idle(&sandbox);
    let descriptors = ours.descriptors();
    let memory = ours.memory();
    let mut silent: Vec<Http> = (0..EACH).map(|_| ours.http()).collect();
    for (number, http) in silent.iter_mut().enumerate() {
        let whole = request("supervisor.getVersion", &[], "");
        // From nothing at all to nearly all of it.
        http.send(&whole[..number % (whole.len() - 1)]).unwrap();
    }
    stays_fast(&ours);
    let together = Barrier::new(EACH);
    let path = sandbox.path(SOCKET);
    let busy = |_| {
        let mut http = eventually("a connection", || Http::unix(&path).ok());
        together.wait();
        for _ in 0..CALLS {
            let answer = http.call("supervisor.getProcessInfo", &[string("p")]);
            assert_eq!(answer.member("statename"), "RUNNING");
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..EACH).map(|number| scope.spawn(move || busy(number))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("all are answered"));
    });
    stays_fast(&ours);
    drop(silent);
    eventually("their descriptors are closed", || {
        (ours.descriptors() <= descriptors).then_some(())
    });
    let after = ours.memory();
    assert!(after < memory + 4 * 1024, "{memory} KiB before, {after} KiB after");
    ours.stop();
}

/// Who says nothing wakes nobody.
#[test]
fn silence_costs_nothing() {
    let sandbox = Sandbox::new("sv-silent");
    let config = Config::new(&sandbox).control().idle("p", "");
    let mut ours = config.idle("later", "startsecs=3\nautostart=false").spawn();
    ours.starts("p");
    let mut silent: Vec<Http> = (0..100).map(|_| ours.http()).collect();
    silent.iter_mut().for_each(|http| http.send(b"POST /RPC2 HT").unwrap());
    let mut http = ours.http();
    http.begin("supervisor.startProcess", &[string("later")]);
    ours.spawned("later");
    let before = (ticks(ours.pid()), naps(ours.pid()));
    // Three seconds in which nothing happens.
    http.answer().unwrap().says("1");
    let after = (ticks(ours.pid()), naps(ours.pid()));
    assert!(after.0 <= before.0 + 2 && after.1 <= before.1 + 20, "{before:?}, then {after:?}");
    ours.stop();
}

/// Clients that come and go, some in the middle of a request or of an answer.
#[test]
fn a_thousand_connections() {
    let sandbox = Sandbox::new("sv-come-and-go");
    let mut ours = idle(&sandbox);
    let descriptors = ours.descriptors();
    let whole = request("supervisor.getAllProcessInfo", &[], "");
    let round = |ours: &Supervisor<'_>| {
        for number in 0..500 {
            let mut http = ours.http();
            let part = match number % 3 {
                0 => 0,
                1 => whole.len() / 2,
                _ => whole.len(),
            };
            http.send(&whole[..part]).unwrap();
        }
        ours.call("supervisor.getVersion", &[]).says("3.0");
        eventually("their descriptors are closed", || {
            (ours.descriptors() <= descriptors).then_some(())
        });
    };
    round(&ours);
    let memory = ours.memory();
    round(&ours);
    let after = ours.memory();
    assert!(after <= memory + 1024, "{memory} KiB, then {after} KiB");
    ours.stop();
}

/// Ten megabytes are refused when they are announced, and when they come unannounced.
#[test]
fn a_large_body() {
    const SIZE: usize = 10 << 20;
    let sandbox = Sandbox::new("sv-large");
    let mut ours = idle(&sandbox);
    let before = ours.memory();
    let head = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n";
    let block = vec![b' '; 1 << 16];
    for chunked in [false, true] {
        let mut http = ours.http();
        let kind = match chunked {
            true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            false => format!("Content-Length: {SIZE}\r\n\r\n"),
        };
        http.send(format!("{head}{kind}").as_bytes()).unwrap();
        // It may be refused, and the connection closed, in the middle of it.
        for _ in 0..SIZE / block.len() {
            let sent = match chunked {
                true => http
                    .send(b"10000\r\n")
                    .and_then(|()| http.send(&block))
                    .and_then(|()| http.send(b"\r\n")),
                false => http.send(&block),
            };
            if sent.is_err() {
                break;
            }
        }
        let answer = http.answer().expect("a client is told why");
        assert_eq!(answer.status, 413, "{}", answer.head);
        let after = ours.memory();
        assert!(after < before + 4 * 1024, "chunked {chunked}: {before} KiB, then {after} KiB");
    }
    // A client that asks first need not send it.
    let mut http = ours.http();
    http.send(format!("{head}Expect: 100-continue\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes())
        .unwrap();
    assert_eq!(http.answer().unwrap().status, 413);
    let small = request("supervisor.getVersion", &[], "Expect: 100-continue\r\n");
    let end = small.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut http = ours.http();
    http.send(&small[..end]).unwrap();
    assert_eq!(http.head().unwrap().0, 100);
    http.send(&small[end..]).unwrap();
    http.answer().unwrap().says("3.0");
    ours.stop();
}

/// XML that is deep or wide is refused, or answered, without much memory.
#[test]
fn a_strange_body() {
    let sandbox = Sandbox::new("sv-strange");
    let mut ours = idle(&sandbox);
    let before = ours.memory();
    let bodies = [
        "<a>".repeat(100_000),
        format!(
            "<methodCall><methodName>x</methodName><params>{}",
            "<param><value><array><data>".repeat(30_000)
        ),
        format!(
            "<!DOCTYPE x [<!ENTITY a \"{}\">]><methodCall><methodName>{}</methodName></methodCall>",
            "x".repeat(10_000),
            "&a;".repeat(10_000)
        ),
        "<methodCall><methodName>&lol;</methodName></methodCall>".to_owned(),
        "\u{0}".repeat(1000),
        String::new(),
    ];
    for body in bodies {
        let length = body.len();
        let mut http = ours.http();
        let head =
            format!("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        let _ = http.send(&[head.as_bytes(), body.as_bytes()].concat());
        let shown: String = body.chars().take(60).collect();
        let answer = http.answer().unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(matches!(answer.status, 400 | 413), "{shown}: {}", answer.head);
    }
    let calls = "<value><struct><member><name>methodName</name><value>supervisor.getVersion</value></member>\
                 </struct></value>";
    let body = format!("<array><data>{}</data></array>", calls.repeat(5000));
    let answer = ours.http().call("system.multicall", &[body]);
    assert!(answer.status == 200 || answer.status == 413, "{}", answer.head);
    let after = ours.memory();
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
    ours.stop();
}

/// Somebody asks and asks, and never reads an answer.
#[test]
fn answers_that_nobody_takes() {
    let sandbox = Sandbox::new("sv-untaken");
    let mut ours = idle(&sandbox);
    let before = ours.memory();
    let whole = request("supervisor.getAllConfigInfo", &[], "");
    let path = sandbox.path(SOCKET);
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0_u64;
    // Until it is not taken any more.
    eventually("the greedy client is not read any more", || {
        match std::io::Write::write(&mut &stream, &whole) {
            Ok(count) => {
                sent += count as u64;
                (sent > 64 << 20).then_some(())
            }
            Err(_) => Some(()),
        }
    });
    assert!(sent < 64 << 20, "64 MB of requests were taken");
    let after = ours.memory();
    assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
    stays_fast(&ours);
    drop(stream);
    ours.stop();
}

/// Many wait for the same: each is told when it is so.
#[test]
fn many_who_wait() {
    let sandbox = Sandbox::new("sv-waiters");
    let steps = "on TERM say asked\nsay up\nwait leave\nexit 0";
    let config = Config::new(&sandbox).control().puppet("p", steps, "stopwaitsecs=600");
    let mut ours = config.spawn();
    ours.starts("p");
    sandbox.wait_text("p.out", "up");
    let mut waiting: Vec<Http> = (0..100).map(|_| ours.http()).collect();
    for http in &mut waiting {
        // The first stops it, the others wait for all that is being stopped: nothing more to stop.
        http.begin("supervisor.stopAllProcesses", &[]);
    }
    sandbox.wait_text("p.out", "asked");
    stays_fast(&ours);
    sandbox.write("leave", "");
    let answers: Vec<String> =
        waiting.iter_mut().map(|http| http.answer().expect("an answer").words()).collect();
    let stopped = answers.iter().filter(|words| words.contains("status 80")).count();
    assert_eq!(stopped, 1, "{answers:?}");
    ours.stop();
}

/// A thousand calls one after the other are a matter of moments.
#[test]
fn a_thousand_calls() {
    let sandbox = Sandbox::new("sv-calls");
    let mut ours = idle(&sandbox);
    let mut http = ours.http();
    promptly("a thousand calls", Duration::from_secs(1), || {
        let began = Instant::now();
        for _ in 0..1000 {
            http.call("supervisor.getProcessInfo", &[string("p")]);
        }
        began.elapsed()
    });
    // Starts and stops, over and over, leave nothing behind.
    let descriptors = ours.descriptors();
    for _ in 0..50 {
        http.call("supervisor.stopProcess", &[string("p")]).says("1");
        http.call("supervisor.startProcess", &[string("p"), boolean(true)]).says("1");
    }
    assert!(ours.descriptors() <= descriptors);
    ours.stop();
}
