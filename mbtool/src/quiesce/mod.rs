//! Bringing dom0 to rest before Xen jumps into another kernel.
//!
//! `KEXEC_CMD_kexec` stops the CPUs and the interrupt controllers, and nothing
//! else: unlike Linux's own kexec it never calls the drivers' shutdown methods.
//! What user space can do in their place is here, each step with a limit of
//! time, reported, and taken back when the jump fails. The reasons for the
//! order and for what is left out: docs/adr/0009-quiesce-dom0.md.

mod guests;
mod mounts;
mod network;
mod ops;
mod patient;
mod pci;
mod processes;

pub use ops::{Machine, Ops};
pub use patient::Patient;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a device may take to finish what it had begun before its bus
/// mastering was switched off.
const DRAIN: Duration = Duration::from_millis(100);

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// One sentence.
    pub text: String,
    /// False when something was left as it was.
    pub complete: bool,
}

impl Step {
    fn done(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            text,
            complete: true,
        }
    }

    fn partly(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            text,
            complete: false,
        }
    }
}

/// How to take back one thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    /// Write this text to this file.
    Write(PathBuf, String),
    /// Mount this read-write again.
    Mount(PathBuf),
    /// Write this command register to this configuration space.
    Command(PathBuf, u16),
}

/// A machine at rest.
#[derive(Debug, Default)]
#[must_use]
pub struct Quiet {
    undo: Vec<Undo>,
}

impl Quiet {
    /// Brings the machine below `root` to rest; `last` ends every other process
    /// too. `say` gets each step as it ends. Nothing here fails: a kernel that
    /// finds a device running is better off than a user who finds no way out of
    /// a half shut down machine.
    pub fn make(root: &Path, ops: &dyn Ops, last: bool, say: &mut dyn FnMut(&Step)) -> Self {
        let mut quiet = Self::default();
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

    /// Puts back what was changed, the last thing first. Processes that were
    /// ended stay ended.
    pub fn take_back(self, ops: &dyn Ops) -> Step {
        let all = self.undo.len();
        let failed: Vec<String> = self
            .undo
            .into_iter()
            .rev()
            .filter_map(|undo| match undo {
                Undo::Write(path, text) => ops.write(&path, &text).err(),
                Undo::Mount(path) => ops.remount(&path, false).err(),
                Undo::Command(path, value) => pci::put_command(&path, value).err(),
            })
            .collect();
        if failed.is_empty() {
            Step::done(format!(
                "put back: {all} settings of devices and file systems"
            ))
        } else {
            Step::partly(format!("not everything is put back: {}", listed(&failed)))
        }
    }
}

/// No page of this process may have to come from a disk that is switched off.
fn lock(ops: &dyn Ops) -> Step {
    match ops.lock_memory() {
        Ok(()) => Step::done("memory of this process locked"),
        Err(why) => Step::partly(format!(
            "memory of this process is not locked ({why}): it may hang when its file cannot be read \
             any more"
        )),
    }
}

fn sync(ops: &dyn Ops) -> Step {
    match ops.sync() {
        Ok(()) => Step::done("file systems synced"),
        Err(why) => Step::partly(format!("file systems are not synced: {why}")),
    }
}

/// At most five, then how many more.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests;
