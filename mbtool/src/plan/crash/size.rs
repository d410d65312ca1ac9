//! Size of a crash region.

use crate::sys::size::Size;
use handoff::addr::{MIB, PhysRange, whole_pages};
use serde::Serialize;
use std::fmt;

/// Memory that a crash kernel needs to run, besides its loaded files: for
/// itself, and for user space that copies a dump. Debian's kernels need less.
const TO_RUN: u64 = 64 * MIB;
/// Memory that Linux cannot use for the files of the initramfs.
const BESIDE_FILES: u64 = 8 * MIB;
/// Granularity of the advised `crashkernel=` size.
const STEP: u64 = 32 * MIB;

/// A part of the crash region's contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Segment name.
    pub name: String,
    /// Size in bytes.
    pub len: u64,
}

impl Part {
    /// Creates a part of `len` bytes.
    #[must_use]
    pub fn new(name: &str, len: u64) -> Self {
        Self {
            name: name.to_owned(),
            len,
        }
    }
}

/// Size of the contents of a crash region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeEstimate {
    /// Parts with names.
    pub parts: Vec<Part>,
    /// The largest alignment among them, in bytes.
    pub align: u64,
}

impl SizeEstimate {
    /// Maximum memory needed for loading, in bytes: whole pages, and the loss
    /// from the largest alignment.
    #[must_use]
    pub fn to_load(&self) -> u64 {
        let sum = |sum: u64, part: &Part| sum.saturating_add(whole_pages(part.len));
        self.parts.iter().fold(self.align, sum)
    }

    /// Advised reservation: memory to load, and to run with an initrd of `initrd`
    /// bytes that unpacks to `files` bytes.
    #[must_use]
    pub fn to_reserve(&self, initrd: u64, files: u64) -> u64 {
        // the initrd is already part of the loaded size
        let more = to_run(initrd, files).saturating_sub(initrd);
        let sum = self.to_load().saturating_add(more);
        sum.div_ceil(STEP).saturating_mul(STEP)
    }

    /// True when `region` is too small, however the parts are placed.
    #[must_use]
    pub fn is_more_than(&self, region: PhysRange) -> bool {
        self.to_load() > region.len()
    }
}

/// Memory that Linux needs besides its image, with an initrd of `initrd` bytes
/// that unpacks to `files` bytes. For some time it exists in both forms; and Linux
/// limits the file system that it is unpacked to, to half of its memory.
#[must_use]
pub fn to_run(initrd: u64, files: u64) -> u64 {
    let both = initrd.saturating_add(files).saturating_add(TO_RUN);
    let half = files.saturating_mul(2).saturating_add(BESIDE_FILES);
    both.max(half)
}

/// Formats the parts as "vmlinuz 62 MiB, initrd 12 MiB, ...", the largest
/// first.
impl fmt::Display for SizeEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<&Part> = self.parts.iter().collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len));
        for (index, part) in parts.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", part.name, Size::rounded_up(part.len))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff::addr::PAGE_SIZE;

    fn need() -> SizeEstimate {
        SizeEstimate {
            parts: vec![
                Part::new("elfcorehdr", 700),
                Part::new("vmlinuz", 62 * MIB + 1),
                Part::new("initrd", 8 * MIB),
            ],
            align: 2 * MIB,
        }
    }

    #[test]
    fn the_sum_is_of_pages_and_alignment() {
        assert_eq!(need().to_load(), (62 + 8 + 2) * MIB + 2 * PAGE_SIZE);
        assert_eq!(
            need().to_string(),
            "vmlinuz 63 MiB, initrd 8 MiB, elfcorehdr 1 KiB"
        );
        // 72 and a fraction + 16 + 64 = 153, in steps of 32
        assert_eq!(need().to_reserve(8 * MIB, 16 * MIB), 160 * MIB);
        // half of 256 is less than 130: the kernel is in the region too
        assert_eq!(to_run(8 * MIB, 130 * MIB), 268 * MIB);
    }

    #[test]
    fn a_region_is_compared_with_the_sum() {
        let region = |mib: u64| PhysRange {
            start: 0,
            end: mib * MIB,
        };
        assert!(need().is_more_than(region(72)));
        assert!(!need().is_more_than(region(73)));
        let huge = SizeEstimate {
            parts: vec![Part::new("", u64::MAX)],
            align: 1,
        };
        assert!(huge.is_more_than(region(1 << 40)));
        assert!(huge.to_reserve(u64::MAX, u64::MAX) > u64::MAX - STEP);
    }
}
