//! What each line says.

use super::*;

fn pid(raw: i32) -> Pid {
    Pid::from_raw(raw).unwrap()
}

#[test]
fn each_line_is_a_sentence() {
    let exit = |raw| Exit::from_raw(raw);
    let secs = Duration::from_secs;
    let expect = [
        (Line::Starting(pid(7), 0, 1), "starting worker 7 (slot 0, generation 1)"),
        (Line::Ready(pid(7)), "worker 7 is ready"),
        (Line::Left(pid(7), exit(0)), "worker 7 left, status:0"),
        (Line::LeftEarly(pid(7), exit(0)), "worker 7 left before it was ready, status:0"),
        (Line::Died(pid(7), exit(256)), "worker 7 died with status:256"),
        (
            Line::NotReady(pid(7), secs(60)),
            "worker 7 announced itself but was not ready within 60 secs, stopping it",
        ),
        (Line::CannotStart("no".into()), "cannot start a worker: no"),
        (
            Line::BackingOff(4, Duration::from_millis(100)),
            "4 failures in a row, the next start is in 0.1 secs",
        ),
        (Line::GaveUp(3), "giving up after 3 failures in a row"),
        (Line::HeldBack(150), "max-workers holds the pool back at 150 workers"),
        (Line::ExtraFull(2), "more than 2 workers drain (max-extra), new ones wait"),
        (Line::Surplus(pid(7)), "worker 7 is not needed any more"),
        (
            Line::Recycling(pid(7), Limit::Requests(1000)),
            "worker 7 has served 1000 requests, replacing it",
        ),
        (
            Line::Recycling(pid(7), Limit::Rss(300 << 20)),
            "worker 7 has 300M of resident memory, replacing it",
        ),
        (
            Line::Recycling(pid(7), Limit::Shared(12 << 10)),
            "worker 7 shares only 12K of memory, replacing it",
        ),
        (
            Line::RetireGivenUp(pid(7), secs(60), Signal::TERM),
            "worker 7 was not idle for 60 secs, sending TERM all the same",
        ),
        (
            Line::Reloading(Cause::Received(Signal::HUP), Reload::All),
            "received HUP, reloading (all)",
        ),
        (
            Line::Reloading(Cause::Changed, Reload::Rolling),
            "files have changed, reloading (rolling)",
        ),
        (
            Line::ReloadPending(Cause::Asked),
            "asked over the control socket during a reload, one more will follow",
        ),
        (
            Line::Trapped(
                Signal::USR1,
                Signal::TERM,
                Duration::from_millis(500),
                vec![pid(30), pid(4)],
            ),
            "received USR1, sending TERM to old workers:4,30, one each 0.5 secs",
        ),
        (
            Line::RequestTimeout(pid(7), secs(5), Signal::TERM),
            "worker 7 is in a request for more than 5 secs, sending TERM",
        ),
        (
            Line::Adjusted(Cause::Received(Signal::TTIN), 4),
            "received TTIN, the pool's size is 4 now",
        ),
        (
            Line::Stopping(Cause::Received(Signal::TERM), Signal::TERM, vec![pid(1), pid(2)]),
            "received TERM, sending TERM to all workers:1,2",
        ),
        (
            Line::Killing(Cause::Received(Signal::INT), vec![]),
            "received INT again, sending KILL to all workers:none",
        ),
        (
            Line::KillLimit(secs(60), vec![pid(10), pid(9)]),
            "not left within 60 secs after their signal, sending KILL to workers:9,10",
        ),
        (Line::WhileStopping(Signal::HUP), "received HUP while stopping, ignored"),
        (Line::Exiting, "exiting"),
    ];
    for (line, text) in expect {
        assert_eq!(line.to_string(), text);
    }
}

#[test]
fn what_a_launcher_may_be_told() {
    let exit = Exit::from_raw(0);
    assert!(Line::CannotStart("no".into()).is_failure());
    assert!(Line::LeftEarly(pid(7), exit).is_failure());
    assert!(!Line::Left(pid(7), exit).is_failure());
    assert!(!Line::GaveUp(3).is_failure(), "it would hide the reason");
}
