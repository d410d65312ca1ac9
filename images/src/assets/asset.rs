//! One asset: its location, and how to fetch it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use super::path::resolve;
use crate::progress::say;
use crate::store::{self, Recipe};

/// A file that has to be fetched.
#[derive(Debug)]
pub struct Asset {
    /// Name in messages.
    pub(super) what: &'static str,
    /// Environment variable with the path of a file to use instead.
    pub(super) variable: &'static str,
    /// Recipe for fetching it.
    pub(super) recipe: Recipe,
    /// Path of the file, relative to the root of the unpacked packages; components may end in
    /// `*`.
    pub(super) file: &'static str,
    /// Packages that install it on a Debian system.
    pub(super) install: &'static str,
    /// For packages with new upstream versions in Debian: the newest version that has passed all
    /// tests.
    pub(super) passed: Option<&'static str>,
    pub(super) found: OnceLock<Result<FoundAsset, String>>,
}

/// Location of an asset.
#[derive(Debug)]
pub struct FoundAsset {
    /// Path of the file.
    pub path: PathBuf,
    /// Root of the private tree that contains it; `None` for a file of the user or of the system.
    pub root: Option<PathBuf>,
    /// Version of its package, if known.
    pub version: Option<String>,
}

impl Asset {
    /// Returns its location; fetches it on first use. The error names the package to install and
    /// the variable to set.
    pub fn find(&'static self) -> Result<&'static FoundAsset> {
        self.found
            .get_or_init(|| self.locate().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    }

    /// Returns the path; fetches it on first use.
    pub fn path(&'static self) -> Result<&'static Path> {
        Ok(&self.find()?.path)
    }

    /// Returns the fetched version and the newest tested one, if the first is newer, as a possible
    /// reason of a failure.
    pub fn is_new(&'static self) -> Option<(&'static str, &'static str)> {
        let passed = self.passed?;
        let version = self.find().ok()?.version.as_deref()?;
        (numbers(version) > numbers(passed)).then_some((version, passed))
    }

    fn locate(&self) -> Result<FoundAsset> {
        if let Some(value) = env::var_os(self.variable) {
            // absolute, because QEMU runs in another directory
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
            return Ok(FoundAsset {
                path,
                root: None,
                version: None,
            });
        }
        let fetched = store::open(&self.recipe).and_then(|entry| {
            let path = resolve(&entry.root, self.file)?;
            say("setup", format_args!("{}: {entry}", self.what));
            Ok(FoundAsset {
                path,
                version: entry.version().map(str::to_owned),
                root: Some(entry.root),
            })
        });
        fetched.or_else(|error| {
            if let Ok(path) = resolve(Path::new("/"), self.file) {
                say("setup", format_args!("cannot fetch {}, using {}", self.what, path.display()));
                return Ok(FoundAsset {
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

/// Returns the leading numbers of a version: 7, 3 and 4 of "7.3.4-1~bpo13+1".
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
    let numbers = version[..end.unwrap_or(version.len())].split('.');
    numbers.map_while(|number| number.parse().ok()).collect()
}
