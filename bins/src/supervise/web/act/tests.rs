//! Forms against the fake supervisor.

use super::super::fake::Fake;
use super::*;

const TOKEN: &str = "0123456789abcdef";

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn press(world: &mut Fake, restarts: &mut Restarts, action: &str, target: &str) -> String {
    let form = fields(&[("token", TOKEN), (action, target)]);
    act(world, restarts, TOKEN, &[], &form).unwrap().message
}

#[test]
fn without_the_token_nothing_is_done() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    let mut restarts = Restarts::default();
    let stop = ("stop", "web:a");
    for form in [
        vec![stop],
        vec![stop, ("token", "")],
        vec![stop, ("token", "0123456789abcdeX")],
        vec![stop, ("token", "0123456789abcdef0")],
        vec![stop, ("token", "0123456789abcde")],
        // The first counts, so that a second cannot be slipped in after it.
        vec![("token", "x"), stop, ("token", TOKEN)],
    ] {
        let refused = act(&mut world, &mut restarts, TOKEN, &[], &fields(&form)).unwrap_err();
        assert_eq!((refused.status, refused.content_type), (403, HTML));
        assert!(!refused.body.contains(TOKEN));
    }
    // No token at all lets nobody in.
    let form = fields(&[("token", ""), stop]);
    assert_eq!(act(&mut world, &mut restarts, "", &[], &form).unwrap_err().status, 403);
    assert!(world.orders.is_empty());
}

#[test]
fn what_is_no_order() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    let mut restarts = Restarts::default();
    for form in [
        vec![],
        vec![("kill", "web:a")],
        vec![("action", "stop")],
        vec![("action", "kill"), ("process", "web:a")],
        vec![("action", "stop"), ("process", "web:a"), ("group", "web")],
        vec![("action", "stop"), ("all", "0")],
    ] {
        let mut form = fields(&form);
        form.push(("token".to_owned(), TOKEN.to_owned()));
        assert_eq!(act(&mut world, &mut restarts, TOKEN, &[], &form).unwrap_err().status, 400);
    }
    assert!(world.orders.is_empty());
}

#[test]
fn buttons_and_fields_say_the_same() {
    for (button, said) in [
        (("stop", "web:a"), vec![("action", "stop"), ("process", "web:a")]),
        (("stop", "web:*"), vec![("action", "stop"), ("group", "web")]),
        (("stop", "*"), vec![("action", "stop"), ("all", "1")]),
    ] {
        let orders = |pairs: &[(&str, &str)]| {
            let mut world = Fake::new();
            world.add("web", "a", State::Running);
            world.add("web", "b", State::Running);
            world.add("cron", "cron", State::Running);
            let mut form = fields(pairs);
            form.push(("token".to_owned(), TOKEN.to_owned()));
            act(&mut world, &mut Restarts::default(), TOKEN, &[], &form).unwrap();
            world.orders
        };
        let orders = [orders(&[button]), orders(&said)];
        assert!(!orders[0].is_empty());
        assert_eq!(orders[0], orders[1]);
    }
}

#[test]
fn one_process() {
    let mut world = Fake::new();
    let mut restarts = Restarts::default();
    let a = world.add("web", "a", State::Running);
    world.add("cron", "cron", State::Stopped);
    let mut press = |action, target| press(&mut world, &mut restarts, action, target);
    assert_eq!(press("start", "web:a"), "web:a: already started");
    assert_eq!(press("stop", "web:a"), "web:a: told to stop");
    assert_eq!(press("stop", "web:a"), "web:a: not running");
    assert_eq!(press("start", "web:a"), "web:a: it is being stopped just now");
    assert_eq!(press("start", "cron"), "cron: started");
    assert_eq!(press("start", "web:b"), "There is no process of that name.");
    assert_eq!(press("clear", "web:a"), "web:a: log cleared");
    assert_eq!(world.cleared, [a]);
}

#[test]
fn why_it_does_not_start() {
    let mut world = Fake::new();
    let [missing, broken, unknown] = ["missing", "broken", "unknown"].map(|name| {
        let state = if name == "unknown" { State::Unknown } else { State::Fatal };
        world.add("web", name, state)
    });
    world.missing.insert(missing);
    world.broken.insert(broken);
    let mut restarts = Restarts::default();
    let mut press = |action, name: &str| press(&mut world, &mut restarts, action, name);
    let why = "web:missing: not started: can't find command '/x'";
    assert_eq!(press("start", "web:missing"), why);
    assert_eq!(press("start", "web:broken"), "web:broken: not started: unknown error making it");
    assert_eq!(press("start", "web:unknown"), "web:unknown: it cannot be signalled");
    assert_eq!(press("restart", "web:unknown"), "web:unknown: it cannot be signalled");
    assert!(!world.orders.contains(&Order::Start(missing)));
    assert!(world.orders.contains(&Order::Start(unknown)));
}

