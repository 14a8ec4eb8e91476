//! Logs that take no more: their programs wait, and nobody else does.

use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;
use std::time::Duration;

use reaper::{Interest, Key, Moment, Wakeup};

use super::streams::Flow;
use super::{Host, Source};
use crate::supervise::events::Stream;
use crate::supervise::logs::SinkId;

/// How long the end of everything waits for logs that are full.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Host {
    /// Leaves a pipe unread until its log takes more: its program waits, and no other.
    pub(super) fn pause(&mut self, key: Key, flow: Flow) {
        self.sources.remove(&key);
        if let Some(fd) = self.events.unwatch(key) {
            self.outputs.paused.push((fd, flow));
        }
        self.await_sinks();
    }

    /// Waits for the logs that are full, by a descriptor or by the clock.
    fn await_sinks(&mut self) {
        let now = self.events.now();
        let outputs = &mut self.outputs;
        for (id, sink) in outputs.sinks.iter_mut().filter(|(_, sink)| sink.is_blocked()) {
            if let Some(pause) = sink.retry_after() {
                let at = now.saturating_add(pause);
                outputs.retry_at = Some(outputs.retry_at.map_or(at, |former| former.min(at)));
            } else if let Entry::Vacant(entry) = outputs.waiting.entry(id) {
                let fd = sink.fd_to_wait_for().map(|fd| fd.try_clone_to_owned());
                let Some(Ok(fd)) = fd else { continue };
                if let Ok(key) = self.events.watch(fd, Interest::Write) {
                    entry.insert(key);
                    self.sources.insert(key, Source::Sink(id));
                }
            }
        }
    }

    /// A log may take more.
    pub(super) fn resume_sink(&mut self, id: SinkId) {
        let written = self.outputs.sinks.get_mut(id).map(|sink| sink.flush());
        if let Some(written) = written {
            self.troubles(written.troubles);
            if written.blocked {
                return;
            }
        }
        if let Some(key) = self.outputs.waiting.remove(&id) {
            self.forget(key);
        }
        self.resume_flows();
    }

    /// Logs were opened anew: what was waited for may be another file.
    pub(super) fn begin_waiting_anew(&mut self) {
        for key in std::mem::take(&mut self.outputs.waiting).into_values() {
            self.forget(key);
        }
        self.flush_sinks();
    }

    fn flush_sinks(&mut self) {
        let mut troubles = Vec::new();
        for (_, sink) in self.outputs.sinks.iter_mut().filter(|(_, sink)| sink.is_blocked()) {
            troubles.extend(sink.flush().troubles);
        }
        self.troubles(troubles);
        self.await_sinks();
        self.resume_flows();
    }

    /// A log was closed, full or not: nobody waits for it any more.
    pub(super) fn let_go(&mut self, id: SinkId) {
        if let Some(key) = self.outputs.waiting.remove(&id) {
            self.forget(key);
        }
        let wants = |flow: &Flow| flow.file == Some(id) || flow.syslog == Some(id);
        self.outputs.paused.retain(|(_, flow)| !wants(flow));
        self.outputs.resting.retain(|(_, _, flow)| !wants(flow));
    }

    /// Tries logs again that were full, if it is time.
    pub(super) fn retry_sinks(&mut self) {
        let now = self.events.now();
        if self.outputs.retry_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        self.flush_sinks();
    }

    /// Reads on from programs whose logs take more.
    fn resume_flows(&mut self) {
        for (fd, flow) in std::mem::take(&mut self.outputs.paused) {
            let full = |id: &SinkId| self.outputs.sinks.get(*id).is_some_and(|s| s.is_blocked());
            if flow.file.iter().chain(&flow.syslog).any(full) {
                self.outputs.paused.push((fd, flow));
                continue;
            }
            self.resume(fd, flow);
        }
    }

    /// Leaves a pipe alone for a moment.
    pub(super) fn rest(&mut self, key: Key, flow: Flow, until: Moment) {
        self.sources.remove(&key);
        if let Some(fd) = self.events.unwatch(key) {
            self.outputs.resting.push((until, fd, flow));
        }
    }

    /// Reads on from pipes that were left alone: from those whose time it is, or whose programs have
    /// ended.
    pub(super) fn wake_rested(&mut self, ended: bool) {
        let now = self.events.now();
        for (at, fd, flow) in std::mem::take(&mut self.outputs.resting) {
            if at <= now || (ended && flow.ended) {
                self.resume(fd, flow);
            } else {
                self.outputs.resting.push((at, fd, flow));
            }
        }
    }

    fn resume(&mut self, fd: OwnedFd, flow: Flow) {
        let (id, ended, stream) = (flow.id, flow.ended, flow.stream);
        let [stdout, stderr] = self.watch_streams(vec![(fd, flow)]);
        let key = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let Some(key) = key else { return };
        if ended {
            self.finish_flow(key);
        } else if let Some(run) = self.processes.get_mut(&id).and_then(|p| p.run.as_mut()) {
            let slot = usize::from(stream == Stream::Stderr);
            if let Some(slot) = run.streams.get_mut(slot) {
                *slot = Some(key);
            }
        }
    }

    /// What was written last is to arrive, if that takes no more than a moment.
    pub(super) fn drain_outputs(&mut self) {
        let end = self.events.now().saturating_add(LAST_PATIENCE);
        let mut wakeups = Vec::new();
        while self.outputs.sinks.iter_mut().any(|(_, sink)| sink.is_blocked()) {
            self.await_sinks();
            let until = self.outputs.retry_at.map_or(end, |at| at.min(end));
            if self.events.now() >= end || self.events.wait(Some(until), &mut wakeups).is_err() {
                break;
            }
            for wakeup in wakeups.drain(..) {
                match wakeup {
                    Wakeup::Writable(key) => {
                        if let Some(Source::Sink(sink)) = self.sources.get(&key).copied() {
                            self.resume_sink(sink);
                        }
                    }
                    Wakeup::Deadline => self.retry_sinks(),
                    _ => {}
                }
            }
        }
        for process in std::mem::take(&mut self.processes).into_values() {
            self.release_targets(&process);
        }
    }

    /// Waits for the main log, or its copy on standard output, as long as they are full.
    pub(super) fn await_log(&mut self) {
        self.log.flush();
        let full: Vec<OwnedFd> =
            self.log.fds_to_wait_for().filter_map(|fd| fd.try_clone_to_owned().ok()).collect();
        if let Some(pause) = self.log.retry_after() {
            let at = self.events.now().saturating_add(pause);
            let former = self.outputs.retry_at;
            self.outputs.retry_at = Some(former.map_or(at, |former| former.min(at)));
        }
        // Which of them is full may have changed.
        for key in std::mem::take(&mut self.state.log_full) {
            self.forget(key);
        }
        for fd in full {
            if let Ok(key) = self.events.watch(fd, Interest::Write) {
                self.sources.insert(key, Source::Log);
                self.state.log_full.push(key);
            }
        }
    }
}
