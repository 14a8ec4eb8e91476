//! What programs write: from their pipes through a channel to a log.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::SystemTime;

use reaper::{Key, Moment};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::plan::Spec;
use super::process::Process;
use super::{Host, Source};
use crate::supervise::config::model::{Daemon, Kind, Level, LogFile, Output};
use crate::supervise::events::{Said, Stream};
use crate::supervise::lines::Line;
use crate::supervise::logs::mainlog::output as output_line;
use crate::supervise::logs::{
    Channel, ChannelOptions, Pace, Piece, READ, SinkId, SinkTarget, Sinks, Trouble, Written,
    auto_names, pace,
};
use crate::supervise::machine::types::ProcId;

/// What the largest pipe holds: who writes more after the program's end is another process, which
/// could do so for ever.
const LARGEST_PIPE: usize = 1 << 20;

/// All that programs write, on its way.
pub(super) struct Outputs {
    pub(super) sinks: Sinks,
    pub(super) flows: HashMap<Key, Flow>,
    /// Pipes that are left alone while the log that they go to takes no more.
    pub(super) paused: Vec<(OwnedFd, Flow)>,
    /// Pipes that are left alone until then, because little comes at a time.
    pub(super) resting: Vec<(Moment, OwnedFd, Flow)>,
    /// What is watched until a log takes more.
    pub(super) waiting: HashMap<SinkId, Key>,
    /// When to try logs again that nothing tells about.
    pub(super) retry_at: Option<Moment>,
    buffer: Vec<u8>,
}

/// One stream of one run of a program.
pub(super) struct Flow {
    pub(super) id: ProcId,
    pub(super) stream: Stream,
    channel: Channel,
    pace: Pace,
    pub(super) file: Option<SinkId>,
    pub(super) syslog: Option<SinkId>,
    listener: bool,
    /// The program has gone: what is in the pipe is all that comes.
    pub(super) ended: bool,
}

/// Where a stream of a program goes, run after run.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    pub(super) file: Option<SinkId>,
    syslog: Option<SinkId>,
    /// The file that AUTO stands for.
    pub(super) auto: Option<PathBuf>,
}

/// Our ends of a program's pipes, until it runs.
pub(super) type Streams = Vec<(OwnedFd, Flow)>;

impl Outputs {
    pub(super) fn new() -> Self {
        Self {
            sinks: Sinks::new(),
            flows: HashMap::new(),
            paused: Vec::new(),
            resting: Vec::new(),
            waiting: HashMap::new(),
            retry_at: None,
            buffer: Vec::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.resting.iter().map(|(at, ..)| *at).chain(self.retry_at).min()
    }
}

/// Name and settings of a stream.
fn output(spec: &Spec, stream: Stream) -> (&'static str, &Output) {
    match stream {
        Stream::Stdout => ("stdout", &spec.process.stdout),
        Stream::Stderr => ("stderr", &spec.process.stderr),
    }
}

impl Host {
    /// Pipes for what the program writes: ours, and the child's ends of stdout and stderr. A stream
    /// that nobody wants has none; it goes to /dev/null.
    pub(super) fn open_streams(
        &mut self,
        id: ProcId,
        spec: &Spec,
    ) -> io::Result<(Streams, [Option<OwnedFd>; 2])> {
        let mut streams = Vec::new();
        let mut ends = [None, None];
        let both = [Stream::Stdout, Stream::Stderr];
        for (stream, end) in both.into_iter().zip(&mut ends) {
            if stream == Stream::Stderr && spec.process.redirect_stderr {
                continue;
            }
            let targets = self.targets(id, spec, stream)?;
            let (_, output) = output(spec, stream);
            let listener = stream == Stream::Stdout && matches!(&*spec.kind, Kind::Listener(_));
            let debug = self.log.wants(Level::Debug);
            let somebody = targets.file.is_some()
                || targets.syslog.is_some()
                || output.capture_maxbytes != 0
                || output.events_enabled;
            if !(somebody || listener || debug) {
                continue;
            }
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            fcntl_setfl(&read, OFlags::NONBLOCK)?;
            let device = match &output.logfile {
                LogFile::Path(path) => SinkTarget::Path(path.into()).is_device(),
                LogFile::Auto | LogFile::None | LogFile::Syslog => false,
            };
            let mut options = ChannelOptions::of(output, self.daemon.strip_ansi, debug, device);
            if listener {
                // What it says is its part of a dialogue, and no event, as in supervisord.
                options.copy = debug;
                options.capture_maxbytes = 0;
            }
            let flow = Flow {
                id,
                stream,
                channel: Channel::new(&options),
                pace: Pace::default(),
                file: targets.file,
                syslog: targets.syslog,
                listener,
                ended: false,
            };
            streams.push((read, flow));
            *end = Some(write);
        }
        Ok((streams, ends))
    }

