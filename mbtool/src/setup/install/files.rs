//! Files written by `crash install`, and their states.
//!
//! A list with digests distinguishes files that were edited from files of an
//! older mbtool.

use super::InstallError;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Path of the list, relative to the root: lines of sha256sum(1).
pub const LIST: &str = "var/lib/mbtool/installed";

/// Files with their digests, by path below the root.
type Listed = BTreeMap<String, String>;

/// A file to write.
#[derive(Clone, Debug)]
pub struct File {
    /// Path relative to the root, without a leading `/`.
    pub path: &'static str,
    /// Contents.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
}

/// State of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Does not exist.
    Absent,
    /// Has the contents to write.
    Same,
    /// Written by an older mbtool.
    Ours,
    /// Edited, or not of mbtool.
    Edited,
}

/// Files that `crash install` has written below a root.
#[derive(Debug)]
pub struct Installed {
    root: PathBuf,
    listed: Listed,
}

impl Installed {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// When the list exists and cannot be read.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(LIST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let listed = text
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
            .collect();
        Ok(Self {
            root: root.to_owned(),
            listed,
        })
    }

    /// Returns the state of `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn state(&self, file: &File) -> anyhow::Result<FileState> {
        self.state_of(file.path, Some(&file.text))
    }

    fn state_of(&self, name: &str, text: Option<&str>) -> anyhow::Result<FileState> {
        let path = self.root.join(name);
        let found = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(FileState::Absent),
            found => found.with_context(|| format!("cannot read {}", path.display()))?,
        };
        Ok(if text.is_some_and(|text| text.as_bytes() == found) {
            FileState::Same
        } else if self.listed.get(name) == Some(&digest(&found)) {
            FileState::Ours
        } else {
            FileState::Edited
        })
    }

    /// Writes `file` atomically.
    ///
    /// # Errors
    ///
    /// Names the file.
    pub fn write(&mut self, file: &File) -> anyhow::Result<()> {
        replace(&self.root.join(file.path), file.text.as_bytes(), file.mode)?;
        self.listed
            .insert(file.path.to_owned(), digest(file.text.as_bytes()));
        Ok(())
    }

    /// Removes the file `name`, unless it was edited.
    ///
    /// # Errors
    ///
    /// Names the file.
    pub fn remove(&mut self, name: &str) -> anyhow::Result<FileState> {
        let state = self.state_of(name, None)?;
        if state == FileState::Ours {
            let path = self.root.join(name);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        if state != FileState::Edited {
            self.listed.remove(name);
        }
        Ok(state)
    }

    /// Writes the list, or removes an empty one.
    ///
    /// # Errors
    ///
    /// Names the list.
    pub fn save(&self) -> anyhow::Result<()> {
        let path = self.root.join(LIST);
        if self.listed.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove {}", path.display()))
                }
                _ => Ok(()),
            };
        }
        let mut text = String::new();
        for (name, digest) in &self.listed {
            let _ = writeln!(text, "{digest}  {name}");
        }
        replace(&path, text.as_bytes(), 0o644)
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Replaces `path` by renaming a temporary file.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let shown = || format!("cannot write {}", path.display());
    let dir = path.parent().with_context(shown)?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let part = path.with_extension("mbtool-new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&part);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().with_context(shown).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

/// Creates the link `name` to `target`. Returns whether it was missing.
///
/// # Errors
///
/// When something else exists at that path.
pub fn link(root: &Path, name: &str, target: &str) -> anyhow::Result<bool> {
    let path = root.join(name);
    match fs::read_link(&path) {
        Ok(found) if found == Path::new(target) => return Ok(false),
        Ok(found) => {
            let expected = target.to_owned();
            return Err(InstallError::OtherLink {
                path,
                found,
                expected,
            }
            .into());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => return Err(InstallError::NoLink { path }.into()),
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    symlink(target, &path).with_context(|| format!("cannot make the link {}", path.display()))?;
    Ok(true)
}

/// Removes the link `name`. Returns whether it existed.
///
/// # Errors
///
/// Names the link.
pub fn unlink(root: &Path, name: &str) -> anyhow::Result<bool> {
    let path = root.join(name);
    if !path.is_symlink() {
        return Ok(false);
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const FILE: &str = "etc/mbtool/x";

    fn file(text: &str) -> File {
        File {
            path: FILE,
            text: text.to_owned(),
            mode: 0o755,
        }
    }

    #[test]
    fn an_edited_file_differs_from_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut installed = Installed::read(root).unwrap();
        assert_eq!(installed.state(&file("a")).unwrap(), FileState::Absent);
        installed.write(&file("a")).unwrap();
        installed.save().unwrap();
        let mode = fs::metadata(root.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);

        let mut installed = Installed::read(root).unwrap();
        assert_eq!(installed.state(&file("a")).unwrap(), FileState::Same);
        assert_eq!(installed.state(&file("b")).unwrap(), FileState::Ours);
        fs::write(root.join(FILE), "mine").unwrap();
        assert_eq!(installed.state(&file("b")).unwrap(), FileState::Edited);
        assert_eq!(installed.remove(FILE).unwrap(), FileState::Edited);
        assert!(root.join(FILE).exists());
        installed.write(&file("b")).unwrap();
        assert_eq!(installed.remove(FILE).unwrap(), FileState::Ours);
        assert!(!root.join(FILE).exists());
        installed.save().unwrap();
        assert!(!root.join(LIST).exists());
        // no temporary files remain
        assert_eq!(fs::read_dir(root.join("etc/mbtool")).unwrap().count(), 0);
    }

    #[test]
    fn links_are_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert!(link(root, "a/b", "../c").unwrap());
        assert!(!link(root, "a/b", "../c").unwrap());
        let refused = |target| -> InstallError {
            let error = link(root, "a/b", target).unwrap_err();
            error.downcast().unwrap()
        };
        let path = root.join("a/b");
        let expected = InstallError::OtherLink {
            path: path.clone(),
            found: "../c".into(),
            expected: "../d".to_owned(),
        };
        assert_eq!(refused("../d"), expected);
        assert!(unlink(root, "a/b").unwrap());
        assert!(!unlink(root, "a/b").unwrap());
        fs::write(&path, "").unwrap();
        assert_eq!(refused("../c"), InstallError::NoLink { path });
        assert!(!unlink(root, "a/b").unwrap());
    }
}
