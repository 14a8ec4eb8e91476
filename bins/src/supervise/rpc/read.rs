//! Calls and answers from bytes: as tolerant as supervisord and Python's `xmlrpc.client` are.
//!
//! White space, comments, CDATA, attributes and namespace prefixes do no harm, nor do elements of unknown
//! names where they can be left out. Control characters are taken as they are, since Python's client writes
//! them so. A DTD is refused, and with it every entity but those that XML itself has.

use std::borrow::Cow;
use std::fmt::{Display, Formatter};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::source::{Piece, Source, Tag};
use super::value::{Call, Fault, Value};

/// Values in values.
const DEEPEST: usize = 64;
/// Values of a call.
const MOST_ASKED: usize = 100_000;
/// Values of an answer: the settings of 10,000 processes are 290,000.
const MOST_ANSWERED: usize = 4_000_000;

/// Bytes that are no call or no answer. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    text: String,
}

impl ReadError {
    /// What is wrong, at which byte.
    pub(super) fn new(what: impl Display, at: u64) -> ReadError {
        // Of names in the document: no line breaks, and not all of a megabyte.
        let what: String =
            what.to_string().chars().flat_map(char::escape_debug).take(160).collect();
        ReadError { text: format!("{what} at byte {at}") }
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "not XML-RPC: {}", self.text)
    }
}

impl std::error::Error for ReadError {}

/// A call.
///
/// # Errors
/// It is none, it nests values deeper than 64, or has more than 100,000.
///
/// ```
/// use superdaemon::supervise::rpc::{Value, read_call};
/// let call = read_call(b"<methodCall><methodName>supervisor.startProcess</methodName>
///     <params><param><value>web</value></param></params></methodCall>").unwrap();
/// assert_eq!((call.method.as_str(), call.params), ("supervisor.startProcess", vec![Value::from("web")]));
/// ```
pub fn read_call(body: &[u8]) -> Result<Call, ReadError> {
    let mut reader = Reader::open(body, MOST_ASKED, Tag::MethodCall)?;
    let mut method = String::new();
    let mut params = Vec::new();
    while let Some(tag) = reader.child()? {
        match tag {
            Tag::MethodName => method = reader.text()?.into_owned(),
            Tag::Params => params = reader.params()?,
            _ => reader.skip()?,
        }
    }
    reader.close()?;
    if method.is_empty() {
        Err(reader.wrong("a call without methodName"))
    } else {
        Ok(Call { method, params })
    }
}

/// The answer to a call.
///
/// # Errors
/// It is none, or a fault without number and text.
pub fn read_answer(body: &[u8]) -> Result<Result<Value, Fault>, ReadError> {
    let mut reader = Reader::open(body, MOST_ANSWERED, Tag::MethodResponse)?;
    let mut answer = None;
    while let Some(tag) = reader.child()? {
        match tag {
            Tag::Params => answer = reader.params()?.into_iter().next().map(Ok),
            Tag::Fault => {
                let value = reader.only_value("a fault")?;
                answer = Some(Err(fault(&value)
                    .ok_or_else(|| reader.wrong("a fault without faultCode and faultString"))?));
            }
            _ => reader.skip()?,
        }
    }
    reader.close()?;
    answer.ok_or_else(|| reader.wrong("an answer without a value"))
}

fn fault(value: &Value) -> Option<Fault> {
    let code = i32::try_from(value.member("faultCode")?.as_int()?).ok()?;
    Some(Fault::new(code, value.member("faultString")?.as_text()?))
}