    /// The logs of a stream: opened for the first run, and looked after for each further one.
    fn targets(&mut self, id: ProcId, spec: &Spec, stream: Stream) -> io::Result<Targets> {
        let process = self.processes.get(&id);
        let known = process.and_then(|process| process.targets(stream)).cloned();
        let known = known.unwrap_or_default();
        if let Some(file) = known.file {
            let trouble = self.outputs.sinks.get_mut(file).and_then(|sink| sink.renew());
            self.troubles(trouble);
            return Ok(known);
        }
        let (channel, output) = output(spec, stream);
        let mut targets = known;
        let path = match &output.logfile {
            LogFile::None | LogFile::Syslog => None,
            // As supervisord, which tests the name for truth.
            LogFile::Path(path) => Some(PathBuf::from(path)).filter(|_| !path.is_empty()),
            LogFile::Auto => {
                let Daemon { childlogdir, identifier, .. } = &self.daemon;
                let dir = childlogdir.as_ref();
                let path = auto_names::create(dir, &spec.process.name, channel, identifier)?;
                targets.auto = Some(path.clone());
                Some(path)
            }
        };
        if let Some(path) = path {
            let target = SinkTarget::Path(path);
            let (file, trouble) =
                self.outputs.sinks.open(&target, output.maxbytes, output.backups)?;
            targets.file = Some(file);
            self.troubles(trouble);
        }
        if (output.syslog || output.logfile == LogFile::Syslog) && targets.syslog.is_none() {
            let target = SinkTarget::Syslog { name: spec.process.name.clone() };
            let (syslog, trouble) = self.outputs.sinks.open(&target, 0, 0)?;
            targets.syslog = Some(syslog);
            self.troubles(trouble);
        }
        let somewhere = targets.file.is_some() || targets.syslog.is_some();
        if let Some(process) = self.processes.get_mut(&id).filter(|_| somewhere) {
            process.set_targets(stream, targets.clone());
        }
        Ok(targets)
    }

    /// The program runs: its pipes are read from here on.
    pub(super) fn watch_streams(&mut self, streams: Streams) -> [Option<Key>; 2] {
        let mut keys = [None, None];
        for (fd, flow) in streams {
            let slot = match flow.stream {
                Stream::Stdout => 0,
                Stream::Stderr => 1,
            };
            if let Some(key) = self.watch(fd, Source::Stream) {
                self.outputs.flows.insert(key, flow);
                if let Some(slot) = keys.get_mut(slot) {
                    *slot = Some(key);
                }
            }
        }
        keys
    }

    /// Why there is no program, where its own words would have gone.
    pub(super) fn last_words(&mut self, mut streams: Streams, text: &str) {
        let Some((_, mut flow)) = streams.pop() else { return };
        flow.listener = false;
        let text = format!("supervisor: {text}\nsupervisor: child process was not spawned\n");
        self.take(&mut flow, text.as_bytes());
        self.end_flow(flow);
    }

    pub(super) fn hear_stream(&mut self, key: Key) {
        let Some(mut flow) = self.outputs.flows.remove(&key) else { return };
        match self.move_some(key, &mut flow) {
            Moved::Some(bytes) => self.moved(key, flow, bytes),
            Moved::Nothing => drop(self.outputs.flows.insert(key, flow)),
            Moved::Blocked => self.pause(key, flow),
            Moved::End => {
                self.forget(key);
                self.end_flow(flow);
            }
        }
    }

    /// A stream that says little but often is left alone for a moment.
    fn moved(&mut self, key: Key, mut flow: Flow, bytes: usize) {
        let now = self.events.now();
        let next = flow.pace.read(now, bytes);
        if let (Some(size), Some(fd)) = (next.pipe, self.events.fd(key)) {
            pace::resize(fd, size);
        }
        match next.rest {
            Some(rest) => self.rest(key, flow, now.saturating_add(rest)),
            None => drop(self.outputs.flows.insert(key, flow)),
        }
    }

    /// The program has gone: what it wrote before comes first, then the end.
    pub(super) fn drain_streams(&mut self, id: ProcId) {
        let Some(run) = self.processes.get_mut(&id).and_then(|process| process.run.as_mut()) else {
            return;
        };
        for key in std::mem::take(&mut run.streams).into_iter().flatten() {
            if let Some(flow) = self.outputs.flows.get_mut(&key) {
                flow.ended = true;
            }
            self.finish_flow(key);
        }
        let flows = self.outputs.paused.iter_mut().map(|(_, flow)| flow);
        let flows = flows.chain(self.outputs.resting.iter_mut().map(|(_, _, flow)| flow));
        flows.filter(|flow| flow.id == id).for_each(|flow| flow.ended = true);
        self.wake_rested(true);
    }

