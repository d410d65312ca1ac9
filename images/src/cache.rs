//! Cache of downloads, shared by runs and clones, and its locks.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Returns the cache directory of this project: `$XDG_CACHE_HOME/mbtool`, else
/// `$HOME/.cache/mbtool`. It is created.
pub fn dir() -> Result<PathBuf> {
    // The XDG base directory specification: a relative path is invalid and has to be ignored.
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|h| h.join(".cache")));
    let Some(base) = base else {
        bail!(
            "no place for downloads: neither XDG_CACHE_HOME nor HOME is an absolute path; set one of them"
        );
    };
    let dir = base.join("mbtool");
    fs::create_dir_all(&dir).with_context(|| {
        format!(
            "cannot create the cache directory {} (set XDG_CACHE_HOME to a directory you can write)",
            dir.display()
        )
    })?;
    Ok(dir)
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable)?);
    path.is_absolute().then_some(path)
}

/// Opens the lock file `path`, created when missing; it is not locked yet.
pub fn lock_file(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock file {}", path.display()))
}

/// Takes an exclusive lock on `path` (created when missing) until the returned file is dropped.
///
/// Prints a message before it waits for another process.
pub fn lock(path: &Path) -> Result<File> {
    let file = lock_file(path)?;
    if file.try_lock().is_err() {
        crate::progress::say(
            "setup",
            format_args!("waiting for another process: {}", path.display()),
        );
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}
