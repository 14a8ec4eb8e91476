//! A document as a sequence of elements and text, without what has no meaning in it.

use std::borrow::Cow;
use std::fmt::Display;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::read::ReadError;

/// An element's name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are XML-RPC's.
pub(super) enum Tag {
    MethodCall,
    MethodName,
    MethodResponse,
    Params,
    Param,
    Fault,
    Value,
    Array,
    Data,
    Struct,
    Member,
    Name,
    /// `int`, `i4`, `i8`, and what else Python's client takes for a whole number.
    Int,
    Boolean,
    Double,
    String,
    Base64,
    Date,
    Nil,
    Other,
}

impl Tag {
    fn of(name: &[u8]) -> Tag {
        match name {
            b"methodCall" => Tag::MethodCall,
            b"methodName" => Tag::MethodName,
            b"methodResponse" => Tag::MethodResponse,
            b"params" => Tag::Params,
            b"param" => Tag::Param,
            b"fault" => Tag::Fault,
            b"value" => Tag::Value,
            b"array" => Tag::Array,
            b"data" => Tag::Data,
            b"struct" => Tag::Struct,
            b"member" => Tag::Member,
            b"name" => Tag::Name,
            b"int" | b"i1" | b"i2" | b"i4" | b"i8" | b"biginteger" => Tag::Int,
            b"boolean" => Tag::Boolean,
            b"double" | b"float" => Tag::Double,
            b"string" => Tag::String,
            b"base64" => Tag::Base64,
            b"dateTime.iso8601" => Tag::Date,
            b"nil" => Tag::Nil,
            _ => Tag::Other,
        }
    }

    /// For errors.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Tag::MethodCall => "methodCall",
            Tag::MethodName => "methodName",
            Tag::MethodResponse => "methodResponse",
            Tag::Params => "params",
            Tag::Param => "param",
            Tag::Fault => "fault",
            Tag::Value => "value",
            Tag::Array => "array",
            Tag::Data => "data",
            Tag::Struct => "struct",
            Tag::Member => "member",
            Tag::Name => "name",
            Tag::Int => "int",
            Tag::Boolean => "boolean",
            Tag::Double => "double",
            Tag::String => "string",
            Tag::Base64 => "base64",
            Tag::Date => "dateTime.iso8601",
            Tag::Nil => "nil",
            Tag::Other => "foreign element",
        }
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// An element begins.
    Open(Tag),
    /// The innermost element ends.
    Close,
    /// A part of some text.
    Text(Cow<'a, str>),
    /// There is no more.
    End,
}

/// A document.
pub(super) struct Source<'a> {
    reader: Reader<&'a [u8]>,
    before: u64,
}

impl<'a> Source<'a> {
    /// UTF-8, whatever the document says of itself, as supervisord reads it.
    pub(super) fn new(body: &'a [u8]) -> Result<Source<'a>, ReadError> {
        let bare = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let before = body.len().saturating_sub(bare.len()) as u64;
        let text = std::str::from_utf8(bare).map_err(|error| {
            ReadError::new(
                "bytes that are not UTF-8",
                before.saturating_add(error.valid_up_to() as u64),
            )
        })?;
        let mut reader = Reader::from_str(text);
        // A closing part for each opening one.
        reader.config_mut().expand_empty_elements = true;
        Ok(Source { reader, before })
    }

    /// An error where the reader stands.
    pub(super) fn wrong(&self, what: impl Display) -> ReadError {
        ReadError::new(what, self.before.saturating_add(self.reader.buffer_position()))
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Result<Piece<'a>, ReadError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.wrong(error))?;
            return Ok(match event {
                Event::Start(start) => Piece::Open(Tag::of(start.local_name().as_ref())),
                Event::End(_) => Piece::Close,
                Event::Text(text) => {
                    Piece::Text(text.xml10_content().map_err(|error| self.wrong(error))?)
                }
                Event::CData(text) => {
                    Piece::Text(text.xml10_content().map_err(|error| self.wrong(error))?)
                }
                Event::GeneralRef(entity) => Piece::Text(self.resolved(&entity)?),
                Event::DocType(_) => return Err(self.wrong("a DTD, which is not read")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => continue,
                Event::Eof => Piece::End,
            });
        }
    }

    fn resolved(&self, entity: &BytesRef<'a>) -> Result<Cow<'a, str>, ReadError> {
        if let Some(c) = entity.resolve_char_ref().map_err(|error| self.wrong(error))? {
            return Ok(Cow::Owned(c.to_string()));
        }
        let name = entity.decode().map_err(|error| self.wrong(error))?;
        let text = resolve_xml_entity(&name)
            .ok_or_else(|| self.wrong("an entity that XML does not have"))?;
        Ok(Cow::Borrowed(text))
    }
}
