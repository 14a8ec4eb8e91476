//! What becomes of the bytes of one stream of a program. Pure.

use std::borrow::Cow;
use std::time::SystemTime;

use super::ansi::Strip;
use super::capture::{BEGIN, Bound, Part, Splitter};
use super::lines::Lines;
use crate::supervise::config::model::Output;

/// What is wanted of a [`Channel`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Bytes of a message between supervisord's tokens that are kept; 0 does not look for any.
    pub capture_maxbytes: usize,
    /// Take control sequences out.
    pub strip_ansi: bool,
    /// Stands before each line; a blank is added unless it ends in one.
    pub prefix: Option<String>,
    /// The time stands before each line.
    pub timestamp: bool,
    /// Write whole lines only: several programs share the target and none owns it.
    pub whole_lines: bool,
    /// Somebody wants to see what passes: PROCESS_LOG events, or the main log at level debug.
    pub copy: bool,
}

impl ChannelOptions {
    /// What an [`Output`] asks for. `strip_ansi` is the daemon's, `debug` says that the main log
    /// shows what programs write, and `device` that the target is no regular file.
    #[must_use]
    pub fn of(output: &Output, strip_ansi: bool, debug: bool, device: bool) -> Self {
        Self {
            capture_maxbytes: match output.capture_maxbytes {
                // As supervisord's, which asks whether it is 0 and no more.
                ..0 => 1,
                bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
            },
            strip_ansi,
            prefix: output.prefix.clone(),
            timestamp: output.timestamp,
            whole_lines: device,
            copy: output.events_enabled || debug,
        }
    }
}

/// What to do with bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Write them to the log.
    Write(Vec<u8>),
    /// Tell those who wanted a copy: a PROCESS_LOG event, the main log. As with supervisord this
    /// includes what is captured, and has neither prefix nor time.
    Copy(Vec<u8>),
    /// A message is complete: a PROCESS_COMMUNICATION event.
    Captured(Vec<u8>),
}

/// One stream of a program.
///
/// Nothing is held back but an unfinished line where whole lines are wanted, and a few bytes that
/// may become a token or a control sequence; [`end`](Self::end) gives these away, too.
#[derive(Clone, Debug)]
pub struct Channel {
    capture: Option<Box<(Splitter, Bound)>>,
    strip: Option<Strip>,
    lines: Option<Box<Lines>>,
    copy: bool,
}

impl Channel {
    /// A stream that has just begun.
    #[must_use]
    pub fn new(options: &ChannelOptions) -> Self {
        let most = options.capture_maxbytes;
        let prefix = options.prefix.as_deref().unwrap_or_default();
        let lines = options.timestamp || options.whole_lines || !prefix.is_empty();
        Self {
            capture: (most > 0).then(|| Box::new((Splitter::default(), Bound::new(most)))),
            strip: options.strip_ansi.then(Strip::default),
            lines: lines.then(|| Box::new(Lines::new(prefix, options.timestamp))),
            copy: options.copy,
        }
    }

    /// Whether all bytes go to the log unchanged and nobody else wants to see them, so that
    /// [`Sink::pump`](super::Sink::pump) may take them there without this channel.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.capture.is_none() && self.strip.is_none() && self.lines.is_none() && !self.copy
    }

    /// The program wrote something.
    pub fn feed(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<Piece>) {
        let Self { capture, strip, lines, copy } = self;
        let mut rest = Rest { strip, lines, copy: *copy, now, out };
        match capture.as_deref_mut() {
            None => rest.outside(bytes),
            Some((splitter, bound)) => {
                splitter.feed(bytes, &mut |part| rest.part(part, bound));
            }
        }
    }

    /// The stream is over. A message whose end token never came is written to the log as it was.
    pub fn end(&mut self, now: SystemTime, out: &mut Vec<Piece>) {
        let Self { capture, strip, lines, copy } = self;
        let mut rest = Rest { strip, lines, copy: *copy, now, out };
        let mut text = Vec::new();
        if let Some((splitter, bound)) = capture.as_deref_mut() {
            if splitter.end(&mut |part| rest.part(part, bound)) {
                text.extend_from_slice(BEGIN);
                text.append(&mut bound.take());
                rest.log(&text);
                text.clear();
            }
        }
        if let Some(strip) = rest.strip {
            strip.end(&mut text);
            rest.log(&text);
            rest.tell(Cow::Owned(text));
        }
        if let Some(lines) = rest.lines {
            let mut last = Vec::new();
            lines.end(now, &mut last);
            rest.write(last);
        }
    }
}

/// All that comes after the tokens have been looked for.
struct Rest<'a> {
    strip: &'a mut Option<Strip>,
    lines: &'a mut Option<Box<Lines>>,
    copy: bool,
    now: SystemTime,
    out: &'a mut Vec<Piece>,
}

