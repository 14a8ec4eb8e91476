//! Parts of logs, and emptying them.
//!
//! Offsets and lengths mean what they mean to supervisord. What is no regular file is no log: a terminal
//! or a pipe cannot be read twice. An answer has 8 MiB of a log at the most.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::Supervisor;
use super::names::{everything, find_process, join};
use super::wait::row;
use super::world::LogPlace;
use crate::supervise::machine::types::ProcId;
use crate::supervise::rpc::{Fault, FaultCode, Value, clean_bytes};

/// What is read of a log for one answer.
const MOST: u64 = 4 * 1024 * 1024;
/// The one device that is a log: an empty one.
const NULL: &str = "/dev/null";

/// Whether there is a log that can be read. One that nothing was written to yet is there, and empty.
pub(super) fn is_there(place: &LogPlace) -> Result<(), Fault> {
    match place {
        LogPlace::Nowhere => Err(FaultCode::NoFile.bare()),
        LogPlace::Unborn => Ok(()),
        LogPlace::File(path) if path == Path::new(NULL) || is_regular(path) => Ok(()),
        LogPlace::File(path) => Err(FaultCode::NoFile.with(path.display())),
    }
}

fn is_regular(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// A part of a log, as `readLog` has it: below 0 the offset counts from the end, and a length of 0 means
/// all the rest.
pub(super) fn read(place: &LogPlace, offset: i64, length: i64) -> Result<Value, Fault> {
    let failed = |_: io::Error| FaultCode::Failed.bare();
    let file = open(place).map_err(failed)?;
    if if offset < 0 { length != 0 } else { length < 0 } {
        return Err(FaultCode::BadArguments.bare());
    }
    let Some(mut file) = file else { return Ok("".into()) };
    let (offset, length) = if offset < 0 {
        let size = size(&mut file).map_err(failed)?;
        let wanted = offset.unsigned_abs().min(MOST);
        (size.saturating_sub(wanted), wanted)
    } else {
        let wanted = if length == 0 { MOST } else { length.unsigned_abs().min(MOST) };
        (offset.unsigned_abs(), wanted)
    };
    part(&mut file, offset, length).map(Value::from).map_err(failed)
}

/// The end of a log, as `tailProcessLog` has it: the last `length` bytes, the size, and whether the log
/// has grown beyond `offset` and `length`.
pub(super) fn tail(place: &LogPlace, offset: i64, length: i64) -> Value {
    end(place, offset, length).unwrap_or_else(|_| nothing(offset))
}

fn end(place: &LogPlace, offset: i64, length: i64) -> io::Result<Value> {
    let Some(mut file) = open(place)? else { return Ok(nothing(0)) };
    let size = i64::try_from(size(&mut file)?).unwrap_or(i64::MAX);
    let (mut from, mut length) = (offset, length);
    let overflow = size > from.saturating_add(length);
    if overflow {
        from = size.saturating_sub(1);
    }
    if from.saturating_add(length) > size {
        if from > size.saturating_sub(1) {
            length = 0;
        }
        from = size.saturating_sub(length);
    }
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    if length > most {
        from = from.max(size.saturating_sub(most));
    }
    let length = length.clamp(0, most).unsigned_abs();
    let text = match length {
        0 => String::new(),
        _ => part(&mut file, from.max(0).unsigned_abs(), length)?,
    };
    Ok(Value::Array(vec![text.into(), size.into(), overflow.into()]))
}

/// The answer of `tailProcessLog` about a log that is not there.
pub(super) fn nothing(offset: i64) -> Value {
    Value::Array(vec!["".into(), offset.into(), false.into()])
}

/// `None`: nothing was written to it yet.
fn open(place: &LogPlace) -> io::Result<Option<File>> {
    let path = match place {
        LogPlace::Unborn => return Ok(None),
        LogPlace::File(path) if path == Path::new(NULL) => return Ok(None),
        LogPlace::Nowhere => return Err(io::ErrorKind::NotFound.into()),
        LogPlace::File(path) => path,
    };
    // It was a regular file a moment ago. If somebody has put a pipe in its place, we do not wait.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn size(file: &mut File) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

fn part(file: &mut File, offset: u64, length: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(clean_bytes(&bytes))
}

/// `supervisor.clearLog`
pub(super) fn clear_main(world: &mut dyn Supervisor) -> Result<Value, Fault> {
    match world.main_log() {
        LogPlace::File(path) if is_regular(&path) => {}
        LogPlace::File(_) | LogPlace::Nowhere | LogPlace::Unborn => {
            return Err(FaultCode::NoFile.bare());
        }
    }
    world.clear_main_log().map_err(|_| FaultCode::Failed.bare())?;
    Ok(true.into())
}

/// `supervisor.clearProcessLogs`
pub(super) fn clear(world: &mut dyn Supervisor, name: &str) -> Result<Value, Fault> {
    let id = find_process(world, name)?;
    empty(world, id, name)?;
    Ok(true.into())
}

/// `supervisor.clearAllProcessLogs`
pub(super) fn clear_all(world: &mut dyn Supervisor) -> Value {
    let mut rows = Vec::new();
    for id in everything(world) {
        if let Some(info) = world.info(id) {
            let came = empty(world, id, &join(&info.group, &info.name));
            rows.push(row(&info.group, &info.name, came));
        }
    }
    rows.into()
}

fn empty(world: &mut dyn Supervisor, id: ProcId, said: &str) -> Result<(), Fault> {
    world.clear_logs(id).map_err(|_| FaultCode::Failed.with(said))
}
