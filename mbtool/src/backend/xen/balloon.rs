//! Frees memory for an image in Xen's heap with dom0's balloon.
//!
//! Xen keeps the pages of the image in its free heap until the jump. A dom0
//! that was started without `dom0_mem=` owns nearly all memory, so it must
//! return some. That changes the machine-to-physical table, which determines
//! safe ranges. So it must be finished before the machine is read for a plan.

use super::XenError;
use super::error::NoBalloon;
use crate::sys::{file, meminfo, number};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// dom0's memory target in KiB.
const TARGET: &str = "sys/devices/system/xen_memory/xen_memory0/target_kb";
/// Memory that dom0 must still have available, in bytes, besides the locked
/// copy of the image that Xen reads.
const KEEP: u64 = 128 << 20;
/// Additional memory to free, in bytes, for other users of the heap.
const SPARE: u64 = 8 << 20;
/// Maximum overhead per heap page, in bytes: its entry in the page list (8
/// bytes, plus a link per page of entries), and its share of a 4096-byte page
/// table per 2 MiB, for source and destination.
const PER_PAGE: u64 = 8 + 1 + 8 + 8;
/// Control pages, upper-level page tables, and page tables of small segments,
/// in bytes.
const FIXED: u64 = 1 << 20;
const PAGE: u64 = 4096;

const POLL: Duration = Duration::from_millis(100);
/// Timeout without progress.
const STALL: Duration = Duration::from_secs(10);
/// Timeout with progress.
const WAIT: Duration = Duration::from_secs(120);

/// Heap memory that an image with `data` bytes of data needs, in bytes.
#[must_use]
pub const fn needed(data: u64) -> u64 {
    let pages = data.div_ceil(PAGE);
    pages.saturating_mul(PAGE + PER_PAGE).saturating_add(FIXED)
}

/// A change of dom0's memory target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balloon {
    target: PathBuf,
    /// dom0's target before, in KiB.
    pub before_kib: u64,
    /// dom0's target now, in KiB.
    pub now_kib: u64,
}

impl Balloon {
    /// Records a change.
    #[cfg(test)]
    pub(super) fn of(root: &Path, before_kib: u64, now_kib: u64) -> Self {
        Self {
            target: root.join(TARGET),
            before_kib,
            now_kib,
        }
    }

    /// Restores dom0's memory target.
    ///
    /// # Errors
    ///
    /// When the target cannot be written.
    pub fn put_back(&self) -> Result<(), XenError> {
        fs::write(&self.target, self.before_kib.to_string()).map_err(|source| XenError::Balloon {
            path: self.target.clone(),
            source,
        })
    }
}

/// Restores the memory target that [`Balloon`] changed in another process, unless
/// it has since been raised further.
///
/// # Errors
///
/// As [`Balloon::put_back`].
pub(super) fn restore(root: &Path, before_kib: u64) -> Result<(), XenError> {
    let target = root.join(TARGET);
    let now_kib = number(&target)?;
    let balloon = Balloon {
        target,
        before_kib,
        now_kib,
    };
    if now_kib < before_kib {
        balloon.put_back()?;
    }
    Ok(())
}

/// Frees memory in Xen's heap for `data` bytes of an image; `heap` returns the
/// free size. Returns `None` if it is already sufficient. `wait` sleeps.
///
/// # Errors
///
/// When dom0 cannot return that much, has no balloon, or does not finish in
/// time. Its old target is then restored.
pub fn free_memory(
    root: &Path,
    data: u64,
    heap: &dyn Fn() -> Result<u64, XenError>,
    wait: &dyn Fn(Duration),
) -> Result<Option<Balloon>, XenError> {
    let needed = needed(data).saturating_add(SPARE);
    let free = heap()?;
    let Some(missing) = needed.checked_sub(free).filter(|missing| *missing > 0) else {
        return Ok(None);
    };
    let target = root.join(TARGET);
    let refused = |available, why| XenError::HeapTooSmall {
        needed,
        free,
        available,
        keep: KEEP.saturating_add(data),
        why,
    };
    let Ok(before_kib) = number(&target) else {
        return Err(refused(0, NoBalloon::Driver));
    };
    let available = meminfo::available(root).unwrap_or(0);
    let missing_kib = missing.div_ceil(1024);
    if missing.saturating_add(KEEP).saturating_add(data) > available || missing_kib >= before_kib {
        return Err(refused(available, NoBalloon::Memory));
    }
    let balloon = Balloon {
        now_kib: before_kib - missing_kib,
        before_kib,
        target,
    };
    fs::write(&balloon.target, balloon.now_kib.to_string()).map_err(|source| {
        XenError::Balloon {
            path: balloon.target.clone(),
            source,
        }
    })?;
    let (mut waited, mut stalled, mut best) = (Duration::ZERO, Duration::ZERO, free);
    let error = loop {
        let now = match heap() {
            Ok(now) => now,
            Err(error) => break error,
        };
        if now >= needed {
            return Ok(Some(balloon));
        }
        if now > best {
            (best, stalled) = (now, Duration::ZERO);
        }
        if stalled >= STALL || waited >= WAIT {
            break refused(available, NoBalloon::Stalled);
        }
        wait(POLL);
        waited += POLL;
        stalled += POLL;
    };
    // report the first error
    let _ = balloon.put_back();
    Err(error)
}

