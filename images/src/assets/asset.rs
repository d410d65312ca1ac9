//! One asset: where it is, and how it is fetched.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use super::path::resolve;
use crate::progress::say;
use crate::store::{self, Recipe};

/// Something that has to be fetched.
#[derive(Debug)]
pub struct Asset {
    /// Name in messages.
    pub(super) what: &'static str,
    /// The environment variable whose value is used instead of anything fetched: the path of a file.
    pub(super) variable: &'static str,
    /// How to get it.
    pub(super) recipe: Recipe,
    /// The file itself, relative to the root of the unpacked packages; components may end in `*`.
    pub(super) file: &'static str,
    /// Packages that install it on a Debian system.
    pub(super) install: &'static str,
    /// For packages that Debian replaces by new upstream versions: the newest version that passed all tests.
    pub(super) passed: Option<&'static str>,
    pub(super) found: OnceLock<Result<Found, String>>,
}

/// Where an asset is.
#[derive(Debug)]
pub struct Found {
    /// The file itself.
    pub path: PathBuf,
    /// Root of the private tree that it is part of; `None` for a file of the user's or of the system's.
    pub root: Option<PathBuf>,
    /// Version of the package with the file, where that is known.
    pub version: Option<String>,
}

impl Asset {
    /// Where it is; fetched on first use. The error names the package to install and the variable to set.
    pub fn find(&'static self) -> Result<&'static Found> {
        self.found
            .get_or_init(|| self.locate().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    }

    /// The file itself; fetched on first use.
    pub fn path(&'static self) -> Result<&'static Path> {
        Ok(&self.find()?.path)
    }

    /// The version that was fetched, and the newest one that all tests have passed with, where the first is newer: a
    /// failure may be due to that.
    pub fn is_new(&'static self) -> Option<(&'static str, &'static str)> {
        let passed = self.passed?;
        let version = self.find().ok()?.version.as_deref()?;
        (numbers(version) > numbers(passed)).then_some((version, passed))
    }

    fn locate(&self) -> Result<Found> {
        if let Some(value) = env::var_os(self.variable) {
            // Absolute, because QEMU runs in another directory.
            let path = std::path::absolute(value)
                .with_context(|| format!("{} does not name a file", self.variable))?;
            if !path.is_file() {
                bail!(
                    "{} names {}, which is not a file",
                    self.variable,
                    path.display()
                );
            }
            say(
                "setup",
                format_args!(
                    "{}: {}, named by {}",
                    self.what,
                    path.display(),
                    self.variable
                ),
            );
            return Ok(Found {
                path,
                root: None,
                version: None,
            });
        }
        let fetched = store::open(&self.recipe).and_then(|entry| {
            let path = resolve(&entry.root, self.file)?;
            say("setup", format_args!("{}: {entry}", self.what));
            Ok(Found {
                path,
                version: entry.version().map(str::to_owned),
                root: Some(entry.root),
            })
        });
        fetched.or_else(|error| {
            if let Ok(path) = resolve(Path::new("/"), self.file) {
                say("setup", format_args!("cannot fetch {}, using {}", self.what, path.display()));
                return Ok(Found {
                    path,
                    root: None,
                    version: None,
                });
            }
            Err(error).with_context(|| {
                format!(
                    "{what} is not cached and cannot be fetched. Either run this once with a network, \
                     or as root `apt-get install {install}`, or set {variable} to its path",
                    what = self.what,
                    install = self.install,
                    variable = self.variable,
                )
            })
        })
    }
}

/// The numbers that a version begins with: 7, 3 and 4 of "7.3.4-1~bpo13+1".
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
    let numbers = version[..end.unwrap_or(version.len())].split('.');
    numbers.map_while(|number| number.parse().ok()).collect()
}
