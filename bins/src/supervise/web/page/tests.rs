//! The page, taken apart by a reader that insists on tags being closed.

#![allow(clippy::string_slice)]

use super::super::fake::Fake;
use super::*;
use crate::supervise::events::Stream;
use crate::supervise::machine::types::ProcId;

const TOKEN: &str = "t0k3n";

fn shown(world: &Fake, query: &[(&str, &str)]) -> String {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let query: Vec<_> = query.iter().map(own).collect();
    let tails = |id: ProcId, stream, _| {
        assert_eq!(stream, Stream::Stdout);
        format!("first of {}\n\x1b[31m<b>last</b> of {}\n", id.0, id.0).into_bytes()
    };
    let reply = page(world, TOKEN, &query, &tails);
    assert_eq!((reply.status, reply.content_type), (200, HTML));
    assert_closed(&reply.body);
    reply.body
}

/// Each tag that opens closes in its place; attributes are quoted and come once.
fn assert_closed(html: &str) {
    let empty = ["meta", "link", "input"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    while let Some((_, after)) = rest.split_once('<') {
        let mut quoted = false;
        let end = after.find(|character| {
            quoted ^= character == '"';
            character == '>' && !quoted
        });
        let tag = &after[..end.expect("the end of a tag")];
        rest = &after[tag.len() + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed before {rest:.100}");
            continue;
        }
        let name = tag.split(' ').next().unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "{tag}"
        );
        let mut names = Vec::new();
        let mut attributes = tag[name.len()..].trim_start();
        while !attributes.is_empty() {
            let end = attributes.find([' ', '=']).unwrap_or(attributes.len());
            let (name, after) = attributes.split_at(end);
            assert!(!names.contains(&name), "{name} twice in {tag}");
            names.push(name);
            attributes = match after.strip_prefix("=\"") {
                Some(value) => value.split_once('"').expect("a quote").1,
                None => after,
            };
            assert!(attributes.is_empty() || attributes.starts_with(' '), "{tag}");
            attributes = attributes.trim_start();
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        if !empty.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// The row of a process.
fn row<'a>(html: &'a str, name: &str) -> &'a str {
    let from = html.find(&format!("<tr class=\"one\" id=\"{name}\">")).expect("a row");
    html[from..].split_once("</tr>").unwrap().0
}

fn buttons(row: &str) -> Vec<(&str, bool)> {
    row.split("<button name=\"")
        .skip(1)
        .map(|button| {
            let tag = button.split_once('>').unwrap().0;
            (tag.split('"').next().unwrap(), !tag.ends_with(" disabled"))
        })
        .collect()
}

#[test]
fn a_process_with_all_its_particulars() {
    let mut world = Fake::new();
    let id = world.add("web", "a", State::Running);
    world.add("web", "b", State::Stopped);
    world.of(id).starts = 4;
    let html = shown(&world, &[]);
    let row = row(&html, "web:a");
    for text in [
        "<span class=\"soft\">web:</span>a</th>",
        "<span class=\"s well\">RUNNING</span>",
        ">up 1:02:05<",
        "data-l=\"pid\">1001<",
        "data-l=\"restarts\">3<",
        "data-l=\"exit\"><",
        "href=\"/tail?process=web:a&amp;stream=stdout\"",
        "href=\"/logtail/web:a/stdout\"",
    ] {
        assert!(row.contains(text), "{text} is not in {row}");
    }
    // How it ended before says nothing of it now.
    world.of(id).stop = 1;
    world.of(id).exitstatus = 3;
    assert!(self::row(&shown(&world, &[]), "web:a").contains("data-l=\"exit\"><"));
    world.set(id, State::Exited);
    assert!(self::row(&shown(&world, &[]), "web:a").contains("data-l=\"exit\">3<"));
    let can = [("start", false), ("stop", true), ("restart", true), ("clear", true)];
    assert_eq!(buttons(row), can);
    assert!(!row.contains("stderr"), "it has no such log");
    assert!(html.contains("first of 1\n&lt;b&gt;last&lt;/b&gt; of 1</pre>"));
    assert!(html.contains("<input type=\"hidden\" name=\"token\" value=\"t0k3n\">"));
    assert!(html.contains(">1 of 2 running<"));
    assert!(html.contains(">1 RUNNING</a>") && html.contains(">1 STOPPED</a>"));
}

#[test]
fn nothing_gets_out_of_its_place() {
    let mut world = Fake::new();
    let evil = "\"'><script>alert(1)</script>&amp;";
    let id = world.add(evil, evil, State::Fatal);
    world.add(evil, "other", State::Running);
    world.of(id).spawnerr = evil.to_owned();
    world.identifier = evil.to_owned();
    let html = shown(&world, &[("group", evil), ("did", "stop"), ("of", evil), ("came", "ok")]);
    assert!(!html.contains("<script") && !html.contains("'>"));
    assert_eq!(
        html.matches("&lt;script&gt;").count() % 2,
        html.matches("&lt;/script&gt;").count() % 2
    );
    assert!(
        html.contains("/tail?process=%22%27%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%26amp%3B:")
    );
}

#[test]
fn a_choice() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    world.add("web", "b", State::Fatal);
    world.add("cron", "cron", State::Running);
    let names = |query: &[(&str, &str)]| -> Vec<&str> {
        let html = shown(&world, query);
        let all = ["web:a", "web:b", "cron:cron"];
        all.into_iter().filter(|name| html.contains(&format!(" id=\"{name}\""))).collect()
    };
    assert_eq!(names(&[]).len(), 3);
    assert_eq!(names(&[("group", "web")]), ["web:a", "web:b"]);
    assert_eq!(names(&[("state", "RUNNING")]), ["web:a", "cron:cron"]);
    assert_eq!(names(&[("group", "web"), ("state", "FATAL")]), ["web:b"]);
    assert!(names(&[("group", "x")]).is_empty());
    // The form comes back to what was chosen.
    let html = shown(&world, &[("group", "web"), ("state", "FATAL")]);
    assert!(html.contains(" action=\"/control?group=web&amp;state=FATAL\""));
    assert!(html.contains("<title>1 failed \u{2013} supervisor</title>"));
}