struct Reader<'a> {
    source: Source<'a>,
    /// How many values may still come.
    left: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of the outermost element, which must be this one.
    fn open(body: &'a [u8], most: usize, root: Tag) -> Result<Reader<'a>, ReadError> {
        let mut reader = Reader { source: Source::new(body)?, left: most };
        loop {
            match reader.source.next()? {
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Open(tag) if tag == root => return Ok(reader),
                Piece::End => return Err(reader.wrong("nothing")),
                _ => {
                    return Err(reader.wrong(format_args!("something else than a {}", root.name())));
                }
            }
        }
    }

    /// After the outermost element there is nothing.
    fn close(&mut self) -> Result<(), ReadError> {
        loop {
            match self.source.next()? {
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::End => return Ok(()),
                _ => return Err(self.wrong("something after its end")),
            }
        }
    }

    fn wrong(&self, what: impl Display) -> ReadError {
        self.source.wrong(what)
    }

    /// The next element in the one that was opened; `None` at its end. Text between elements means nothing.
    fn child(&mut self) -> Result<Option<Tag>, ReadError> {
        loop {
            match self.source.next()? {
                Piece::Open(tag) => return Ok(Some(tag)),
                Piece::Close => return Ok(None),
                Piece::Text(_) => {}
                Piece::End => return Err(self.wrong("an early end")),
            }
        }
    }

    /// The text of the element that was opened.
    fn text(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.source.next()? {
                Piece::Text(more) => append(&mut text, more),
                Piece::Close => return Ok(text),
                Piece::Open(_) => return Err(self.wrong("an element where only text can be")),
                Piece::End => return Err(self.wrong("an early end")),
            }
        }
    }

    /// Passes the rest of the element that was opened.
    fn skip(&mut self) -> Result<(), ReadError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.source.next()? {
                Piece::Open(_) => open = open.saturating_add(1),
                Piece::Close => open = open.saturating_sub(1),
                Piece::Text(_) => {}
                Piece::End => return Err(self.wrong("an early end")),
            }
        }
        Ok(())
    }

    fn params(&mut self) -> Result<Vec<Value>, ReadError> {
        let mut params = Vec::new();
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Param => params.push(self.only_value("a param")?),
                _ => return Err(self.wrong("something else than a param in params")),
            }
        }
        Ok(params)
    }

    fn only_value(&mut self, of: &str) -> Result<Value, ReadError> {
        let mut value = None;
        while let Some(tag) = self.child()? {
            if tag != Tag::Value || value.is_some() {
                return Err(self.wrong(format_args!("something else than one value in {of}")));
            }
            value = Some(self.value(1)?);
        }
        value.ok_or_else(|| self.wrong(format_args!("{of} without a value")))
    }

    /// The value whose element was opened: of the type that its first element says, else its text.
    fn value(&mut self, depth: usize) -> Result<Value, ReadError> {
        if depth > DEEPEST {
            return Err(self.wrong(format_args!("values nested deeper than {DEEPEST}")));
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| self.wrong("too many values"))?;
        let mut text = Cow::Borrowed("");
        let mut typed = None;
        loop {
            match self.source.next()? {
                Piece::Text(more) => append(&mut text, more),
                Piece::Open(tag) => {
                    let value = self.typed(tag, depth)?;
                    typed.get_or_insert(value);
                }
                Piece::Close => return Ok(typed.unwrap_or_else(|| Value::Text(text.into_owned()))),
                Piece::End => return Err(self.wrong("an early end")),
            }
        }
    }

    fn typed(&mut self, tag: Tag, depth: usize) -> Result<Value, ReadError> {
        Ok(match tag {
            Tag::Array => self.array(depth)?,
            Tag::Struct => self.members(depth)?,
            Tag::Nil => {
                self.skip()?;
                Value::Nil
            }
            Tag::Int => {
                let text = self.text()?;
                Value::Int(
                    text.trim()
                        .parse()
                        .map_err(|_| self.wrong("an int that is no number of 64 bits"))?,
                )
            }
            Tag::Double => {
                let text = self.text()?;
                Value::Double(
                    text.trim().parse().map_err(|_| self.wrong("a double that is no number"))?,
                )
            }
            Tag::Boolean => match self.text()?.trim() {
                "1" | "true" => Value::Bool(true),
                "0" | "false" => Value::Bool(false),
                _ => return Err(self.wrong("a boolean that is neither 0 nor 1")),
            },
            Tag::Base64 => {
                let text = self.text()?;
                Value::Bytes(
                    decoded(&text).ok_or_else(|| self.wrong("base64 that has been cut off"))?,
                )
            }
            Tag::Date => Value::Date(self.text()?.trim().to_owned()),
            // A type that is not known is text, as for supervisord.
            Tag::String | Tag::Other => Value::Text(self.text()?.into_owned()),
            _ => return Err(self.wrong(format_args!("a {} directly in a value", tag.name()))),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Value, ReadError> {
        let mut values = Vec::new();
        while let Some(tag) = self.child()? {
            if tag != Tag::Data {
                return Err(self.wrong("something else than data in an array"));
            }
            while let Some(tag) = self.child()? {
                if tag != Tag::Value {
                    return Err(self.wrong("something else than a value in an array"));
                }
                values.push(self.value(depth.saturating_add(1))?);
            }
        }
        Ok(Value::Array(values))
    }

    fn members(&mut self, depth: usize) -> Result<Value, ReadError> {
        let mut members = Vec::new();
        while let Some(tag) = self.child()? {
            if tag != Tag::Member {
                return Err(self.wrong("something else than a member in a struct"));
            }
            let mut name = None;
            let mut value = None;
            while let Some(tag) = self.child()? {
                match tag {
                    Tag::Name => name = Some(self.text()?.into_owned()),
                    Tag::Value => value = Some(self.value(depth.saturating_add(1))?),
                    _ => self.skip()?,
                }
            }
            let (Some(name), Some(value)) = (name, value) else {
                return Err(self.wrong("a member without name and value"));
            };
            members.push((name, value));
        }
        Ok(Value::Struct(members))
    }
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// As Python does it: what is not of the alphabet is passed over, up to the padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let significant = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let bytes: Vec<u8> =
        text.bytes().take_while(|byte| *byte != b'=').filter(significant).collect();
    LENIENT.decode(bytes).ok()
}
