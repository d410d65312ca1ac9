//! Unpacked package sets, kept in the cache directory under a name that holds their digest, and checked on every use.
//!
//! An entry is `store/NAME-DIGEST/` with `manifest` and `root/`. The manifest lists the recipe, the packages and every
//! file with its SHA-256; DIGEST is the SHA-256 of the manifest (first 16 digits). So whoever finds an entry whose
//! manifest and files agree needs neither apt nor a network.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::cache;
use crate::debian::{self, Packages};
use crate::progress::say;

/// First line of a manifest: name and version of its format.
const FORMAT: &str = "mbtool-store 1";

/// A SHA-256 value. Prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of the content of the file at `path`.
    pub fn of_file(path: &Path) -> Result<Self> {
        let read = || -> std::io::Result<Self> {
            let mut file = File::open(path)?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(Self(hash.finalize().into())),
                    n => hash.update(&buffer[..n]),
                }
            }
        };
        read().with_context(|| format!("cannot read {}", path.display()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a part of an entry came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Package name.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Digest of the package file.
    pub sha256: Digest,
}

/// How to make an entry.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Name of the entry, a file name.
    pub name: &'static str,
    /// Debian suite to take the packages from.
    pub suite: &'static str,
    /// What to fetch.
    pub packages: Packages,
    /// Paths (files or directories, relative to the root) to keep; a component that ends in `*` is a prefix.
    pub keep: &'static [&'static str],
}

/// An entry that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Root of the unpacked files.
    pub root: PathBuf,
    /// Packages, that which the recipe is about first.
    packages: Vec<Package>,
    /// Digest of all of it.
    digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    sha256: String,
}

impl Entry {
    fn at(dir: &Path, recipe: &Recipe) -> Result<Self> {
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
        if let Packages::Closure([first, ..]) = recipe.packages {
            packages.sort_by_key(|package| package.name != *first);
        }
        Ok(Self {
            root: dir.join("root"),
            packages,
            digest: Digest::of(manifest.as_bytes()),
        })
    }

    /// Version of the package that the recipe is about.
    pub fn version(&self) -> Option<&str> {
        Some(&self.packages.first()?.version)
    }
}

/// Prints what was fetched: package, version, digest.
impl fmt::Display for Entry {
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

/// The entry for `recipe`, checked; fetched first when there is none that is whole.
pub fn open(recipe: &Recipe) -> Result<Entry> {
    let store = cache::dir()?.join("store");
    open_in(&store, recipe, |work, root| {
        debian::fetch(recipe.suite, recipe.packages, work, root)
    })
}

fn open_in(
    store: &Path,
    recipe: &Recipe,
    fetch: impl FnOnce(&Path, &Path) -> Result<Vec<Origin>>,
) -> Result<Entry> {
    fs::create_dir_all(store)?;
    let _lock = cache::lock(&store.join(format!(".{}.lock", recipe.name)))?;
    for entry in entries(store, recipe)? {
        match verify(&entry, recipe) {
            Ok(true) => return Entry::at(&entry, recipe),
            Ok(false) => {}
            Err(error) => {
                say(
                    "setup",
                    format_args!(
                        "{} is damaged and is fetched again: {error:#}",
                        entry.display()
                    ),
                );
                fs::remove_dir_all(&entry)?;
            }
        }
    }

    let work = store.join(format!(".{}.part", recipe.name));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let made = work.join("entry");
    let root = made.join("root");
    fs::create_dir_all(&root)?;
    let origins = fetch(&work, &root)?;
    prune(&root, Path::new(""), recipe.keep)?;
    let manifest = manifest(recipe, &origins, &root)?;
    fs::write(made.join("manifest"), &manifest)?;
    let entry = store.join(entry_name(recipe, &manifest));
    if entry.exists() {
        fs::remove_dir_all(&entry)?;
    }
    fs::rename(&made, &entry)?;
    fs::remove_dir_all(&work)?;
    Entry::at(&entry, recipe)
}

fn entry_name(recipe: &Recipe, manifest: &str) -> String {
    let digest = Digest::of(manifest.as_bytes()).to_string();
    format!("{}-{}", recipe.name, &digest[..16])
}

/// Directories in `store` that may be entries of `recipe`, the newest first.
fn entries(store: &Path, recipe: &Recipe) -> Result<Vec<PathBuf>> {
    let prefix = format!("{}-", recipe.name);
    let mut found = Vec::new();
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        let digest = name.to_str().and_then(|n| n.strip_prefix(&prefix));
        if digest.is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit())) {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Whether the entry was made by `recipe`; an error when it is not what its name and its manifest say.
fn verify(entry: &Path, recipe: &Recipe) -> Result<bool> {
    let text =
        fs::read_to_string(entry.join("manifest")).context("its manifest is not readable")?;
    ensure!(
        entry
            .file_name()
            .is_some_and(|n| n == entry_name(recipe, &text).as_str()),
        "its manifest was changed"
    );
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT) || lines.next() != Some(&format!("recipe {recipe:?}")) {
        return Ok(false);
    }
    let root = entry.join("root");
    for line in lines {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (kind, rest.split_once(' ')) {
            ("file", Some((digest, path))) => {
                let found = Digest::of_file(&root.join(path))?.to_string();
                ensure!(
                    found == digest,
                    "{path} has digest {found}, expected {digest}"
                );
            }
            ("link", Some((target, path))) => {
                let found = fs::read_link(root.join(path)).with_context(|| path.to_owned())?;
                ensure!(
                    found == Path::new(target),
                    "{path} links to {}",
                    found.display()
                );
            }
            ("package", Some(_)) => {}
            _ => bail!("its manifest has an unknown line: {line}"),
        }
    }
    Ok(true)
}

