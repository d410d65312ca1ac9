//! Unpacked package sets, kept in the cache directory under names with their digests, and checked
//! on every use.
//!
//! An entry is `store/NAME-DIGEST/` with `manifest` and `root/`. The manifest lists the recipe, the
//! packages and every file with its SHA-256; DIGEST is the SHA-256 of the manifest (first 16
//! digits). So an entry whose manifest and files match needs neither apt nor a network.

mod entry;
mod manifest;
mod prune;
mod recipe;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cache;
use crate::debian;
use crate::digest::Origin;
use crate::progress::say;

pub use entry::StoreEntry;
pub use recipe::Recipe;

/// Returns the checked entry for `recipe`; fetches it first if there is no intact
/// one.
pub fn open(recipe: &Recipe) -> Result<StoreEntry> {
    let store = cache::dir()?.join("store");
    open_in(&store, recipe, |work, root| {
        debian::fetch(recipe.suite, recipe.packages, work, root)
    })
}

fn open_in(
    store: &Path,
    recipe: &Recipe,
    fetch: impl FnOnce(&Path, &Path) -> Result<Vec<Origin>>,
) -> Result<StoreEntry> {
    fs::create_dir_all(store)?;
    let _lock = cache::lock(&store.join(format!(".{}.lock", recipe.name)))?;
    for entry in entries(store, recipe)? {
        match manifest::verify(&entry, recipe) {
            Ok(true) => return StoreEntry::at(&entry, recipe),
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
    prune::prune(&root, Path::new(""), recipe.keep)?;
    let manifest = manifest::manifest(recipe, &origins, &root)?;
    fs::write(made.join("manifest"), &manifest)?;
    let entry = store.join(manifest::entry_name(recipe, &manifest));
    if entry.exists() {
        fs::remove_dir_all(&entry)?;
    }
    fs::rename(&made, &entry)?;
    fs::remove_dir_all(&work)?;
    StoreEntry::at(&entry, recipe)
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
