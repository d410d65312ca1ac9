//! /proc/meminfo.

use super::{file, number};
use std::path::Path;

/// Returns `MemAvailable` below `root`, in bytes: memory that processes and the kernel can get without swapping;
/// `None` if unknown.
#[must_use]
pub fn available(root: &Path) -> Option<u64> {
    let text = file::read(&root.join("proc/meminfo"), file::LISTING).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    number::parse(value.trim().trim_end_matches("kB").trim())?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn available_memory_is_in_bytes() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(available(root.path()), None);
        let text = "MemTotal:  2048 kB\nMemAvailable:    1000 kB\n";
        put(root.path(), "proc/meminfo", text);
        assert_eq!(available(root.path()), Some(1_024_000));
        put(
            root.path(),
            "proc/meminfo",
            "MemAvailable: 99999999999999999999 kB\n",
        );
        assert_eq!(available(root.path()), None);
    }
}