impl Rest<'_> {
    fn part(&mut self, part: Part<'_>, bound: &mut Bound) {
        match part {
            Part::Outside(bytes) => self.outside(bytes),
            Part::Inside(bytes) => {
                let bytes = self.stripped(bytes);
                bound.push(&bytes);
                self.tell(bytes);
            }
            Part::Closed => self.out.push(Piece::Captured(bound.take())),
        }
    }

    fn outside(&mut self, bytes: &[u8]) {
        let bytes = self.stripped(bytes);
        self.log(&bytes);
        self.tell(bytes);
    }

    fn stripped<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let Some(strip) = self.strip else {
            return Cow::Borrowed(bytes);
        };
        let mut text = Vec::with_capacity(bytes.len());
        strip.feed(bytes, &mut text);
        Cow::Owned(text)
    }

    fn log(&mut self, bytes: &[u8]) {
        let Some(lines) = self.lines else {
            return self.write(bytes.to_vec());
        };
        let mut text = Vec::new();
        lines.feed(bytes, self.now, &mut text);
        self.write(text);
    }

    fn write(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.out.push(Piece::Write(bytes));
        }
    }

    fn tell(&mut self, bytes: Cow<'_, [u8]>) {
        if self.copy && !bytes.is_empty() {
            self.out.push(Piece::Copy(bytes.into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(options: &ChannelOptions, pieces: &[&[u8]]) -> Vec<Piece> {
        let mut channel = Channel::new(options);
        let mut out = Vec::new();
        for piece in pieces {
            channel.feed(piece, SystemTime::UNIX_EPOCH, &mut out);
        }
        channel.end(SystemTime::UNIX_EPOCH, &mut out);
        out
    }

    fn written(pieces: &[Piece]) -> Vec<u8> {
        let bytes = pieces.iter().filter_map(|piece| match piece {
            Piece::Write(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        bytes.collect::<Vec<_>>().concat()
    }

    fn write(text: &str) -> Piece {
        Piece::Write(text.as_bytes().to_vec())
    }

    fn copy(text: &str) -> Piece {
        Piece::Copy(text.as_bytes().to_vec())
    }

    #[test]
    fn a_plain_stream_is_raw() {
        let plain = ChannelOptions::default();
        assert!(Channel::new(&plain).is_raw());
        assert_eq!(
            run(&plain, &[b"a\xff", b"\n\0"]),
            [Piece::Write(b"a\xff".to_vec()), Piece::Write(b"\n\0".to_vec())]
        );
        for options in [
            ChannelOptions { capture_maxbytes: 1, ..plain.clone() },
            ChannelOptions { strip_ansi: true, ..plain.clone() },
            ChannelOptions { prefix: Some("p".into()), ..plain.clone() },
            ChannelOptions { timestamp: true, ..plain.clone() },
            ChannelOptions { whole_lines: true, ..plain.clone() },
            ChannelOptions { copy: true, ..plain.clone() },
        ] {
            assert!(!Channel::new(&options).is_raw(), "{options:?}");
        }
        let empty = ChannelOptions { prefix: Some(String::new()), ..plain };
        assert!(Channel::new(&empty).is_raw(), "an empty prefix is none");
    }

    #[test]
    fn messages_become_events_and_the_rest_is_logged() {
        let options = ChannelOptions { capture_maxbytes: 100, ..Default::default() };
        let text = b"a<!--XSUPERVISOR:BEGIN-->hello<!--XSUPERVISOR:END-->b\n";
        assert_eq!(
            run(&options, &[text]),
            [write("a"), Piece::Captured(b"hello".to_vec()), write("b\n")]
        );
        let copied = ChannelOptions { copy: true, ..options };
        assert_eq!(
            run(&copied, &[text]),
            [
                write("a"),
                copy("a"),
                copy("hello"),
                Piece::Captured(b"hello".to_vec()),
                write("b\n"),
                copy("b\n")
            ]
        );
    }

    #[test]
    fn nothing_is_lost_at_the_end() {
        let options = ChannelOptions { capture_maxbytes: 100, ..Default::default() };
        let text: &[u8] = b"a<!--XSUPERVISOR:BEG";
        assert_eq!(written(&run(&options, &[text])), text);
        let open: &[u8] = b"a<!--XSUPERVISOR:BEGIN-->half a message<!--XSUPERV";
        let pieces = run(&options, &[open]);
        assert_eq!(written(&pieces), open);
        assert!(!pieces.iter().any(|piece| matches!(piece, Piece::Captured(_))));

        let all =
            ChannelOptions { strip_ansi: true, prefix: Some("p:".into()), copy: true, ..options };
        assert_eq!(
            run(&all, &[b"\x1b[1mbold", b"\x1b"]),
            [copy("bold"), copy("\x1b"), write("p: bold\x1b\n")]
        );
    }

    #[test]
    fn every_cut_gives_the_same_bytes() {
        let options = ChannelOptions {
            capture_maxbytes: 100,
            strip_ansi: true,
            prefix: Some("p".into()),
            ..Default::default()
        };
        let text = b"on\x1b[1me\n<!--XSUPERVISOR:BEGIN-->x\x1b[0my<!--XSUPERVISOR:END-->two\nend";
        for cut in 0..=text.len() {
            let pieces = run(&options, &[&text[..cut], &text[cut..]]);
            assert_eq!(written(&pieces), b"p one\np two\np end\n", "cut at {cut}");
            assert!(pieces.contains(&Piece::Captured(b"xy".to_vec())), "cut at {cut}");
        }
    }
}
