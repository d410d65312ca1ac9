//! Backend that writes the segments to a directory.
//!
//! `plan.json` and `segments/NN-name.bin`, where NN is the segment's position
//! in the plan. A zero-length segment has no file. The directory is created
//! atomically, and replaces one that mbtool wrote before.

use super::{Backend, BackendError, LoadDestination, LoadSummary, Unload};
use crate::plan::{Plan, Segment};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Maximum length of a segment name in a file name.
const NAME_LEN: usize = 60;

/// The backend.
#[derive(Clone, Debug)]
pub struct Dir {
    path: PathBuf,
}

impl Dir {
    /// Writes to `path`, whose parent must exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes a report and its segments.
    fn write(
        &self,
        report: &impl Serialize,
        segments: &[Segment],
    ) -> Result<LoadSummary, BackendError> {
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        // a link to a directory is kept; its target is replaced
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let replaces = is_ours(&path)?;

        let staged = Staged::new(&path)?;
        put(&staged.path.join("plan.json"), &json)?;
        let dir = staged.path.join("segments");
        fs::create_dir(&dir).map_err(|source| BackendError::Io {
            path: dir.clone(),
            source,
        })?;
        let (mut files, mut bytes) = (0, 0);
        for (at, segment) in segments
            .iter()
            .enumerate()
            .filter(|(_, s)| !s.data.is_empty())
        {
            put(&dir.join(file_name(at, &segment.name)), &segment.data)?;
            files += 1;
            bytes += segment.data.len() as u64;
        }
        staged.publish(&path, replaces)?;
        Ok(LoadSummary {
            destination: LoadDestination::Directory(self.path.clone()),
            segments: files,
            bytes,
        })
    }
}

impl Backend for Dir {
    fn name(&self) -> &str {
        "dir"
    }

    fn load(&self, plan: &Plan) -> Result<LoadSummary, BackendError> {
        self.write(&plan.report, &plan.segments)
    }

    /// Removes the directory, if mbtool wrote it.
    fn unload(&self, _: Unload) -> Result<bool, BackendError> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let ours = is_ours(&path)?;
        if ours {
            fs::remove_dir_all(&path).map_err(|source| io(&path, source))?;
        }
        Ok(ours)
    }
}

/// A directory with a temporary name beside its final one; removed when
/// dropped.
struct Staged {
    path: PathBuf,
}

impl Staged {
    fn new(target: &Path) -> Result<Self, BackendError> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        fs::create_dir(&path).map_err(|source| io(&path, source))?;
        Ok(Self { path })
    }

    /// Renames it to its final name; the previous directory is removed when
    /// `self` is dropped.
    fn publish(self, target: &Path, replaces: bool) -> Result<(), BackendError> {
        let flags = if replaces {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::empty()
        };
        renameat_with(CWD, &self.path, CWD, target, flags).map_err(|errno| io(target, errno.into()))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // after a plain rename nothing is left; after an exchange, the old
        // content
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// True when [`Dir`] wrote `path`; false when it does not exist or is empty.
fn is_ours(path: &Path) -> Result<bool, BackendError> {
    let foreign = |found: OsString| BackendError::Foreign {
        path: path.to_owned(),
        found: found.to_string_lossy().into_owned(),
    };
    let Some(top) = names(path)? else {
        return Ok(false);
    };
    if let Some(name) = top
        .iter()
        .find(|name| *name != "plan.json" && *name != "segments")
    {
        return Err(foreign(name.clone()));
    }
    if top.is_empty() {
        return Ok(false);
    }
    if top.len() == 1 {
        return Err(foreign(top[0].clone()));
    }
    for name in names(&path.join("segments"))?.unwrap_or_default() {
        let text = name.to_string_lossy();
        let number = text.split('-').next().unwrap_or_default();
        let ours = number.len() >= 2
            && number.bytes().all(|b| b.is_ascii_digit())
            && text.ends_with(".bin");
        if !ours {
            return Err(foreign(Path::new("segments").join(name).into_os_string()));
        }
    }
    Ok(true)
}

/// Returns the names in a directory; `None` when it does not exist.
fn names(path: &Path) -> Result<Option<Vec<OsString>>, BackendError> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) if err.kind() == ErrorKind::NotADirectory => {
            return Err(BackendError::NoDirectory {
                path: path.to_owned(),
            });
        }
        Err(err) => return Err(io(path, err)),
    };
    let names: Result<Vec<_>, _> = listing
        .map(|item| item.map(|item| item.file_name()))
        .collect();
    names.map(Some).map_err(|err| io(path, err))
}

/// `NN-name.bin`, the name reduced to letters, digits, dots, `_` and `-`.
fn file_name(at: usize, name: &str) -> String {
    let mut plain = String::with_capacity(NAME_LEN);
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        };
        if plain.len() < NAME_LEN && !(c == '-' && plain.ends_with('-')) {
            plain.push(c);
        }
    }
    let plain = plain.trim_matches('-');
    format!(
        "{at:02}-{}.bin",
        if plain.is_empty() { "segment" } else { plain }
    )
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BackendError> {
    fs::write(path, bytes).map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> BackendError {
    BackendError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
