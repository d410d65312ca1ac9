//! A temporary directory in memory, for data to send to another machine.

use crate::sys::timeout::within;
use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Possible parent directories.
const PLACES: [&str; 3] = ["/run", "/tmp", "/"];
/// Timeout to unmount memory.
const QUICK: Duration = Duration::from_secs(10);

/// A directory that is removed on drop.
#[derive(Debug)]
pub struct ScratchDir {
    /// Path of the directory.
    pub path: PathBuf,
    mounted: bool,
}

impl ScratchDir {
    /// Creates it, limited to `limit` bytes if it can be mounted.
    ///
    /// # Errors
    ///
    /// When no directory can be created.
    pub fn new(limit: u64) -> Result<Self> {
        let mut last = None;
        for place in PLACES {
            let name = format!("mbtool-save-{}", std::process::id());
            let path = Path::new(place).join(name);
            match fs::create_dir_all(&path) {
                Ok(()) => {
                    let mounted = mount(&path, limit);
                    return Ok(Self { path, mounted });
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.map_or_else(|| anyhow::anyhow!("nowhere"), Into::into);
        Err(error).context("no directory for temporary files")
    }
}

fn mount(path: &Path, limit: u64) -> bool {
    let Ok(size) = CString::new(format!("size={limit},mode=700")) else {
        return false;
    };
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("mbtool", path, "tmpfs", flags, &*size).is_ok()
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        if self.mounted {
            let path = self.path.clone();
            let _ = within(QUICK, move || {
                rustix::mount::unmount(&path, UnmountFlags::DETACH)
            });
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_removed() {
        let scratch = ScratchDir::new(1 << 20).unwrap();
        let path = scratch.path.clone();
        fs::write(path.join("x"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
