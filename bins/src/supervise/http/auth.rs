//! Who may speak: Basic authentication.

use std::fmt;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use sha1_smol::Sha1;

use super::head::Head;
use super::refusal::Refusal;

const DIGEST: usize = 20;

/// The name and the password that a server wants. Neither is kept, only their digests, so that
/// neither is shown, and that comparing takes as long for a close guess as for any other.
#[derive(Clone)]
pub struct Login {
    username: [u8; DIGEST],
    password: Option<[u8; DIGEST]>,
}

impl Login {
    /// A password is given as it is, or as `{SHA}` and the SHA-1 of it in hexadecimal; with anything
    /// else after `{SHA}` nobody is let in. Unlike supervisord we take capital digits too.
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        let password = match password.strip_prefix("{SHA}") {
            Some(hash) => unhex(hash),
            None => Some(digest(password.as_bytes())),
        };
        Self { username: digest(username.as_bytes()), password }
    }

    /// Whether these are the right ones.
    fn admits(&self, username: &[u8], password: &[u8]) -> bool {
        let known = equal(&self.username, &digest(username));
        let right = equal(&self.password.unwrap_or_default(), &digest(password));
        black_box(known & right) && self.password.is_some()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    Sha1::from(bytes).digest().bytes()
}

/// Looks at all bytes, however early they differ.
fn equal(one: &[u8; DIGEST], other: &[u8; DIGEST]) -> bool {
    black_box(one.iter().zip(other).fold(0, |different, (a, b)| different | (a ^ b))) == 0
}

fn unhex(text: &str) -> Option<[u8; DIGEST]> {
    let mut bytes = [0; DIGEST];
    let mut digits =
        text.chars().map(|digit| digit.to_digit(16).and_then(|it| u8::try_from(it).ok()));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = high << 4 | low;
    }
    digits.next().is_none().then_some(bytes)
}

/// Whether a request may be served: it has the right credentials, or none are wanted.
#[must_use]
pub fn authorized(login: Option<&Login>, head: &Head) -> bool {
    let Some(login) = login else { return true };
    let mut values = head.all("authorization");
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some(pair) = credentials(value) else { return false };
    // RFC 7617: a name has no colon, a password may.
    let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
    let Some((username, rest)) = pair.split_at_checked(colon) else { return false };
    login.admits(username, rest.strip_prefix(b":").unwrap_or_default())
}

/// What `Basic` says, decoded: name, colon and password, in UTF-8 if the client is of this century.
fn credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !rest.starts_with(b" ") {
        return None;
    }
    STANDARD_PAD_INDIFFERENT.decode(rest.trim_ascii()).ok()
}

/// What is answered to who may not speak, with the words that supervisord asks with.
#[must_use]
pub fn unauthorized() -> Refusal {
    Refusal::new(401, "a name and a password are needed")
        .with("WWW-Authenticate", "Basic realm=\"default\"")
}
