//! What the tests take from PyPI, as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::peers::python;

/// Where this is, fetched once into the target directory. None where PyPI cannot be reached.
pub fn pypi(requirement: &str) -> Option<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(requirement);
    if place.exists() {
        return Some(place);
    }
    let fresh = place.with_extension(std::process::id().to_string());
    let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--root-user-action=ignore"];
    let mut command = Command::new(python());
    command.args(pip).args(["--retries=1", "--timeout=10", "--target"]).arg(&fresh);
    let output = command.arg(requirement).output().ok()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let last = why.lines().last().unwrap_or_default();
        eprintln!("skipped: pip cannot install {requirement}: {last}");
        return None;
    }
    let renamed = fs::rename(&fresh, &place);
    assert!(renamed.is_ok() || place.exists(), "{renamed:?}");
    Some(place)
}