    /// The rest of what a program wrote that has gone.
    pub(super) fn finish_flow(&mut self, key: Key) {
        let Some(mut flow) = self.outputs.flows.remove(&key) else { return };
        let mut left = LARGEST_PIPE;
        while left > 0 {
            match self.move_some(key, &mut flow) {
                Moved::Some(bytes) => left = left.saturating_sub(bytes),
                Moved::Blocked => return self.pause(key, flow),
                Moved::Nothing | Moved::End => break,
            }
        }
        self.forget(key);
        self.end_flow(flow);
    }

    /// Moves a bounded amount from a pipe on.
    fn move_some(&mut self, key: Key, flow: &mut Flow) -> Moved {
        let Some(fd) = self.events.fd(key) else { return Moved::End };
        let outputs = &mut self.outputs;
        if outputs.buffer.is_empty() {
            outputs.buffer = vec![0; READ];
        }
        let raw = flow.channel.is_raw() && flow.syslog.is_none() && !flow.listener;
        if let Some(sink) = flow.file.filter(|_| raw).and_then(|id| outputs.sinks.get_mut(id)) {
            let Ok(pumped) = sink.pump(fd, &mut outputs.buffer) else { return Moved::End };
            self.troubles(pumped.written.troubles);
            return match pumped {
                _ if pumped.written.blocked => Moved::Blocked,
                _ if pumped.end => Moved::End,
                _ if pumped.bytes > 0 => Moved::Some(pumped.bytes),
                _ => Moved::Nothing,
            };
        }
        let mut buffer = std::mem::take(&mut outputs.buffer);
        let moved = match rustix::io::read(fd, buffer.as_mut_slice()) {
            Err(Errno::AGAIN | Errno::INTR) => Moved::Nothing,
            Ok(0) | Err(_) => Moved::End,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if self.take(flow, bytes) { Moved::Blocked } else { Moved::Some(count) }
            }
        };
        self.outputs.buffer = buffer;
        moved
    }

    /// What a program wrote goes where it belongs; true if that takes no more.
    fn take(&mut self, flow: &mut Flow, bytes: &[u8]) -> bool {
        if flow.listener {
            self.listener_said(flow.id, Said::Output(bytes));
        }
        let mut pieces = Vec::new();
        flow.channel.feed(bytes, SystemTime::now(), &mut pieces);
        self.deliver(flow, pieces)
    }

    fn deliver(&mut self, flow: &Flow, pieces: Vec<Piece>) -> bool {
        let mut blocked = false;
        for piece in pieces {
            match piece {
                Piece::Write(bytes) => {
                    for sink in [flow.file, flow.syslog].into_iter().flatten() {
                        let Some(sink) = self.outputs.sinks.get_mut(sink) else { continue };
                        let Written { blocked: full, troubles } = sink.write(&bytes);
                        blocked |= full;
                        self.troubles(troubles);
                    }
                }
                Piece::Copy(bytes) => {
                    self.announce_log(flow.id, flow.stream, &bytes);
                    if self.log.wants(Level::Debug) {
                        let text = output_line(&self.name(flow.id), flow.stream.name(), &bytes);
                        self.line(Level::Debug, text);
                    }
                }
                Piece::Captured(bytes) => self.announce_message(flow.id, flow.stream, &bytes),
            }
        }
        blocked
    }

    fn end_flow(&mut self, mut flow: Flow) {
        let mut pieces = Vec::new();
        flow.channel.end(SystemTime::now(), &mut pieces);
        // A log that is full keeps this little in memory.
        let _ = self.deliver(&flow, pieces);
        if let Some(sink) = flow.syslog.and_then(|id| self.outputs.sinks.get_mut(id)) {
            let trouble = sink.end();
            self.troubles(trouble);
        }
    }

    /// USR2.
    pub(super) fn reopen_logs(&mut self) {
        self.log.say(&Line::Reopened);
        self.log.reopen();
        let troubles = self.outputs.sinks.reopen();
        self.troubles(troubles);
        self.begin_waiting_anew();
    }

    /// A program is no longer there to write.
    pub(super) fn release_targets(&mut self, process: &Process) {
        for targets in [Stream::Stdout, Stream::Stderr].map(|stream| process.targets(stream)) {
            let Some(targets) = targets else { continue };
            for id in [targets.file, targets.syslog].into_iter().flatten() {
                let troubles = self.outputs.sinks.close(id);
                self.troubles(troubles);
                if self.outputs.sinks.get(id).is_none() {
                    self.let_go(id);
                }
            }
        }
    }

    pub(super) fn troubles(&mut self, troubles: impl IntoIterator<Item = Trouble>) {
        for trouble in troubles {
            self.log.trouble(&trouble);
        }
    }
}

/// What became of a pipe.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Moved {
    /// So many bytes; there may be more.
    Some(usize),
    /// It was empty.
    Nothing,
    /// The log takes no more.
    Blocked,
    /// All other ends are closed.
    End,
}
