//! Requests that another site makes a browser send.
//!
//! A browser sends the password that it knows, or reaches a server on loopback that wants none, for
//! any page that asks it to. It says on whose behalf; other clients say nothing of the kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::head::Head;
use super::refusal::Refusal;

/// Refuses what a browser sends for another site. `open` is a TCP server that wants no password: it
/// is on loopback, and everybody else's name for it is a trick (DNS rebinding), by which a page
/// becomes our own site in the eyes of the browser.
///
/// # Errors
/// 403 and what is wrong.
pub fn same_site(head: &Head, open: bool) -> Result<(), Refusal> {
    if open && !is_loopback(head.host()) {
        return Err(Refusal::new(
            403,
            "without a password only localhost and loopback addresses may be asked for",
        ));
    }
    if head.is_harmless() {
        return Ok(());
    }
    let mut sites = head.all("sec-fetch-site");
    if !sites.all(|site| matches!(site, b"same-origin" | b"none")) {
        return Err(Refusal::new(403, "another site asks for this"));
    }
    if head.all("origin").all(|origin| is_ours(origin, head)) {
        return Ok(());
    }
    Err(Refusal::new(403, "the Origin is not the Host"))
}

/// Whether an origin is the host that was asked. The secure form of it is somebody else's, unless
/// the browser says that it is not: then a proxy stands between.
fn is_ours(origin: &[u8], head: &Head) -> bool {
    let host = head.host();
    let secure = || head.header("sec-fetch-site") == Some(b"same-origin");
    if let Some(place) = origin.strip_prefix(b"http://") {
        return same_place(place, host, b":80");
    }
    origin
        .strip_prefix(b"https://")
        .is_some_and(|place| secure() && same_place(place, host, b":443"))
}

fn same_place(one: &[u8], other: &[u8], port: &[u8]) -> bool {
    let bare = |place: &[u8]| place.strip_suffix(port).unwrap_or(place).to_ascii_lowercase();
    !one.is_empty() && bare(one) == bare(other)
}

/// Whether a browser that was sent there by this name was sent to its own machine. Every browser
/// gives a name; who gives none is none.
fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    if host.is_empty() {
        return true;
    }
    let Some(name) = without_port(host) else { return false };
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|it| it.to_canonical().is_loopback());
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return IpAddr::V4(address).is_loopback();
    }
    // RFC 6761, 6.3: these names are never asked of a server.
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        // The colon is one of an address.
        Some((_, rest)) if rest.ends_with(']') => Some(host),
        Some((name, port)) => port.bytes().all(|it| it.is_ascii_digit()).then_some(name),
        None => Some(host),
    }
}
