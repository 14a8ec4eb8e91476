//! Turns an image and a setup into what a child can use without allocating.

use std::ffi::{CStr, CString, c_char};
use std::iter;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8};

use fdpass::plan::Step;

use crate::job::{Job, Report};
use crate::kernel::KernelLimit;
use crate::{Image, Limit, Pid, Resource, Setup};

/// Ten digits and a NUL.
const PID_ROOM: usize = 11;

/// Everything a [`Job`] borrows that is in neither the image nor the setup.
pub(crate) struct Prepared<'a> {
    image: &'a Image,
    setup: &'a Setup<'a>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// `NAME=` and room for the pid. Atomics, because the child writes here
    /// while the parent is not looking.
    own_pid: Vec<Vec<AtomicU8>>,
    limits: Vec<(usize, KernelLimit)>,
    open_files: Option<KernelLimit>,
    keep_open: Vec<i32>,
    steps: Vec<Step>,
    slots: Vec<AtomicI32>,
    set_groups: bool,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(image: &'a Image, setup: &'a Setup<'a>) -> Prepared<'a> {
        let own_pid: Vec<Vec<AtomicU8>> = image
            .own_pid()
            .iter()
            .map(|prefix| {
                let room = iter::repeat_n(0, PID_ROOM);
                prefix.iter().copied().chain(room).map(AtomicU8::new).collect()
            })
            .collect();
        let own_pid_strings = own_pid.iter().map(|text| text.as_ptr().cast::<c_char>());
        let envp = pointers(image.env()).chain(own_pid_strings);
        let limit_of = |(resource, limit): &(Resource, Limit)| {
            let [soft, hard] = [limit.soft, limit.hard].map(|value| value.unwrap_or(u64::MAX));
            (resource.as_raw(), KernelLimit { soft, hard })
        };
        let (last, first): (Vec<_>, Vec<_>) =
            setup.limits.iter().partition(|(resource, _)| *resource == Resource::OpenFiles);
        let targets = setup.fds.moves();
        let is_target = |fd: &&i32| targets.iter().any(|planned| planned.to == **fd);
        Prepared {
            image,
            setup,
            argv: pointers(image.args()).chain([ptr::null()]).collect(),
            envp: envp.chain([ptr::null()]).collect(),
            limits: first.into_iter().map(limit_of).collect(),
            open_files: last.first().map(|limit| limit_of(limit).1),
            keep_open: setup.keep_open.iter().filter(|fd| !is_target(fd)).copied().collect(),
            steps: setup.fds.steps(),
            slots: iter::repeat_with(|| AtomicI32::new(-1)).take(setup.fds.slots()).collect(),
            set_groups: setup
                .credentials
                .as_ref()
                .is_some_and(|wanted| !has_groups(wanted.groups())),
            own_pid,
        }
    }

    /// The numbers that must be open and pass as they are.
    pub(crate) fn keep_open(&self) -> &[i32] {
        &self.keep_open
    }

    /// Whether the child looks at this number of the parent's, or fills it.
    pub(crate) fn concerns(&self, fd: i32) -> bool {
        self.setup.fds.moves().iter().any(|planned| planned.to == fd || planned.from == fd)
            || self.keep_open.contains(&fd)
    }

    /// The lowest number above all that the child needs of the parent's table.
    pub(crate) fn first_unused(&self) -> u32 {
        let sources = self.setup.fds.moves().iter().map(|planned| planned.from);
        let highest = sources.chain(self.keep_open.iter().copied()).fold(2, i32::max);
        highest.unsigned_abs().saturating_add(1)
    }

    /// The places of the pid within its strings.
    pub(crate) fn pid_places(&self) -> Vec<&[AtomicU8]> {
        let prefixes = self.image.own_pid().iter().map(Vec::len);
        self.own_pid.iter().zip(prefixes).filter_map(|(text, at)| text.get(at..)).collect()
    }

    /// The job without a way of reporting through a pipe and with a descriptor
    /// table of its own.
    pub(crate) fn job<'j>(&'j self, pid_places: &'j [&'j [AtomicU8]]) -> Job<'j> {
        let setup = self.setup;
        let credentials = setup.credentials.as_ref();
        let new_root: Option<&CStr> = setup.chroot.as_ref().map(|_| c"/");
        Job {
            unshare_from: None,
            group: setup.group,
            umask: setup.umask,
            limits: &self.limits,
            nice: setup.nice,
            close_others: !setup.keep_others,
            keep_open: &self.keep_open,
            close: &[],
            steps: &self.steps,
            slots: &self.slots,
            lift_base: setup.fds.lift_base(),
            open_files: self.open_files,
            chroot: setup.chroot.as_deref(),
            groups: credentials.filter(|_| self.set_groups).map(|wanted| wanted.groups()),
            ids: credentials.map(|wanted| (wanted.uid(), wanted.gid())),
            death_signal: setup.death_signal.map(|signal| (signal.as_raw(), Pid::own().as_raw())),
            no_new_privs: setup.no_new_privs,
            dir: setup.dir.as_deref().or(new_root),
            own_pid: pid_places,
            ignored: setup.ignored,
            mask: setup.mask,
            candidates: self.image.candidates(),
            argv: &self.argv,
            envp: &self.envp,
            report: Report::default(),
            report_fd: None,
        }
    }
}

fn pointers(strings: &[CString]) -> impl Iterator<Item = *const c_char> {
    strings.iter().map(|string| string.as_ptr())
}

/// Whether these are the caller's supplementary groups already. Setting the
/// same ones would need a privilege for nothing.
fn has_groups(wanted: &[u32]) -> bool {
    let sorted = |mut groups: Vec<u32>| {
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    rustix::process::getgroups().is_ok_and(|present| {
        sorted(present.into_iter().map(|gid| gid.as_raw()).collect()) == sorted(wanted.to_vec())
    })
}
