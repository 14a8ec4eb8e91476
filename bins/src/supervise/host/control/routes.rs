//! What each request gets.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::super::Host;
use super::client::Client;
use super::doors::Entrance;
use super::follow::{self, Follow};
use crate::supervise::events::Stream as Channel;
use crate::supervise::http::{
    self, Head, Manner, Refusal, Request, Response, Stream, authorized, same_site, unauthorized,
};
use crate::supervise::methods::world::LogPlace;
use crate::supervise::methods::{self, Answer, Supervisor, find_log};
use crate::supervise::rpc;
use crate::supervise::web;

impl Entrance {
    /// Looks at a request before its body is taken.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) fn gate(&self, head: &Head) -> Result<(), Refusal> {
        let probe = matches!(head.path(), "/health" | "/ready") && head.method != "POST";
        if !probe && !authorized(self.login.as_ref(), head) {
            return Err(unauthorized());
        }
        same_site(head, self.tcp && self.login.is_none())
    }
}

impl Host {
    pub(super) fn respond(&mut self, client: &mut Client, request: Request) {
        let head = &request.head;
        let manner = head.manner();
        if head.method == "POST" && head.path().starts_with("/RPC2") {
            return self.call(client, &request.body, manner);
        }
        if head.method == "GET" {
            if let Some(place) = self.followed(head.path()) {
                if !self.takes_guests() {
                    return client.answer(&Refusal::busy().response(), manner);
                }
                return follow(client, place, manner);
            }
        }
        let response = match (head.method.as_str(), head.path()) {
            ("POST", "/control") => self.control_by_form(head, &request.body),
            ("GET" | "HEAD", path) => self.page(path, head, &client.entrance),
            ("POST", _) => Refusal::not_found().response(),
            _ => Refusal::method("GET, HEAD, POST").response(),
        };
        client.answer(&response, manner);
    }

    fn call(&mut self, client: &mut Client, body: &[u8], manner: Manner) {
        let call = match rpc::read_call(body) {
            Ok(call) => call,
            Err(error) => {
                let refusal = Refusal::new(400, error.to_string());
                return client.answer(&refusal.response(), manner);
            }
        };
        match methods::call(self, &mut client.caller, call) {
            Answer::Now(answer) => self.answer_call(client, &answer, manner),
            Answer::Later(waiting) if self.takes_guests() => client.wait_for(waiting, manner),
            // What was ordered is done; nobody waits for it.
            Answer::Later(_) => client.answer(&Refusal::busy().response(), manner),
        }
    }

    /// The log that a path asks for, and whether there may be one.
    fn followed(&self, path: &str) -> Option<Option<LogPlace>> {
        if path == "/mainlogtail" {
            return Some(Some(self.main_log()));
        }
        let rest = path.strip_prefix("/logtail/")?;
        let rest = http::unescape(rest);
        let mut parts = rest.trim_end_matches('/').split('/');
        let name = parts.next().unwrap_or_default();
        let stream = match parts.next() {
            None | Some("stdout") => Channel::Stdout,
            Some("stderr") => Channel::Stderr,
            Some(_) => return Some(None),
        };
        let log = find_log(self, name, stream).ok();
        Some(log.filter(|_| parts.next().is_none()))
    }

    fn page(&self, path: &str, head: &Head, entrance: &Entrance) -> Response {
        let query = http::form(head.query().as_bytes());
        let accept = head.header("accept").and_then(|accept| std::str::from_utf8(accept).ok());
        let tails = |id, stream, most| match Supervisor::log(self, id, stream) {
            LogPlace::File(path) => tail_of(&path, most).unwrap_or_default(),
            LogPlace::Nowhere | LogPlace::Unborn => Vec::new(),
        };
        let probe = |reply| match authorized(entrance.login.as_ref(), head) {
            true => reply,
            false => web::brief(reply),
        };
        response(match path {
            "/health" => probe(web::health(self, accept)),
            "/ready" => probe(web::ready(self, accept)),
            "/metrics" => web::metrics(self, accept, &query),
            "/" | "/index.html" => web::page(self, &self.control.token, &query, &tails),
            "/tail" | "/tail.html" => web::tail(self, &query, &tails),
            // For whoever looked there whether a supervisord answers.
            "/ok.html" => return Response::text(200, "OK\n"),
            _ => return Refusal::not_found().response(),
        })
    }

    fn control_by_form(&mut self, head: &Head, body: &[u8]) -> Response {
        let (query, form) = (http::form(head.query().as_bytes()), http::form(body));
        let token = self.control.token.clone();
        let mut restarts = std::mem::take(&mut self.control.restarts);
        let acted = web::act(self, &mut restarts, &token, &query, &form);
        self.control.restarts = restarts;
        match acted {
            Ok(acted) => Response::see(acted.location),
            Err(reply) => response(reply),
        }
    }
}

fn response(reply: web::Reply) -> Response {
    if reply.content_type.starts_with("text/html") {
        Response::page(reply.status, reply.body)
    } else {
        Response::new(reply.status, reply.content_type, reply.body)
    }
}

fn follow(client: &mut Client, place: Option<LogPlace>, manner: Manner) {
    let follow = match place {
        Some(LogPlace::File(path)) => Follow::open(&path).ok(),
        Some(LogPlace::Unborn | LogPlace::Nowhere) | None => None,
    };
    match follow {
        Some(follow) => {
            let (stream, head) = Stream::begin("text/plain; charset=utf-8", manner);
            client.queue(&head);
            client.follow(follow, stream);
        }
        None => client.answer(&Refusal::not_found().response(), manner),
    }
}

/// The last bytes of a log.
fn tail_of(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut file = follow::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
