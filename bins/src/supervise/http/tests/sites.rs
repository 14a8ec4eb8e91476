//! Where a request comes from and whom it is for.

use super::*;

fn request(method: &str, headers: &str) -> Head {
    only(format!("{method} / HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes()).head
}

fn post(headers: &str) -> bool {
    same_site(&request("POST", headers), false).is_ok()
}

/// A server on loopback without a password.
fn open(host: &str) -> bool {
    let [get, post] =
        ["GET", "POST"].map(|it| same_site(&request(it, &format!("Host: {host}\r\n")), true));
    assert_eq!(get, post, "reading is no better");
    get.is_ok()
}

#[test]
fn clients_that_are_no_browsers() {
    for client in [
        "Host: localhost\r\nUser-Agent: Python-xmlrpc/3.11\r\n",
        "Host: 10.1.2.3:9001\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n",
        "Host: web.example:9001\r\nUser-Agent: Prometheus/2.50.0\r\n",
        "Host: 10.1.2.3:9001\r\nUser-Agent: kube-probe/1.30\r\nConnection: close\r\n",
        "",
    ] {
        assert!(post(client), "{client}");
    }
}

#[test]
fn our_own_page() {
    for own in [
        "Host: h\r\nOrigin: http://h\r\n",
        "Host: h:9001\r\nOrigin: http://h:9001\r\n",
        "Host: H:80\r\nOrigin: http://h\r\n",
        "Host: [::1]:9001\r\nOrigin: http://[::1]:9001\r\n",
        "Host: h:9001\r\nOrigin: http://h:9001\r\nSec-Fetch-Site: same-origin\r\n",
        // Behind a proxy that speaks TLS.
        "Host: h\r\nOrigin: https://h\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: h\r\nSec-Fetch-Site: none\r\n",
    ] {
        assert!(post(own), "{own}");
    }
}

#[test]
fn other_pages() {
    for other in [
        "Host: h\r\nOrigin: http://evil\r\n",
        "Host: h\r\nOrigin: null\r\n",
        "Host: h\r\nOrigin: null\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: h\r\nOrigin:\r\n",
        "Host: h\r\nOrigin: h\r\n",
        "Host: h\r\nOrigin: https://h\r\n",
        "Host: h\r\nOrigin: https://evil\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: h\r\nOrigin: http://h:81\r\n",
        "Host: h:9001\r\nOrigin: http://h\r\n",
        "Host: h\r\nOrigin: http://h.evil\r\n",
        "Host: h\r\nOrigin: http://evil.h\r\n",
        "Host: h\r\nOrigin: http://h/\r\n",
        "Host: h\r\nOrigin: http://h@evil\r\n",
        "Host: h\r\nOrigin: file://\r\n",
        "Host: h\r\nOrigin: http://h http://evil\r\n",
        "Host: h\r\nOrigin: http://h\r\nOrigin: http://evil\r\n",
        "Host:\r\nOrigin: http://\r\n",
        "Origin: http://h\r\n",
        "Host: h\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: h\r\nSec-Fetch-Site: same-site\r\n",
        "Host: h\r\nSec-Fetch-Site:\r\n",
        "Host: h\r\nOrigin: http://h\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: h\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        for method in ["POST", "PUT", "DELETE", "post", "PROPFIND"] {
            let refusal = same_site(&request(method, other), false).unwrap_err();
            assert_eq!(refusal.status, 403, "{method} {other}");
        }
        // A link from elsewhere may be followed, and nothing is done by following it.
        assert_eq!(same_site(&request("GET", other), false), Ok(()), "{other}");
    }
}

#[test]
fn names_of_this_machine() {
    for own in [
        "localhost",
        "localhost:9001",
        "LocalHost.",
        "a.localhost:1",
        "127.0.0.1",
        "127.0.0.1:9001",
        "127.9.9.9",
        "[::1]",
        "[::1]:9001",
        "[::ffff:127.0.0.1]",
        "",
    ] {
        assert!(open(own), "{own}");
    }
    for other in [
        "evil",
        "evil:9001",
        "localhost.evil",
        "evillocalhost",
        "127.0.0.1.evil",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::2]:9001",
        "::1",
        "[::1",
        "localhost:x",
        "localhost:9001:9001",
        "localhost@evil",
        "evil#localhost",
        "127.1",
        "2130706433",
        "[::ffff:10.0.0.1]",
        "[localhost]",
        ":9001",
        ".",
        "\u{fc}",
    ] {
        assert!(!open(other), "{other}");
    }
    // With a password, or on a unix socket, any name will do.
    assert_eq!(same_site(&request("POST", "Host: evil\r\n"), false), Ok(()));
}

#[test]
fn the_target_counts_for_more_than_the_host() {
    let head = |target: &str, host: &str| {
        only(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).head
    };
    let told = head("http://localhost:9001/RPC2?a", "evil");
    assert_eq!((told.path(), told.query(), told.host()), ("/RPC2", "a", &b"localhost:9001"[..]));
    assert_eq!(same_site(&told, true), Ok(()));
    assert_eq!(head("http://evil", "localhost").path(), "/");
    assert!(same_site(&head("http://evil/", "localhost"), true).is_err());
    assert!(same_site(&head("http://localhost@evil/", "localhost"), true).is_err());
    assert_eq!(head("/a?b=http://c/d?e#f?g", "h").query(), "b=http://c/d?e");
    assert_eq!((head("*", "h").path(), head("x", "h").path()), ("*", "x"));
    assert_eq!(head("//evil/a", "h").path(), "//evil/a");
}