fn number(path: &Path) -> Result<u64, XenError> {
    let balloon = |source| XenError::Balloon {
        path: path.to_owned(),
        source,
    };
    let text = file::read(path, file::ATTRIBUTE).map_err(balloon)?;
    number::parse(text.trim()).ok_or_else(|| {
        let text = format!("expected a number of KiB, found {:?}", file::excerpt(&text));
        balloon(std::io::Error::new(std::io::ErrorKind::InvalidData, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;
    use std::cell::Cell;

    const MIB: u64 = 1 << 20;

    fn dom0(available_mib: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), TARGET, "1900000\n");
        let meminfo = format!(
            "MemTotal: 1 kB\nMemAvailable:   {} kB\n",
            available_mib << 10
        );
        put(root.path(), "proc/meminfo", meminfo);
        root
    }

    fn target(root: &Path) -> u64 {
        number(&root.join(TARGET)).unwrap()
    }

    #[test]
    fn nothing_is_done_if_enough_heap_is_free() {
        let root = dom0(1000);
        let heap = || Ok(100 * MIB);
        let balloon = free_memory(root.path(), 60 * MIB, &heap, &|_| unreachable!()).unwrap();
        assert_eq!(balloon, None);
        assert_eq!(target(root.path()), 1_900_000);
    }

    #[test]
    fn the_balloon_frees_the_missing_memory_and_is_restored() {
        let root = dom0(1000);
        let root = root.path();
        // the free heap grows with time
        let (free, polls) = (Cell::new(10 * MIB), Cell::new(0));
        let pass = |_| {
            polls.set(polls.get() + 1);
            free.set(free.get() + 7 * MIB);
        };
        let balloon = free_memory(root, 90 * MIB, &|| Ok(free.get()), &pass).unwrap();
        let balloon = balloon.unwrap();
        let missing = needed(90 * MIB) + SPARE - 10 * MIB;
        assert_eq!(balloon.before_kib, 1_900_000);
        assert_eq!(target(root), 1_900_000 - missing.div_ceil(1024));
        assert_eq!(balloon.now_kib, target(root));
        assert_eq!(polls.get(), missing.div_ceil(7 * MIB));
        balloon.put_back().unwrap();
        assert_eq!(target(root), 1_900_000);
    }

    #[test]
    fn dom0_keeps_a_minimum() {
        // 90 MiB for Xen, 90 for the copy, 128 for dom0
        let root = dom0(300);
        let err = free_memory(root.path(), 90 * MIB, &|| Ok(0), &|_| unreachable!()).unwrap_err();
        let (memory, gone) = (300 * MIB, 0);
        assert!(
            matches!(err, XenError::HeapTooSmall { why: NoBalloon::Memory, available, free, .. }
                if (available, free) == (memory, gone)),
            "{err}"
        );
        assert_eq!(target(root.path()), 1_900_000);
        std::fs::remove_file(root.path().join(TARGET)).unwrap();
        let err = free_memory(root.path(), MIB, &|| Ok(0), &|_| unreachable!()).unwrap_err();
        let why = NoBalloon::Driver;
        assert!(
            matches!(err, XenError::HeapTooSmall { why: found, .. } if found == why),
            "{err}"
        );
    }

    #[test]
    fn a_stalled_balloon_is_restored() {
        let root = dom0(1000);
        let root = root.path();
        let waited = Cell::new(Duration::ZERO);
        let pass = |time| waited.set(waited.get() + time);
        let err = free_memory(root, 90 * MIB, &|| Ok(5 * MIB), &pass).unwrap_err();
        let stalled = matches!(
            err,
            XenError::HeapTooSmall {
                why: NoBalloon::Stalled,
                ..
            }
        );
        assert!(stalled, "{err}");
        assert_eq!(waited.get(), STALL);
        assert_eq!(target(root), 1_900_000);
        // a little at a time, without end
        let free = Cell::new(0);
        let slow = |time| {
            waited.set(waited.get() + time);
            free.set(free.get() + 1);
        };
        waited.set(Duration::ZERO);
        free_memory(root, 90 * MIB, &|| Ok(free.get()), &slow).unwrap_err();
        assert_eq!(waited.get(), WAIT);
    }

    #[test]
    fn a_target_that_was_raised_is_not_changed() {
        let root = dom0(1000);
        let root = root.path();
        restore(root, 1_800_000).unwrap();
        assert_eq!(target(root), 1_900_000);
        restore(root, 1_950_000).unwrap();
        assert_eq!(target(root), 1_950_000);
        put(root, TARGET, "lots\n");
        let err = restore(root, 1).unwrap_err();
        assert!(
            matches!(&err, XenError::Balloon { path, source }
                if *path == root.join(TARGET)
                    && source.kind() == std::io::ErrorKind::InvalidData),
            "{err}"
        );
    }

    #[test]
    fn the_overhead_is_counted() {
        assert_eq!(needed(0), FIXED);
        assert_eq!(needed(1), FIXED + PAGE + PER_PAGE);
        // about 0.6 percent
        let image = 400 * MIB;
        let over = needed(image) - image - FIXED;
        assert!((2 * MIB..3 * MIB).contains(&over), "{over}");
        assert_eq!(needed(u64::MAX), u64::MAX);
    }
}
