//! What browsers and clients put into paths, queries and forms.

/// The pairs of a form, `application/x-www-form-urlencoded`, or of a query, in their order. What has
/// no `=` has an empty value.
#[must_use]
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs.map(pair).collect()
}

fn pair(pair: &[u8]) -> (String, String) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let mut next = || {
        let part = parts.next().unwrap_or_default();
        let spaced = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte });
        text(decoded(&spaced.collect::<Vec<u8>>()))
    };
    (next(), next())
}

/// A path without its escapes: `/logtail/web%3Aa` is `/logtail/web:a`. A plus sign is one, and what
/// looks like an escape and is none stays, as in supervisord.
#[must_use]
pub fn unescape(escaped: &str) -> String {
    text(decoded(escaped.as_bytes()))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn decoded(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match after.split_first_chunk() {
            Some(([high, low], after)) if *first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(*first),
            },
            _ => bytes.push(*first),
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &str) -> Vec<(String, String)> {
        form(body.as_bytes())
    }

    #[test]
    fn forms() {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        assert_eq!(
            pairs("action=start&process=web%3Aa+b&token=a%2Bb%3D%26"),
            own(&[("action", "start"), ("process", "web:a b"), ("token", "a+b=&")])
        );
        assert_eq!(pairs("a=1=2&b&=c&&a="), own(&[("a", "1=2"), ("b", ""), ("", "c"), ("a", "")]));
        assert_eq!(pairs(""), own(&[]));
        // An escape is decoded after the pairs were told apart, and once.
        assert_eq!(pairs("a%3Db=%2525"), own(&[("a=b", "%25")]));
        assert_eq!(pairs("n=%C3%BC&bad=%FF."), own(&[("n", "\u{fc}"), ("bad", "\u{fffd}.")]));
    }

    #[test]
    fn paths() {
        assert_eq!(unescape("/logtail/web%3aa%2Fb/stdout"), "/logtail/web:a/b/stdout");
        assert_eq!(unescape("/a+b"), "/a+b");
        for bad in ["%", "%4", "%zz", "%4z", "%+1", "a%", "%%"] {
            assert_eq!(unescape(bad), bad);
        }
        assert_eq!(unescape("%%41"), "%A");
        assert_eq!(unescape("%e2%82%ac \u{20ac}"), "\u{20ac} \u{20ac}");
    }
}
