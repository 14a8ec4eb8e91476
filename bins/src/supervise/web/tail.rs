//! The end of one log, as text: `/tail?process=NAME`, and `/tail.html?processname=NAME` as of old.

use super::escape::readable;
use super::{Fields, Reply, Tails, field, find};
use crate::supervise::events::Stream;
use crate::supervise::methods::world::{LogPlace, Supervisor};

/// What is shown unless `limit` says other.
const BYTES: usize = 8192;
/// The most that is shown.
const MOST: usize = 1024 * 1024;

/// `GET /tail` and `/tail.html`: the last bytes of a log, from the beginning of a line.
///
/// The query holds `process` or `processname` (`name` or `group:name`), and may hold `stream`
/// (`stdout`, `stderr`) and `limit` (bytes). 404 if there is no such process or no such log.
#[must_use]
pub fn tail(world: &dyn Supervisor, query: &Fields, tails: &Tails<'_>) -> Reply {
    let Some(name) = field(query, "process").or_else(|| field(query, "processname")) else {
        return Reply::text(400, "which process? /tail?process=NAME\n");
    };
    let stream = match field(query, "stream") {
        None | Some("stdout") => Stream::Stdout,
        Some("stderr") => Stream::Stderr,
        Some(_) => return Reply::text(400, "stream is stdout or stderr\n"),
    };
    let limit = match field(query, "limit").map(str::parse::<usize>) {
        None => BYTES,
        Some(Ok(limit)) if limit > 0 => limit.min(MOST),
        Some(_) => return Reply::text(400, "limit is a number of bytes\n"),
    };
    let Some(id) = find(world, name) else {
        return Reply::text(404, "no such process\n");
    };
    match world.log(id, stream) {
        LogPlace::Nowhere => Reply::text(404, "it has no such log\n"),
        LogPlace::Unborn => Reply::text(200, ""),
        LogPlace::File(_) => {
            // One more tells whether anything is cut off, and whether it ended a line.
            let bytes = tails(id, stream, limit.saturating_add(1));
            Reply::text(200, readable(whole_lines(&bytes, limit)))
        }
    }
}

/// The last `limit` bytes at most, without the rest of a line whose beginning is not among them.
fn whole_lines(bytes: &[u8], limit: usize) -> &[u8] {
    let cut = bytes.len().saturating_sub(limit);
    if cut == 0 {
        return bytes;
    }
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (_, rest) = (parts.next(), parts.next());
    // Of a line that is longer there is the end.
    let end = bytes.get(cut..).unwrap_or(bytes);
    rest.filter(|rest| !rest.is_empty()).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;
    use crate::supervise::machine::types::{ProcId, State};

    fn asked(world: &Fake, query: &[(&str, &str)], log: &str) -> (u16, String) {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let query: Vec<_> = query.iter().map(own).collect();
        let end = |id: ProcId, stream, limit: usize| {
            assert_eq!(stream, Stream::Stdout, "of {id:?}");
            log.as_bytes()[log.len().saturating_sub(limit)..].to_vec()
        };
        let reply = tail(world, &query, &end);
        assert_eq!(reply.content_type, "text/plain; charset=utf-8");
        (reply.status, reply.body)
    }

    #[test]
    fn by_both_names() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        world.add("cron", "cron", State::Running);
        let text = "one\n\x1b[1mtwo\x1b[0m\n";
        for query in [("process", "web:a"), ("processname", "web:a"), ("process", "cron")] {
            assert_eq!(asked(&world, &[query], text), (200, "one\ntwo\n".to_owned()));
        }
    }

    #[test]
    fn as_much_as_is_asked_for() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        let asked = |limit: &str, text: &str| {
            asked(&world, &[("process", "web:a"), ("limit", limit)], text)
        };
        // All of eleven bytes; one less; the line and no more; less than the line.
        for (limit, shown) in
            [("11", "first\nlast\n"), ("10", "last\n"), ("5", "last\n"), ("4", "ast\n")]
        {
            assert_eq!(asked(limit, "first\nlast\n"), (200, shown.to_owned()), "{limit}");
        }
        assert_eq!(asked("7", "one long line"), (200, "ng line".to_owned()));
        let exact = "1234567\n".repeat(BYTES / 8);
        assert_eq!(
            super::tail(&world, &[("process".into(), "web:a".into())], &|_, _, most| {
                exact.as_bytes()[exact.len().saturating_sub(most)..].to_vec()
            })
            .body
            .len(),
            BYTES
        );
        let long = "123456789\n".repeat(200_000);
        assert_eq!(asked("99999999", &long).1.len(), MOST / 10 * 10);
        for odd in ["0", "-1", "x", "", "99999999999999999999999"] {
            assert_eq!(asked(odd, "").0, 400, "{odd}");
        }
    }

    #[test]
    fn what_is_not_there() {
        let mut world = Fake::new();
        world.add("web", "a", State::Running);
        assert_eq!(asked(&world, &[], "x").0, 400);
        assert_eq!(asked(&world, &[("process", "web:b")], "x").0, 404);
        let query = [("process", "web:a"), ("stream", "stderr")];
        assert_eq!(asked(&world, &query, "x"), (404, "it has no such log\n".to_owned()));
        assert_eq!(asked(&world, &[("process", "web:a"), ("stream", "stdin")], "x").0, 400);
    }
}
