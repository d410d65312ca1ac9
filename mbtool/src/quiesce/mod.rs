//! Quiesces dom0 before Xen jumps to another kernel.
//!
//! `KEXEC_CMD_kexec` stops the CPUs and the interrupt controllers, only. Unlike
//! Linux's own kexec it never calls the drivers' shutdown methods. This module
//! does as much of that as user space can. Each step has a timeout, is
//! reported, and is undone if the jump fails. Reasons for the order and for
//! omissions: docs/adr/0009-quiesce-dom0.md.

mod guests;
mod mounts;
mod network;
mod ops;
mod pci;
mod processes;
mod step;

pub use ops::{KernelOps, Ops};
pub use step::QuiesceStep;

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time for a device to finish transfers that it began before its bus mastering
/// was switched off.
const DRAIN: Duration = Duration::from_millis(100);

/// Reverts one change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    /// Write this text to this file.
    Write(PathBuf, String),
    /// Remount this mount point read-write.
    Mount(PathBuf),
    /// Write this command register to this configuration space.
    Command(PathBuf, u16),
}

/// A quiesced machine. Dropped, it is as before: a panic must not leave it without devices.
#[must_use]
pub struct Quiet<'a> {
    ops: &'a dyn Ops,
    undo: Vec<Undo>,
}

impl fmt::Debug for Quiet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiet")
            .field("undo", &self.undo)
            .finish_non_exhaustive()
    }
}

impl<'a> Quiet<'a> {
    /// Quiesces the machine below `root`; with `last`, also ends all other
    /// processes. `say` gets the result of each step. Failures are only
    /// reported: a kernel that finds a device running is better than a half
    /// shut down machine that cannot be used.
    pub fn make(
        root: &Path,
        ops: &'a dyn Ops,
        last: bool,
        say: &mut dyn FnMut(&QuiesceStep),
    ) -> Self {
        let mut quiet = Self {
            ops,
            undo: Vec::new(),
        };
        say(&lock(ops));
        if let Some(step) = guests::seen(root) {
            say(&step);
        }
        if last {
            say(&processes::end(root, ops));
        }
        say(&sync(ops));
        say(&mounts::read_only(root, ops, &mut quiet.undo));
        say(&network::down(root, ops, &mut quiet.undo));
        say(&pci::stop(root, &mut quiet.undo));
        ops.pause(DRAIN);
        quiet
    }

    /// Reverts the changes, the last one first. Ended processes stay ended.
    pub fn take_back(mut self) -> QuiesceStep {
        self.revert()
    }

    fn revert(&mut self) -> QuiesceStep {
        let ops = self.ops;
        let changes = self.undo.len();
        let failed: Vec<String> = self
            .undo
            .drain(..)
            .rev()
            .filter_map(|undo| match undo {
                Undo::Write(path, text) => ops.write(&path, &text).err(),
                Undo::Mount(path) => ops.remount(&path, false).err(),
                Undo::Command(path, value) => pci::put_command(&path, value).err(),
            })
            .collect();
        if failed.is_empty() {
            QuiesceStep::Restored { changes }
        } else {
            QuiesceStep::NotRestored { failed }
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        self.revert();
    }
}

/// Locks this process in memory, since its file may be on a disk that is
/// stopped.
fn lock(ops: &dyn Ops) -> QuiesceStep {
    match ops.lock_memory() {
        Ok(()) => QuiesceStep::Locked,
        Err(why) => QuiesceStep::NotLocked { why },
    }
}

fn sync(ops: &dyn Ops) -> QuiesceStep {
    match ops.sync() {
        Ok(()) => QuiesceStep::Synced,
        Err(why) => QuiesceStep::NotSynced { why },
    }
}

/// Formats at most five names, and the number of others.
fn listed(names: &[impl Display]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    let mut text = shown.join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests;
