//! Room for an image in Xen's heap, made by dom0's balloon.
//!
//! Xen keeps the image's pages in its free memory until the jump. A dom0 that
//! was started without `dom0_mem=` owns nearly all memory, so some has to go
//! back. That changes the machine-to-physical table, by which safe places are
//! chosen: it has to be over before the machine is read for a plan.

use super::XenError;
use crate::sys::file;
use crate::sys::text;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// dom0's target in KiB, read and written.
const TARGET: &str = "sys/devices/system/xen_memory/xen_memory0/target_kb";
/// What dom0 must have available afterwards, in bytes, beside a copy of the
/// image in locked memory, from which Xen takes it.
const KEEP: u64 = 128 << 20;
/// Taken beyond what is needed, in bytes: others use the heap as well.
const SPARE: u64 = 8 << 20;
/// Most bytes of overhead that a heap page costs: its entry in the list of
/// pages (8 bytes, plus a link per page of entries), and its share of a page
/// table of 4096 bytes for each 2 MiB, twice, for source and destination.
const PER_PAGE: u64 = 8 + 1 + 8 + 8;
/// Control pages, top tables, and tables of small segments, in bytes.
const FIXED: u64 = 1 << 20;
const PAGE: u64 = 4096;

const POLL: Duration = Duration::from_millis(100);
/// No progress for so long ends the wait.
const STALL: Duration = Duration::from_secs(10);
/// The wait, however much progress there is.
const WAIT: Duration = Duration::from_secs(120);

/// Bytes of Xen's heap that an image with `data` bytes of data takes.
#[must_use]
pub const fn needed(data: u64) -> u64 {
    let pages = data.div_ceil(PAGE);
    pages.saturating_mul(PAGE + PER_PAGE).saturating_add(FIXED)
}

/// What the balloon did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    target: PathBuf,
    /// dom0's target before, in KiB.
    pub before_kib: u64,
    /// dom0's target now, in KiB.
    pub now_kib: u64,
}

impl Room {
    /// A change that was made.
    #[cfg(test)]
    pub(super) fn of(root: &Path, before_kib: u64, now_kib: u64) -> Self {
        Self {
            target: root.join(TARGET),
            before_kib,
            now_kib,
        }
    }

    /// Gives dom0 its memory back.
    ///
    /// # Errors
    ///
    /// What writing the target says.
    pub fn put_back(&self) -> Result<(), XenError> {
        fs::write(&self.target, self.before_kib.to_string()).map_err(|source| XenError::Balloon {
            path: self.target.clone(),
            source,
        })
    }
}

/// Gives dom0 the memory back that [`Room`] took in another process, unless the
/// target was changed to something larger meanwhile.
///
/// # Errors
///
/// As [`Room::put_back`].
pub(super) fn restore(root: &Path, before_kib: u64) -> Result<(), XenError> {
    let target = root.join(TARGET);
    let now_kib = number(&target)?;
    let room = Room {
        target,
        before_kib,
        now_kib,
    };
    if now_kib < before_kib {
        room.put_back()?;
    }
    Ok(())
}

/// Makes sure that Xen has room for `data` bytes of an image, which `heap` asks
/// it for; `None` where it has. `wait` lets time pass.
///
/// # Errors
///
/// dom0 cannot give so much, has no balloon, or does not come down in time; its
/// old target is set again then.
pub fn make_room(
    root: &Path,
    data: u64,
    heap: &dyn Fn() -> Result<u64, XenError>,
    wait: &dyn Fn(Duration),
) -> Result<Option<Room>, XenError> {
    let needed = needed(data).saturating_add(SPARE);
    let free = heap()?;
    let Some(missing) = needed.checked_sub(free).filter(|missing| *missing > 0) else {
        return Ok(None);
    };
    let target = root.join(TARGET);
    let no_room = |available, why| XenError::NoRoom {
        needed,
        free,
        available,
        keep: KEEP.saturating_add(data),
        why,
    };
    let Ok(before_kib) = number(&target) else {
        return Err(no_room(0, "dom0 has no balloon driver"));
    };
    let available = available(root);
    let missing_kib = missing.div_ceil(1024);
    if missing.saturating_add(KEEP).saturating_add(data) > available || missing_kib >= before_kib {
        return Err(no_room(available, "dom0 cannot spare it"));
    }
    let room = Room {
        now_kib: before_kib - missing_kib,
        before_kib,
        target,
    };
    fs::write(&room.target, room.now_kib.to_string()).map_err(|source| XenError::Balloon {
        path: room.target.clone(),
        source,
    })?;
    let (mut waited, mut stalled, mut best) = (Duration::ZERO, Duration::ZERO, free);
    let error = loop {
        let now = match heap() {
            Ok(now) => now,
            Err(error) => break error,
        };
        if now >= needed {
            return Ok(Some(room));
        }
        if now > best {
            (best, stalled) = (now, Duration::ZERO);
        }
        if stalled >= STALL || waited >= WAIT {
            break no_room(available, "dom0's balloon gives no more");
        }
        wait(POLL);
        waited += POLL;
        stalled += POLL;
    };
    // the first error is the one to tell
    let _ = room.put_back();
    Err(error)
}

