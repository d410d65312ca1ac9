//! Common part of all initramfs images.

use std::fs;

use anyhow::{Context, Result};

use crate::assets::Asset;
use crate::cpio::Archive;

/// Returns the common contents: busybox, mount points, a console, and `init`.
pub(super) fn base(busybox: &'static Asset, init: &str) -> Result<Archive> {
    let busybox = busybox.path()?;
    let busybox =
        fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    let mut archive = Archive::new();
    for directory in ["proc", "sys", "dev"] {
        archive.directory(directory)?;
    }
    archive.character_device("dev/console", 5, 1)?;
    archive.file("bin/busybox", 0o755, &busybox)?;
    archive.file("init", 0o755, init.as_bytes())?;
    Ok(archive)
}
