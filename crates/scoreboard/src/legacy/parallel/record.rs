//! One record: MD5, length, text (PURE).

use std::fmt;

/// Bytes before the text.
pub(super) const HEADER: usize = 20;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There are not enough of them.
    Short {
        /// How many there would have to be, as far as can be told.
        needed: usize,
    },
    /// The MD5 is that of another text.
    Mismatch,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Short { needed } => write!(f, "a record of {needed} bytes is cut short"),
            Fault::Mismatch => f.write_str("the md5 of a record is not that of its text"),
        }
    }
}

impl std::error::Error for Fault {}

/// The text of the record with which `bytes` begin; what follows the text does not count.
///
/// # Errors
///
/// When it is not there in full, or not whole.
pub fn parse(bytes: &[u8]) -> Result<&[u8], Fault> {
    let header = bytes.split_first_chunk().and_then(|(md5, rest): (&[u8; 16], _)| {
        let (length, rest): (&[u8; 4], _) = rest.split_first_chunk()?;
        Some((md5, u32::from_be_bytes(*length), rest))
    });
    let Some((md5, length, rest)) = header else { return Err(Fault::Short { needed: HEADER }) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some(text) = rest.get(..length) else {
        return Err(Fault::Short { needed: length.saturating_add(HEADER) });
    };
    if md5::compute(text).0 == *md5 { Ok(text) } else { Err(Fault::Mismatch) }
}

/// The record of a text. Of more than 4 GiB, which a record cannot hold, the beginning.
#[must_use]
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    encode_into(&mut record, text);
    record
}

/// The same into memory that is there already.
pub(crate) fn encode_into(record: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let text = usize::try_from(length).ok().and_then(|length| text.get(..length)).unwrap_or(text);
    record.clear();
    record.reserve(text.len().saturating_add(HEADER));
    record.extend_from_slice(&md5::compute(text).0);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, A.5.
    const ABC: &[u8] =
        b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72\0\0\0\x03abc";

    #[test]
    fn known_bytes() {
        assert_eq!(encode(b"abc"), ABC);
        assert_eq!(parse(ABC), Ok(&b"abc"[..]));
        assert_eq!(parse(&[ABC, b"the rest of a longer one"].concat()), Ok(&b"abc"[..]));
    }

    #[test]
    fn lengths() {
        for length in [0, 1, 439, 440, 100_000] {
            let text: Vec<u8> = (0..=255).cycle().take(length).collect();
            let record = encode(&text);
            assert_eq!(record.len(), length + HEADER);
            assert_eq!(parse(&record), Ok(&text[..]));
            let cut = Err(Fault::Short { needed: length + HEADER });
            assert_eq!(parse(&record[..record.len() - 1]), cut);
        }
    }

    #[test]
    fn any_other_byte_is_noticed() {
        for at in 0..ABC.len() {
            for bit in 0..8 {
                let mut record = ABC.to_vec();
                record[at] ^= 1 << bit;
                assert!(parse(&record).is_err(), "byte {at} bit {bit}");
            }
        }
        for length in 0..ABC.len() {
            let needed = if length < HEADER { HEADER } else { ABC.len() };
            assert_eq!(parse(&ABC[..length]), Err(Fault::Short { needed }));
        }
        let longest = [&ABC[..16], &[0xff; 4]].concat();
        let fault = Fault::Short { needed: HEADER + 0xffff_ffff };
        assert_eq!(parse(&longest), Err(fault));
        assert_eq!(fault.to_string(), "a record of 4294967315 bytes is cut short");
    }
}