#[test]
fn a_restart_starts_when_it_has_stopped() {
    let mut world = Fake::new();
    let mut restarts = Restarts::default();
    let id = world.add("web", "a", State::Running);
    assert_eq!(press(&mut world, &mut restarts, "restart", "web:a"), "web:a: restarted");
    assert_eq!(world.orders, [Order::Stop(id)]);
    world.set(id, State::Stopped);
    restarts.changed(&mut world, &[id]);
    assert_eq!(world.orders, [Order::Stop(id), Order::Start(id)]);
    // What does not run has nothing to wait for.
    let id = world.add("web", "b", State::Exited);
    press(&mut world, &mut restarts, "restart", "web:b");
    assert_eq!(world.orders.last(), Some(&Order::Start(id)));
    let id = world.add("web", "c", State::Backoff);
    press(&mut world, &mut restarts, "restart", "web:c");
    assert_eq!(world.orders[4..], [Order::Stop(id), Order::Start(id)]);
}

#[test]
fn a_restart_can_be_taken_back() {
    let mut world = Fake::new();
    let mut restarts = Restarts::default();
    let id = world.add("web", "a", State::Running);
    press(&mut world, &mut restarts, "restart", "web:a");
    assert_eq!(press(&mut world, &mut restarts, "stop", "web:a"), "web:a: told to stop");
    world.set(id, State::Stopped);
    restarts.changed(&mut world, &[id]);
    assert!(!world.orders.contains(&Order::Start(id)));
}

#[test]
fn what_could_not_come_back_is_not_stopped() {
    let mut world = Fake::new();
    let id = world.add("web", "a", State::Running);
    world.missing.insert(id);
    let said = press(&mut world, &mut Restarts::default(), "restart", "web:a");
    assert_eq!(said, "web:a: not started: can't find command '/x'");
    assert!(world.orders.is_empty());
}

#[test]
fn several() {
    let mut world = Fake::new();
    let mut restarts = Restarts::default();
    let a = world.add("web", "a", State::Running);
    let b = world.add("web", "b", State::Stopped);
    let c = world.add("cron", "cron", State::Running);
    let mut press = |action, target| press(&mut world, &mut restarts, action, target);
    assert_eq!(press("start", "web:*"), "web: 1 started, 1 ran already");
    assert_eq!(press("stop", "*"), "3 told to stop");
    assert_eq!(press("stop", "no:*"), "There is no group of that name.");
    assert_eq!(press("clear", "web:*"), "web: 2 logs cleared");
    let stops = [c, b, a].map(Order::Stop);
    assert_eq!(world.orders[2..], stops, "in the reverse order");
    assert_eq!(world.cleared, [a, b]);
}

#[test]
fn while_all_is_being_stopped() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    world.add("web", "b", State::Stopped);
    world.mood = Mood::ShuttingDown;
    let mut restarts = Restarts::default();
    for (action, name) in [("start", "web:b"), ("stop", "web:a"), ("restart", "web:a")] {
        let said = press(&mut world, &mut restarts, action, name);
        assert_eq!(said, format!("{name}: everything is being stopped"));
    }
    assert!(restarts.is_empty());
}

#[test]
fn logs_that_cannot_be_cleared() {
    let mut world = Fake::new();
    let a = world.add("web", "a", State::Running);
    world.add("web", "b", State::Running);
    world.of(a).stdout_logfile = String::new();
    world.clear_fails = true;
    let said = press(&mut world, &mut Restarts::default(), "clear", "web:*");
    assert_eq!(said, "web: 1 without a log, 1 not cleared (the log could not be emptied)");
}

#[test]
fn the_page_stays_what_it_was() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    let form = fields(&[("token", TOKEN), ("stop", "web:a")]);
    let query = fields(&[("group", "web"), ("refresh", "5"), ("turn", "7"), ("x", "\r\nSet: y")]);
    let acted = act(&mut world, &mut Restarts::default(), TOKEN, &query, &form).unwrap();
    assert_eq!(acted.location, "/?group=web&refresh=5&did=stop&of=web:a&came=ok&n=0.0.0");
}
