//! A Linux kernel that supports returning from kexec: built here, because no Debian kernel has
//! `CONFIG_KEXEC_JUMP`.
//!
//! [`find`] never builds, so that tests that need this kernel are opt-in; [`build`] takes Debian's
//! source package, and keeps the image in the cache directory under a name with the digest of its
//! recipe.

mod make;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::debian::{self, Packages};
use crate::digest::Sha256Digest;
use crate::progress::say;

/// Environment variable with the path of a bzImage to use instead.
pub const VARIABLE: &str = "MBTOOL_LINUX_KEXEC_JUMP";

/// Debian suite and package of the source.
const SUITE: &str = "trixie";
const PACKAGE: &str = "linux-source-6.12";

/// Added to tinyconfig.
const FRAGMENT: &str = include_str!("kexec-jump.config");

/// The kernel in an entry, and its SHA-256.
const IMAGE: &str = "vmlinuz";
const IMAGE_DIGEST: &str = "vmlinuz.sha256";

/// Returns the kernel of [`VARIABLE`], else the one in the cache. `None` when there is neither.
pub fn find() -> Result<Option<PathBuf>> {
    if let Some(value) = env::var_os(VARIABLE) {
        // absolute, because QEMU runs in another directory
        let path =
            std::path::absolute(value).with_context(|| format!("{VARIABLE} names no file"))?;
        if !path.is_file() {
            bail!("{VARIABLE} names {}, which is not a file", path.display());
        }
        return Ok(Some(path));
    }
    let entry = entry()?;
    if !entry.exists() {
        return Ok(None);
    }
    match whole(&entry) {
        Ok(image) => Ok(Some(image)),
        Err(error) => {
            let text = format_args!("{} is damaged: {error:#}", entry.display());
            say("setup", text);
            Ok(None)
        }
    }
}

/// Returns the kernel in the cache; fetches and builds it first if there is no intact one. The
/// error names the packages to install.
pub fn build() -> Result<PathBuf> {
    let entry = entry()?;
    fs::create_dir_all(parent(&entry)?)?;
    let _lock = cache::lock(&entry.with_extension("lock"))?;
    if let Ok(image) = whole(&entry) {
        return Ok(image);
    }
    make::require_tools()?;

    let work = entry.with_extension("part");
    for old in [&work, &entry] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let root = work.join("root");
    let origins = debian::fetch(SUITE, Packages::Single(PACKAGE), &work, &root)?;
    let source = make::unpack(&root.join(format!("usr/src/{PACKAGE}.tar.xz")), &work)?;
    make::configure(&source, FRAGMENT)?;
    let built = make::compile(&source, &work.join("build.log"))?;

    let made = work.join("entry");
    fs::create_dir_all(&made)?;
    fs::copy(&built, made.join(IMAGE)).with_context(|| format!("no {}", built.display()))?;
    fs::copy(source.join(".config"), made.join("config"))?;
    let from: String = origins
        .iter()
        .map(|o| format!("{} {} {}\n", o.sha256, o.name, o.version))
        .collect();
    fs::write(made.join("source"), from)?;
    let digest = Sha256Digest::of_file(&made.join(IMAGE))?;
    fs::write(made.join(IMAGE_DIGEST), digest.to_string())?;
    fs::rename(&made, &entry)?;
    fs::remove_dir_all(&work)?;
    whole(&entry)
}

/// Returns the cache entry of this recipe.
fn entry() -> Result<PathBuf> {
    let name = format!("linux-kexec-jump-{}", recipe_digest(FRAGMENT));
    Ok(cache::dir()?.join("built").join(name))
}

/// Another recipe is another entry.
fn recipe_digest(fragment: &str) -> String {
    let recipe = format!(
        "{SUITE} {PACKAGE} {}\n{fragment}",
        make::RECIPE_ENVIRONMENT.concat()
    );
    Sha256Digest::of(recipe.as_bytes()).to_string()[..16].to_owned()
}

fn parent(entry: &Path) -> Result<&Path> {
    entry.parent().context("an entry is in a directory")
}

/// Returns the image of an entry, after checking its digest.
fn whole(entry: &Path) -> Result<PathBuf> {
    let image = entry.join(IMAGE);
    let expected = fs::read_to_string(entry.join(IMAGE_DIGEST))
        .with_context(|| format!("no {IMAGE_DIGEST} in {}", entry.display()))?;
    let found = Sha256Digest::of_file(&image)?.to_string();
    if found != expected.trim() {
        bail!("{IMAGE} has digest {found}, expected {}", expected.trim());
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_kernel_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let error = whole(dir.path()).unwrap_err();
        assert!(error.to_string().contains(IMAGE_DIGEST), "{error}");
        fs::write(dir.path().join(IMAGE), b"kernel").unwrap();
        let digest = Sha256Digest::of(b"kernel").to_string();
        fs::write(dir.path().join(IMAGE_DIGEST), digest).unwrap();
        assert_eq!(whole(dir.path()).unwrap(), dir.path().join(IMAGE));
        fs::write(dir.path().join(IMAGE), b"kernal").unwrap();
        let error = whole(dir.path()).unwrap_err();
        assert!(error.to_string().contains("expected"), "{error}");
    }

    #[test]
    fn another_recipe_is_another_entry() {
        let name = recipe_digest(FRAGMENT);
        assert_eq!(name.len(), 16);
        assert_ne!(name, recipe_digest(&format!("{FRAGMENT}CONFIG_KVM=y\n")));
    }
}
