//! Manifests: lists of all files of an entry.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::prune::children;
use super::recipe::Recipe;
use crate::digest::{Origin, Sha256Digest};

/// First line of a manifest: name and version of its format.
pub(super) const FORMAT: &str = "mbtool-store 1";

/// The directory name of the entry with this manifest.
pub(super) fn entry_name(recipe: &Recipe, manifest: &str) -> String {
    let digest = Sha256Digest::of(manifest.as_bytes()).to_string();
    format!("{}-{}", recipe.name, &digest[..16])
}

/// Returns whether the entry was made with `recipe`; fails when it does not match its name and
/// manifest.
pub(super) fn verify(entry: &Path, recipe: &Recipe) -> Result<bool> {
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
                let found = Sha256Digest::of_file(&root.join(path))?.to_string();
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

/// The manifest of the files below `root`.
pub(super) fn manifest(recipe: &Recipe, origins: &[Origin], root: &Path) -> Result<String> {
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
            *text += &format!(
                "file {} {shown}\n",
                Sha256Digest::of_file(&root.join(&path))?
            );
        }
    }
    Ok(())
}
