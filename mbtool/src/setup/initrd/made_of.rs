//! Inputs of an image, to detect whether it is outdated.

use super::InitrdError;
use anyhow::Context;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Prefix of the first line, which lists the drivers.
const DRIVERS: &str = "drivers:";
/// Maximum number of files below a directory.
const FILES: usize = 1000;

/// Inputs of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    /// Names, sizes and times of files.
    files: String,
    /// Drivers of the hardware.
    drivers: BTreeSet<String>,
}

/// State of an existing image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// The inputs are unchanged.
    Fresh,
    /// The files are unchanged, but there is new hardware.
    Hardware,
    /// Files have changed.
    Old,
}

impl MadeOf {
    /// Collects the files at `paths`, and `drivers`.
    pub fn of(paths: &[PathBuf], drivers: BTreeSet<String>) -> Self {
        let mut files = String::new();
        for path in paths {
            // missing files are errors where they are used
            let Ok(data) = fs::metadata(path) else {
                continue;
            };
            let _ = writeln!(
                files,
                "{} {}.{:09} {}",
                data.len(),
                data.mtime(),
                data.mtime_nsec(),
                path.display()
            );
        }
        Self { files, drivers }
    }

    /// Formats the record.
    pub fn note(&self) -> String {
        let mut text = DRIVERS.to_owned();
        for name in &self.drivers {
            let _ = write!(text, " {name}");
        }
        format!("{text}\n{}", self.files)
    }

    /// Compares with a record. Missing hardware is ignored, as it may appear
    /// later.
    pub fn age(&self, note: &str) -> Age {
        let noted = note
            .strip_prefix(DRIVERS)
            .and_then(|rest| rest.split_once('\n'));
        let Some((drivers, files)) = noted else {
            return Age::Old;
        };
        let has = |name: &String| drivers.split(' ').any(|noted| noted == name);
        if files != self.files {
            Age::Old
        } else if self.drivers.iter().all(has) {
            Age::Fresh
        } else {
            Age::Hardware
        }
    }
}

/// Lists all files below `dir`, sorted.
///
/// # Errors
///
/// When a directory cannot be read, or has too many files.
pub fn below(dir: &Path, to: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let shown = || format!("cannot read {}", dir.display());
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(shown)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(shown)?;
    found.sort();
    for path in found {
        if to.len() >= FILES {
            return Err(InitrdError::TooManyFiles {
                limit: FILES,
                dir: dir.to_owned(),
            }
            .into());
        }
        if path.is_dir() && !path.is_symlink() {
            below(&path, to)?;
        } else {
            to.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_hardware_differs_from_changed_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        fs::write(&file, "x").unwrap();
        let made_of = |drivers: &[&str]| {
            let drivers = drivers.iter().map(|name| (*name).to_owned()).collect();
            MadeOf::of(std::slice::from_ref(&file), drivers)
        };
        let note = made_of(&["ahci", "sd_mod"]).note();
        for (drivers, age) in [
            (&["ahci", "sd_mod"][..], Age::Fresh),
            (&["sd_mod"], Age::Fresh),
            (&[], Age::Fresh),
            (&["ahci", "nvme", "sd_mod"], Age::Hardware),
            (&["sd"], Age::Hardware),
        ] {
            assert_eq!(made_of(drivers).age(&note), age, "{drivers:?}");
        }
        let none = made_of(&[]);
        assert_eq!(none.age(&none.note()), Age::Fresh);
        // an empty record, and one of an older mbtool
        for note in ["", none.note().split_once('\n').unwrap().1] {
            assert_eq!(none.age(note), Age::Old, "{note}");
        }
        fs::write(&file, "more").unwrap();
        assert_eq!(made_of(&["ahci", "sd_mod"]).age(&note), Age::Old);
    }
}
