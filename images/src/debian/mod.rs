//! Packages of a Debian release, unpacked into a directory, without privileges and without changing
//! the system.

mod apt;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::digest::{Origin, Sha256Digest};
use crate::progress::say;
use apt::Apt;
pub(crate) use apt::output;

/// Debian's name of the architecture of this machine, as far as tests run on it.
const NATIVE: &str = "amd64";

/// Packages to fetch.
#[derive(Clone, Copy, Debug)]
pub enum Packages {
    /// These, with all dependencies.
    Closure(&'static [&'static str]),
    /// Only this one.
    Single(&'static str),
    /// Exactly these, without their dependencies.
    Listed(&'static [&'static str]),
    /// Packages of another architecture.
    Foreign {
        /// Debian's name of the architecture.
        architecture: &'static str,
        /// Its packages.
        packages: &'static Packages,
    },
    /// Several sets in one tree, fetched at the same time: versions fit together.
    Together(&'static [Packages]),
    /// Only the dependency `prefix`... of the meta package `meta`.
    DependencyOf {
        /// A package that depends on the current version of another one.
        meta: &'static str,
        /// Beginning of the name of that other package.
        prefix: &'static str,
    },
    /// Like [`Packages::DependencyOf`], followed by further dependencies.
    DependencyChain {
        /// A package that depends on the current version of another one.
        meta: &'static str,
        /// Prefixes of the names of the packages in the chain; the last one is fetched.
        prefixes: &'static [&'static str],
    },
}

/// Fetches `packages` of `suite` and unpacks them below `root`; `work` is scratch space on the same file system.
///
/// Returns the unpacked packages: name, version and SHA-256 of each package file.
pub fn fetch(suite: &str, packages: Packages, work: &Path, root: &Path) -> Result<Vec<Origin>> {
    let debs = work.join("debs");
    download(suite, NATIVE, packages, &debs)?;
    let mut files: Vec<PathBuf> = fs::read_dir(&debs)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "deb"));
    files.sort();
    if files.is_empty() {
        bail!("apt downloaded no package for {packages:?}");
    }
    fs::create_dir_all(root)?;
    say("setup", format_args!("unpacking {} packages", files.len()));
    files.iter().map(|deb| unpack(deb, root)).collect()
}

/// Downloads `packages` of an architecture into `debs`.
fn download(suite: &str, architecture: &str, packages: Packages, debs: &Path) -> Result<()> {
    match packages {
        Packages::Foreign {
            architecture,
            packages,
        } => return download(suite, architecture, *packages, debs),
        Packages::Together(sets) => {
            return sets
                .iter()
                .try_for_each(|set| download(suite, architecture, *set, debs));
        }
        _ => {}
    }
    let apt = Apt::open(suite, architecture)?;
    let of = if architecture == NATIVE {
        String::new()
    } else {
        format!(" for {architecture}")
    };
    let fetching = |what: &str| say("setup", format_args!("fetching {what}{of}"));
    match packages {
        Packages::Closure(names) => {
            fetching(&format!("{} and what they need", names.join(", ")));
            apt.download_closure(names, debs)
        }
        Packages::Single(name) => {
            fetching(name);
            apt.download(&[name], debs)
        }
        Packages::Listed(names) => {
            fetching(&names.join(", "));
            apt.download(names, debs)
        }
        Packages::DependencyOf { meta, prefix } => {
            let name = apt.dependency(meta, prefix)?;
            fetching(&name);
            apt.download(&[&name], debs)
        }
        Packages::DependencyChain { meta, prefixes } => {
            let mut name = meta.to_owned();
            for prefix in prefixes {
                name = apt.dependency(&name, prefix)?;
            }
            fetching(&name);
            apt.download(&[&name], debs)
        }
        Packages::Foreign { .. } | Packages::Together(_) => unreachable!("handled above"),
    }
}

fn unpack(deb: &Path, root: &Path) -> Result<Origin> {
    let shown = output(
        Command::new("dpkg-deb")
            .args(["--show", "--showformat=${Package} ${Version}"])
            .arg(deb),
    )?;
    let shown = String::from_utf8(shown.stdout).context("a package name is not UTF-8")?;
    let (name, version) = shown
        .split_once(' ')
        .with_context(|| format!("{} has no name and version", deb.display()))?;
    output(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(root))?;
    Ok(Origin {
        name: name.to_owned(),
        version: version.to_owned(),
        sha256: Sha256Digest::of_file(deb)?,
    })
}
