//! Templates in the cache directory: names, locks and total size.
//!
//! `templates/KEY/` is a template, `templates/KEY.part/` one that is being made,
//! `templates/KEY.lock` is locked by the process that makes it (exclusive) or uses it (shared).

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use images::cache;
use images::progress::say;

/// Maximum disk space of all templates in bytes: about thirty of them.
const MOST: u64 = 10 << 30;

/// The directory of all templates.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

/// Location of a template.
#[derive(Debug)]
pub enum TemplatePlace {
    /// Existing, with a lock that keeps it.
    Kept(PathBuf, File),
    /// To be made.
    New(New),
}

/// A template that is being made.
#[derive(Debug)]
pub struct New {
    part: PathBuf,
    dir: PathBuf,
    lock: File,
}

impl Store {
    /// Opens the store of this user.
    pub fn open() -> Result<Self> {
        Self::at(cache::dir()?.join("templates"))
    }

    fn at(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        Ok(Self { dir })
    }

    /// Returns the location of the template `key`; `None` while another process
    /// makes it.
    pub fn place(&self, key: &str) -> Result<Option<TemplatePlace>> {
        let dir = self.dir.join(key);
        let lock = self.lock(key)?;
        // users and makers take the same lock: shared if the template exists
        if !dir.is_dir() {
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(error) => return Err(error).context("cannot lock a template"),
            }
            // another process may have made it meanwhile
            if !dir.is_dir() {
                let part = self.dir.join(format!("{key}.part"));
                remove(&part)?;
                fs::create_dir(&part).with_context(|| part.display().to_string())?;
                self.bound(MOST)?;
                return Ok(Some(TemplatePlace::New(New { part, dir, lock })));
            }
            lock.unlock()?;
        }
        lock.lock_shared().context("cannot lock a template")?;
        if !dir.is_dir() {
            // removed meanwhile, for lack of space
            return Ok(None);
        }
        // most recently used now
        lock.set_modified(SystemTime::now())?;
        Ok(Some(TemplatePlace::Kept(dir, lock)))
    }

    fn lock(&self, key: &str) -> Result<File> {
        cache::lock_file(&self.dir.join(format!("{key}.lock")))
    }

    /// Removes unfinished templates, then the least recently used ones until all take at most `most` bytes. Templates in use stay.
    fn bound(&self, most: u64) -> Result<()> {
        let mut all = Vec::new();
        let mut taken = 0;
        for entry in fs::read_dir(&self.dir)?.flatten() {
            let path = entry.path();
            let Some(key) = path.file_stem().and_then(OsStr::to_str) else {
                continue;
            };
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let unfinished = path.extension().is_some();
            let used = self.lock(key)?.metadata()?.modified()?;
            let bytes = bytes(&path)?;
            taken += bytes;
            all.push((!unfinished, used, key.to_owned(), bytes, path));
        }
        all.sort();
        for (finished, _, key, bytes, path) in all {
            if finished && taken <= most {
                break;
            }
            // a template in use is locked
            let lock = self.lock(&key)?;
            if lock.try_lock().is_ok() {
                if finished {
                    say(
                        "setup",
                        format_args!("removing the template {key}: all take {} MiB", taken >> 20),
                    );
                }
                remove(&path)?;
                taken -= bytes;
            }
        }
        Ok(())
    }
}

impl New {
    /// Directory to make it in.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Keeps the finished template.
    pub fn keep(self) -> Result<(PathBuf, File)> {
        fs::rename(&self.part, &self.dir)?;
        // from now on others may use it too
        self.lock.lock_shared()?;
        Ok((self.dir, self.lock))
    }
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Disk space of the files of a directory, in bytes.
fn bytes(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)?.flatten() {
        sum += entry.metadata()?.blocks() * 512;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(store: &Store, key: &str, len: usize) -> (PathBuf, File) {
        match store.place(key).unwrap() {
            Some(TemplatePlace::New(new)) => {
                fs::write(new.part().join("ram"), vec![1; len]).unwrap();
                new.keep().unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn kept(store: &Store, key: &str) -> bool {
        matches!(store.place(key).unwrap(), Some(TemplatePlace::Kept(..)))
    }

    #[test]
    fn a_second_process_does_not_wait_and_a_later_one_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("templates")).unwrap();
        let Some(TemplatePlace::New(new)) = store.place("a").unwrap() else {
            panic!("not new")
        };
        assert!(store.place("a").unwrap().is_none());
        // an abandoned template is made again
        fs::write(new.part().join("ram"), "half").unwrap();
        drop(new);
        let (path, _lock) = make(&store, "a", 1);
        assert_eq!(fs::read(path.join("ram")).unwrap(), [1]);
        // shared by several users
        assert!(kept(&store, "a") && kept(&store, "a"));
    }

    #[test]
    fn the_least_recently_used_is_removed_first_and_used_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("templates")).unwrap();
        let locks: Vec<_> = ["a", "b", "c"].map(|key| make(&store, key, 1 << 20)).into();
        for (n, (_, lock)) in locks.iter().enumerate() {
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            lock.set_modified(used).unwrap();
        }
        store.bound(3 << 20 | 1 << 18).unwrap();
        let there = |key: &str| store.dir.join(key).is_dir();
        assert!(["a", "b", "c"].iter().all(|key| there(key)));
        let mut locks = locks.into_iter();
        // "a" is in use
        let _a = locks.next();
        drop(locks);
        fs::create_dir(store.dir.join("d.part")).unwrap();
        store.bound(2 << 20 | 1 << 18).unwrap();
        assert_eq!(["a", "b", "c"].map(there), [true, false, true]);
        assert!(!store.dir.join("d.part").exists());
    }
}
