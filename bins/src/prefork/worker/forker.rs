//! Makes workers by forking: each is a copy of the manager that runs the closure.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::rc::Rc;

use reaper::{Child, Credentials, Pid, Setup, Stage, fork_worker};
use sigpolicy::{Signal, SignalSet};

use super::Worker;
use crate::prefork::machine::StartError;
use crate::prefork::maker::{Maker, Order};
use crate::prefork::title;
use crate::report::complain;

/// What a worker does.
pub(crate) type MainLoop = Box<dyn FnMut(&mut Worker) -> Result<(), Box<dyn Error>>>;

/// Descriptors that are the application's own; the others are the manager's. `None` where that
/// cannot be told.
pub(crate) type Own = Rc<RefCell<Option<BTreeSet<i32>>>>;

/// What every worker has in common.
pub(crate) struct Forker {
    pub(crate) main_loop: MainLoop,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) umask: Option<u32>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) no_new_privs: bool,
    /// What the worker gets when the manager dies.
    pub(crate) death_signal: Option<Signal>,
    /// What it leaves on.
    pub(crate) signals: Vec<Signal>,
    /// Those come after the request.
    pub(crate) hold: bool,
    pub(crate) max_requests: Option<u64>,
    pub(crate) jitter: u64,
    /// What `ps` shows is made of this.
    pub(crate) name: Option<String>,
    pub(crate) own: Own,
}

/// What one worker is told at its start.
#[derive(Debug)]
pub(crate) struct Terms<'m> {
    pub(crate) order: &'m Order<'m>,
    pub(crate) signals: &'m [Signal],
    pub(crate) hold: bool,
    pub(crate) max_requests: Option<u64>,
    pub(crate) watches_parent: bool,
}

impl Maker for Forker {
    fn make(&mut self, order: &Order<'_>) -> Result<Child, StartError> {
        let permanent = |text: String| StartError { text, transient: false };
        let mut setup = self.setup(order).map_err(permanent)?.process_group();
        if let Some(signal) = self.death_signal {
            setup = setup.death_signal(signal);
        }
        if let Some(own) = &*self.own.borrow() {
            let mut kept: Vec<i32> = own.iter().copied().collect();
            let sockets = order.sockets.listeners().map(|(listener, _)| listener.as_fd());
            let needed = sockets.chain(order.board).chain(order.access_log);
            kept.extend(needed.map(|fd| fd.as_raw_fd()));
            setup = setup.fork_keeps(&kept);
        }
        // Drawn here: all copies would draw the same.
        let max_requests = self.max_requests();
        let terms = Terms {
            order,
            signals: &self.signals,
            hold: self.hold,
            max_requests,
            watches_parent: self.death_signal.is_some(),
        };
        if let Some(name) = &self.name {
            // Before the fork: a process that has changed its user cannot do it.
            title::set(&title::child(name));
        }
        let main_loop = &mut self.main_loop;
        let made = fork_worker(&setup, || work(&terms, main_loop)).map_err(|error| StartError {
            text: error.to_string(),
            transient: error.stage() == Stage::Clone,
        });
        if let Some(name) = &self.name {
            title::set(&title::parent(name));
        }
        made
    }

    fn finishes_requests(&self) -> bool {
        true
    }
}

impl Forker {
    /// What the process becomes, whether it is forked or this one.
    pub(crate) fn setup<'m>(&self, order: &Order<'m>) -> Result<Setup<'m>, String> {
        // Blocked from birth until the worker catches them: none ends it halfway through its start.
        let mask = self.signals.iter().copied().fold(order.mask, SignalSet::with);
        // A client that has gone is an error of write(2), as everywhere in Rust.
        let ignored = order.ignored.with(Signal::PIPE);
        let mut setup = Setup::new().ignored(ignored).mask(mask);
        if let Some(dir) = &self.dir {
            setup = setup.dir(dir).map_err(|error| error.to_string())?;
        }
        if let Some(umask) = self.umask {
            setup = setup.umask(umask);
        }
        if let Some(credentials) = &self.credentials {
            setup = setup.credentials(credentials.clone());
        }
        if let Some(limit) = order.open_files {
            setup = setup.restore_nofile(limit);
        }
        if self.no_new_privs {
            setup = setup.no_new_privs();
        }
        Ok(setup)
    }

    pub(crate) fn max_requests(&self) -> Option<u64> {
        let more = fastrand::u64(0..=self.jitter);
        self.max_requests.map(|most| most.saturating_add(more))
    }
}

/// Runs the closure, in the worker; its exit code.
pub(crate) fn work(terms: &Terms<'_>, main_loop: &mut MainLoop) -> u8 {
    let outcome = Worker::new(terms).and_then(|mut worker| {
        main_loop(&mut worker)?;
        Ok(worker.exit_code())
    });
    outcome.unwrap_or_else(|error| {
        complain(&[format!("worker {} failed: {error}", Pid::own())]);
        1
    })
}

/// The numbers of all open descriptors.
pub(crate) fn open_numbers() -> Option<BTreeSet<i32>> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    let listing = std::path::Path::new("/proc").join(Pid::own().to_string()).join("fd");
    let mut numbers = BTreeSet::new();
    for entry in entries {
        let entry = entry.ok()?;
        // The one that lists them is gone in a moment, and its number somebody else's.
        if std::fs::read_link(entry.path()).is_ok_and(|target| target != listing) {
            numbers.insert(entry.file_name().to_str()?.parse().ok()?);
        }
    }
    Some(numbers)
}

/// What `body` opens, and leaves open, is the application's.
pub(crate) fn as_application<T>(own: &Own, body: impl FnOnce() -> T) -> T {
    let before = open_numbers();
    let outcome = body();
    let after = open_numbers();
    let mut own = own.borrow_mut();
    *own = match (own.take(), before, after) {
        (Some(mut own), Some(before), Some(after)) => {
            own.extend(after.difference(&before));
            Some(own)
        }
        _ => None,
    };
    outcome
}