fn number(path: &Path) -> Result<u64, XenError> {
    let balloon = |source| XenError::Balloon {
        path: path.to_owned(),
        source,
    };
    let text = file::read(path, file::ATTRIBUTE).map_err(balloon)?;
    text::number(text.trim()).ok_or_else(|| {
        let text = format!("expected a number of KiB, found {:?}", text::cut(&text));
        balloon(std::io::Error::new(std::io::ErrorKind::InvalidData, text))
    })
}

/// Bytes that dom0's processes could still get; 0 where Linux does not say.
fn available(root: &Path) -> u64 {
    let text = file::read(&root.join("proc/meminfo"), file::LISTING).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| text::number(line.trim().trim_end_matches("kB").trim()));
    kib.unwrap_or(0).saturating_mul(1024)
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
    fn nothing_is_done_where_there_is_room() {
        let root = dom0(1000);
        let heap = || Ok(100 * MIB);
        let room = make_room(root.path(), 60 * MIB, &heap, &|_| unreachable!()).unwrap();
        assert_eq!(room, None);
        assert_eq!(target(root.path()), 1_900_000);
    }

    #[test]
    fn the_balloon_gives_what_is_missing_and_takes_it_back() {
        let root = dom0(1000);
        let root = root.path();
        // Xen gets memory as time passes
        let (free, polls) = (Cell::new(10 * MIB), Cell::new(0));
        let pass = |_| {
            polls.set(polls.get() + 1);
            free.set(free.get() + 7 * MIB);
        };
        let room = make_room(root, 90 * MIB, &|| Ok(free.get()), &pass).unwrap();
        let room = room.unwrap();
        let missing = needed(90 * MIB) + SPARE - 10 * MIB;
        assert_eq!(room.before_kib, 1_900_000);
        assert_eq!(target(root), 1_900_000 - missing.div_ceil(1024));
        assert_eq!(room.now_kib, target(root));
        assert_eq!(polls.get(), missing.div_ceil(7 * MIB));
        room.put_back().unwrap();
        assert_eq!(target(root), 1_900_000);
    }

    #[test]
    fn dom0_keeps_a_minimum() {
        // 90 MiB for Xen, 90 for the copy, 128 to live on
        let root = dom0(300);
        let err = make_room(root.path(), 90 * MIB, &|| Ok(0), &|_| unreachable!())
            .unwrap_err()
            .to_string();
        for part in ["dom0 cannot spare it", "dom0_mem=", "300 MiB", "0 bytes"] {
            assert!(err.contains(part), "{part}: {err}");
        }
        assert_eq!(target(root.path()), 1_900_000);
        std::fs::remove_file(root.path().join(TARGET)).unwrap();
        let err = make_room(root.path(), MIB, &|| Ok(0), &|_| unreachable!()).unwrap_err();
        assert!(err.to_string().contains("no balloon driver"), "{err}");
    }

    #[test]
    fn a_balloon_that_stalls_is_put_back() {
        let root = dom0(1000);
        let root = root.path();
        let waited = Cell::new(Duration::ZERO);
        let pass = |time| waited.set(waited.get() + time);
        let err = make_room(root, 90 * MIB, &|| Ok(5 * MIB), &pass).unwrap_err();
        assert!(err.to_string().contains("gives no more"), "{err}");
        assert_eq!(waited.get(), STALL);
        assert_eq!(target(root), 1_900_000);
        // a little at a time, for ever
        let free = Cell::new(0);
        let slow = |time| {
            waited.set(waited.get() + time);
            free.set(free.get() + 1);
        };
        waited.set(Duration::ZERO);
        make_room(root, 90 * MIB, &|| Ok(free.get()), &slow).unwrap_err();
        assert_eq!(waited.get(), WAIT);
    }

    #[test]
    fn a_target_that_grew_meanwhile_is_left_alone() {
        let root = dom0(1000);
        let root = root.path();
        restore(root, 1_800_000).unwrap();
        assert_eq!(target(root), 1_900_000);
        restore(root, 1_950_000).unwrap();
        assert_eq!(target(root), 1_950_000);
        put(root, TARGET, "lots\n");
        let err = restore(root, 1).unwrap_err().to_string();
        assert!(err.contains("expected a number of KiB"), "{err}");
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
