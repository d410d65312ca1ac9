//! A directory in memory, for what is on its way to another machine.

use crate::sys::timeout::within;
use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where it can be.
const PLACES: [&str; 3] = ["/run", "/tmp", "/"];
/// Unmounting memory is quick.
const QUICK: Duration = Duration::from_secs(10);

/// A directory that goes away with this value.
#[derive(Debug)]
pub struct Scratch {
    /// The directory.
    pub path: PathBuf,
    mounted: bool,
}

impl Scratch {
    /// Makes it. It takes `limit` bytes at most where it may be mounted.
    ///
    /// # Errors
    ///
    /// No directory can be made.
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

impl Drop for Scratch {
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

/// Memory that is free for use, in bytes (/proc/meminfo).
#[must_use]
pub fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_away() {
        let scratch = Scratch::new(1 << 20).unwrap();
        let path = scratch.path.clone();
        fs::write(path.join("x"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
        assert!(available() > 1 << 20);
    }
}
