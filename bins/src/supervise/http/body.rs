//! The body of a request: how long it is, and its chunks.

use super::head::Head;
use super::input::Input;
use super::refusal::Refusal;

/// How the end of a body is known.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no word about a body.
    Absent,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl Framing {
    /// What the headers say, which must leave no doubt: a proxy that understands them otherwise takes
    /// for one request what we take for two.
    pub fn of(head: &Head) -> Result<Self, Refusal> {
        let length = length(head)?;
        let mut codings = head.all("transfer-encoding");
        let Some(coding) = codings.next() else {
            return Ok(length.map_or(Self::Absent, Self::Length));
        };
        if length.is_some() {
            return Err(Refusal::malformed("it has both a Content-Length and a Transfer-Encoding"));
        }
        if !head.http11 {
            return Err(Refusal::malformed("HTTP/1.0 has no Transfer-Encoding"));
        }
        if codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::new(501, "no Transfer-Encoding but chunked is understood"));
        }
        Ok(Self::Chunked)
    }
}

fn length(head: &Head) -> Result<Option<u64>, Refusal> {
    let mut length = None;
    let values = head.all("content-length").flat_map(|value| value.split(|byte| *byte == b','));
    for value in values.map(<[u8]>::trim_ascii) {
        let one = number(value, 10).ok_or(Refusal::malformed("the Content-Length is no number"))?;
        if *length.get_or_insert(one) != one {
            return Err(Refusal::malformed("there are several Content-Lengths"));
        }
    }
    Ok(length)
}

/// Digits and nothing else; what is too large is the largest number.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let mut number = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        number = number.saturating_mul(radix.into()).saturating_add(digit.into());
    }
    Some(number)
}

/// A body that is coming.
pub(super) struct Body {
    bytes: Vec<u8>,
    at: At,
    /// How long it may become.
    limit: usize,
    /// What extensions of chunks and trailers may still take, which nobody reads.
    spare: usize,
}

/// What comes next.
#[derive(Copy, Clone)]
enum At {
    /// The last bytes of all.
    Last(usize),
    /// A chunk's size.
    Size,
    /// What is missing of a chunk.
    Chunk(usize),
    /// The newline that ends a chunk.
    ChunkEnd,
    /// A trailer, or the empty line.
    Trailer,
    /// Nothing.
    End,
}

/// More than a size needs, with the newline.
const SIZE_LINE: usize = 18;

impl Body {
    pub fn new(framing: Framing, limit: usize, spare: usize) -> Result<Self, Refusal> {
        let at = match framing {
            Framing::Absent => At::End,
            Framing::Length(length) => At::Last(fitting(length, limit)?),
            Framing::Chunked => At::Size,
        };
        Ok(Self { bytes: Vec::new(), at, limit, spare })
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what has come; whether that was all.
    pub fn read(&mut self, input: &mut Input) -> Result<bool, Refusal> {
        loop {
            self.at = match self.at {
                At::Last(0) | At::End => return Ok(true),
                At::Chunk(0) => At::ChunkEnd,
                At::Last(missing) | At::Chunk(missing) => {
                    let fresh = input.front(missing);
                    if fresh.is_empty() {
                        return Ok(false);
                    }
                    // It grows with what comes, not with what was announced.
                    self.bytes.extend_from_slice(fresh);
                    let count = fresh.len();
                    input.take(count);
                    let missing = missing.saturating_sub(count);
                    if matches!(self.at, At::Last(_)) {
                        At::Last(missing)
                    } else {
                        At::Chunk(missing)
                    }
                }
                At::Size => match self.size(input)? {
                    Some(0) => At::Trailer,
                    Some(size) => At::Chunk(size),
                    None => return Ok(false),
                },
                At::ChunkEnd => match input.front(2) {
                    b"\r\n" => {
                        input.take(2);
                        At::Size
                    }
                    b"" | b"\r" => return Ok(false),
                    _ => return Err(Refusal::malformed("a chunk is longer than it says")),
                },
                At::Trailer => match self.trailer(input)? {
                    Some(0) => At::End,
                    Some(_) => At::Trailer,
                    None => return Ok(false),
                },
            };
        }
    }

    fn size(&mut self, input: &mut Input) -> Result<Option<usize>, Refusal> {
        let refusal = Refusal::malformed("a chunk's size is no number");
        let longest = self.spare.saturating_add(SIZE_LINE);
        let Some(line) = line(input, longest, &refusal)? else { return Ok(None) };
        let length = line.len();
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at_checked(digits).unwrap_or_default();
        // RFC 9112, 7.1.1: an extension begins with a semicolon, which bad space may precede.
        let more = extension.trim_ascii_start();
        let long = digits.len() > 16 || extension.len() > self.spare;
        if long || !(more.is_empty() || more.starts_with(b";")) {
            return Err(refusal);
        }
        let size = number(digits, 16).ok_or(refusal)?;
        self.spare = self.spare.saturating_sub(extension.len());
        let size = fitting(size, self.limit.saturating_sub(self.bytes.len()))?;
        input.take(length.saturating_add(2));
        Ok(Some(size))
    }

    /// The length of a trailer.
    fn trailer(&mut self, input: &mut Input) -> Result<Option<usize>, Refusal> {
        let refusal = Refusal::new(431, "the trailers are too large");
        let longest = self.spare.saturating_add(2);
        let Some(line) = line(input, longest, &refusal)? else { return Ok(None) };
        let length = line.len();
        self.spare = self.spare.saturating_sub(length.saturating_add(2));
        input.take(length.saturating_add(2));
        Ok(Some(length))
    }
}

/// A line without its end, which must be CR and LF: in chunks, servers that took less for an end were
/// made to see requests that others did not.
fn line<'i>(
    input: &'i mut Input,
    longest: usize,
    too_long: &Refusal,
) -> Result<Option<&'i [u8]>, Refusal> {
    let length = input.line();
    if length.unwrap_or(input.len()) > longest {
        return Err(too_long.clone());
    }
    let Some(length) = length else { return Ok(None) };
    match input.front(length).strip_suffix(b"\r\n") {
        Some(line) if !line.contains(&b'\r') => Ok(Some(line)),
        _ => Err(Refusal::malformed("a line of a chunked body does not end with CR and LF")),
    }
}

fn fitting(length: u64, limit: usize) -> Result<usize, Refusal> {
    let length = usize::try_from(length).ok().filter(|length| *length <= limit);
    length.ok_or(Refusal::new(413, "the body is too large"))
}
