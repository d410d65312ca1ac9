//! Network interfaces, which write received data to memory at any time.

use super::{Ops, QuiesceStep, Undo};
use crate::sys::file;
use crate::sys::number;
use std::fs;
use std::path::Path;

/// Interface flag: up (linux/if.h).
const IFF_UP: u64 = 1;
/// Interface flag: loopback.
const IFF_LOOPBACK: u64 = 8;
/// Maximum number of interfaces; a host with many guests has some thousands.
const LIMIT: usize = 65536;

/// Takes every interface but the loopback one down, by its `flags` in sysfs.
pub(super) fn down(root: &Path, ops: &dyn Ops, undo: &mut Vec<Undo>) -> QuiesceStep {
    let names = fs::read_dir(root.join("sys/class/net"));
    let mut paths: Vec<_> = names
        .into_iter()
        .flatten()
        .flatten()
        .take(LIMIT)
        .map(|item| item.path().join("flags"))
        .collect();
    paths.sort_unstable();
    let (mut down, mut failed) = (0, Vec::new());
    for path in paths {
        let Ok(was) = file::read(&path, file::ATTRIBUTE) else {
            continue;
        };
        let Some(flags) = number::parse(was.trim()) else {
            continue;
        };
        if flags & IFF_UP == 0 || flags & IFF_LOOPBACK != 0 {
            continue;
        }
        match ops.write(&path, &format!("{:#x}", flags & !IFF_UP)) {
            Ok(()) => {
                down += 1;
                undo.push(Undo::Write(path, format!("{flags:#x}")));
            }
            Err(why) => failed.push(why),
        }
    }
    QuiesceStep::Network { down, failed }
}