#[test]
fn logs_of_many_are_not_read() {
    let mut world = Fake::new();
    for number in 0..51 {
        world.add(if number < 50 { "web" } else { "db" }, &format!("p{number}"), State::Running);
    }
    let logs = |query: &[(&str, &str)]| shown(&world, query).matches("<pre>").count();
    assert_eq!(logs(&[]), 0);
    assert_eq!(logs(&[("group", "web")]), 50);
    assert_eq!(logs(&[("group", "web"), ("logs", "0")]), 0);
}

#[test]
fn a_thousand_processes() {
    let mut world = Fake::new();
    for number in 0..1000 {
        world.add(&format!("g{}", number % 20), &format!("p{number}"), State::Running);
    }
    let html = shown(&world, &[]);
    assert_eq!(html.matches("<tr class=\"one\"").count(), 1000);
    let each = html.len() / 1000;
    assert!(each < 1000, "{each} bytes for each process");
}

#[test]
fn it_is_loaded_again() {
    let mut world = Fake::new();
    let id = world.add("web", "a", State::Stopping);
    let refresh = |world: &Fake, query: &[(&str, &str)]| {
        let html = shown(world, query);
        let (_, rest) = html.split_once("<meta http-equiv=\"refresh\" content=\"")?;
        Some(rest.split_once('"').unwrap().0.to_owned())
    };
    assert_eq!(refresh(&world, &[]), None);
    assert_eq!(refresh(&world, &[("refresh", "5")]).unwrap(), "5;url=/?refresh=5");
    // An order is seen through.
    let did = [("did", "restart"), ("of", "web:a"), ("came", "ok"), ("refresh", "5")];
    let next = "1;url=/?refresh=5&amp;did=restart&amp;of=web:a&amp;came=ok&amp;n=0.0.0&amp;turn=1";
    assert_eq!(refresh(&world, &did).unwrap(), next);
    let all = [("did", "stop"), ("of", "*"), ("came", "ok")];
    assert!(refresh(&world, &all).is_some());
    world.set(id, State::Running);
    assert_eq!(refresh(&world, &did).unwrap(), "5;url=/?refresh=5");
    assert_eq!(refresh(&world, &all), None);
}

#[test]
fn what_was_done_is_said() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    let said = |came| shown(&world, &[("did", "stop"), ("of", "web:a"), ("came", came)]);
    assert!(said("ok").contains("<p class=\"said well\" role=\"status\">web:a: told to stop</p>"));
    let failed = "<p class=\"said bad\" role=\"status\">web:a: everything is being stopped</p>";
    assert!(said("shutdown").contains(failed));
    assert!(!said("nonsense").contains("class=\"said"));
}

#[test]
fn while_all_is_being_stopped() {
    let mut world = Fake::new();
    world.add("web", "a", State::Running);
    world.mood = Mood::ShuttingDown;
    let html = shown(&world, &[]);
    assert!(html.contains("<span class=\"s warn\">SHUTDOWN</span>"));
    let can: Vec<bool> = buttons(row(&html, "web:a")).into_iter().map(|(_, can)| can).collect();
    assert_eq!(can, [false, false, false, true]);
}

#[test]
fn nothing_to_show() {
    assert!(shown(&Fake::new(), &[]).contains("There are no programs."));
}

#[test]
fn times() {
    let texts = [-1, 59, 3600, 86_399, 86_400, 200_000].map(lasting);
    let expected =
        ["0:00:00", "0:00:59", "1:00:00", "23:59:59", "1 day, 0:00:00", "2 days, 7:33:20"];
    assert_eq!(texts, expected);
}