fn manifest(recipe: &Recipe, origins: &[Origin], root: &Path) -> Result<String> {
    let mut text = format!("{FORMAT}\nrecipe {recipe:?}\n");
    for Origin {
        name,
        version,
        sha256,
    } in origins
    {
        text += &format!("package {sha256} {name} {version}\n");
    }
    let before = text.len();
    list(root, Path::new(""), &mut text)?;
    ensure!(
        text.len() > before,
        "the packages of {} hold nothing at {:?}: their layout has changed",
        recipe.name,
        recipe.keep
    );
    Ok(text)
}

fn list(root: &Path, dir: &Path, text: &mut String) -> Result<()> {
    for (path, kind) in children(root, dir)? {
        let shown = path.to_str().filter(|p| !p.contains('\n'));
        let shown = shown.with_context(|| format!("odd file name {}", path.display()))?;
        if kind.is_dir() {
            list(root, &path, text)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(root.join(&path))?;
            let target = target.to_str().filter(|t| !t.contains([' ', '\n']));
            let target = target.with_context(|| format!("odd link at {shown}"))?;
            *text += &format!("link {target} {shown}\n");
        } else {
            *text += &format!("file {} {shown}\n", Digest::of_file(&root.join(&path))?);
        }
    }
    Ok(())
}

/// Removes what `keep` does not name.
fn prune(root: &Path, dir: &Path, keep: &[&str]) -> Result<()> {
    for (path, kind) in children(root, dir)? {
        let full = root.join(&path);
        let depth = path.components().count();
        let fits = |k: &&&str| fits(&path, k);
        if keep
            .iter()
            .filter(fits)
            .any(|k| Path::new(k).components().count() == depth)
        {
            continue;
        }
        if !kind.is_dir() {
            fs::remove_file(full)?;
        } else if keep.iter().any(|k| fits(&k)) {
            prune(root, &path, keep)?;
        } else {
            fs::remove_dir_all(full)?;
        }
    }
    Ok(())
}

/// Whether `path` agrees with `pattern` as far as `path` goes.
fn fits(path: &Path, pattern: &str) -> bool {
    let mut wanted = Path::new(pattern).iter();
    path.iter().all(|found| {
        let (Some(found), Some(wanted)) = (found.to_str(), wanted.next().and_then(|w| w.to_str()))
        else {
            return false;
        };
        match wanted.strip_suffix('*') {
            Some(prefix) => found.starts_with(prefix),
            None => found == wanted,
        }
    })
}

fn children(root: &Path, dir: &Path) -> Result<Vec<(PathBuf, fs::FileType)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(dir))? {
        let entry = entry?;
        found.push((dir.join(entry.file_name()), entry.file_type()?));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
