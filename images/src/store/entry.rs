//! Entries of the store.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::recipe::Recipe;
use crate::debian::Packages;
use crate::digest::Sha256Digest;

/// An intact entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEntry {
    /// Root of the unpacked files.
    pub root: PathBuf,
    /// Packages; the main one first.
    packages: Vec<Package>,
    /// Digest of the manifest.
    digest: Sha256Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    sha256: String,
}

impl StoreEntry {
    pub(super) fn at(dir: &Path, recipe: &Recipe) -> Result<Self> {
        let manifest = fs::read_to_string(dir.join("manifest"))?;
        let package = |line: &str| {
            let mut words = line.strip_prefix("package ")?.split(' ').map(str::to_owned);
            Some(Package {
                sha256: words.next()?,
                name: words.next()?,
                version: words.next()?,
            })
        };
        let mut packages: Vec<_> = manifest.lines().filter_map(package).collect();
        if let Some(main) = main_package(recipe.packages) {
            packages.sort_by_key(|package| package.name != main);
        }
        Ok(Self {
            root: dir.join("root"),
            packages,
            digest: Sha256Digest::of(manifest.as_bytes()),
        })
    }

    /// Version of the main package.
    pub fn version(&self) -> Option<&str> {
        Some(&self.packages.first()?.version)
    }
}

/// Returns the name of the package that the set is about, if the recipe has it.
fn main_package(packages: Packages) -> Option<&'static str> {
    match packages {
        Packages::Closure([first, ..]) | Packages::Listed([first, ..]) => Some(first),
        Packages::Single(name) => Some(name),
        Packages::Foreign { packages, .. } => main_package(*packages),
        Packages::Together([first, ..]) => main_package(*first),
        _ => None,
    }
}

/// Prints package, version and digest.
impl fmt::Display for StoreEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.packages[..] {
            [] => f.write_str("no package"),
            [one] => write!(f, "{} {}, SHA-256 {}", one.name, one.version, one.sha256),
            [first, more @ ..] => write!(
                f,
                "{} {} and {} packages that it needs, SHA-256 of the list {}",
                first.name,
                first.version,
                more.len(),
                self.digest
            ),
        }
    }
}
