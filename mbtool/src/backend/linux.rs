//! The running Linux kernel, through kexec_load(2).

use super::explain::{explain, permitted, preflight};
use super::syscall::{KexecFlags, KexecSyscalls, LoadCall};
use super::{Backend, BackendError, LoadDestination, LoadSummary, Unload};
use crate::arch::Architecture;
use crate::host::kexec_state::KernelState;
use crate::plan::{KernelSegment, Plan};
use crate::sys::meminfo;
use std::path::{Path, PathBuf};

/// The backend. `root` is the parent of /proc and /sys.
#[derive(Debug)]
pub struct Linux<C = KexecSyscalls> {
    root: PathBuf,
    call: C,
}

impl Linux {
    /// The kernel that runs this process, with its state read below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::with_call(root, KexecSyscalls)
    }
}

impl<C: LoadCall> Linux<C> {
    /// As [`Linux::new`], with another system call.
    pub fn with_call(root: &Path, call: C) -> Self {
        Self {
            root: root.to_owned(),
            call,
        }
    }

    /// Loads the segments of a plan.
    fn load_segments(
        &self,
        entry: u64,
        list: &[KernelSegment],
        crash: bool,
    ) -> Result<LoadSummary, BackendError> {
        let before = KernelState::read(&self.root);
        preflight(&before, crash)?;
        if !crash {
            // the kernel keeps a copy of every page in free memory
            let pages = list.iter().map(|segment| segment.dest.len());
            enough_memory(&self.root, pages.sum())?;
        }
        self.call
            .kexec_load(entry, list, flags(crash))
            .map_err(|errno| self.failed(errno, &before, crash))?;
        Ok(LoadSummary {
            destination: LoadDestination::Linux {
                crash,
                replaced: before.loaded_for(crash) == Some(true),
            },
            segments: list.len(),
            bytes: list.iter().map(|segment| segment.data.len() as u64).sum(),
        })
    }

    /// Returns the explained error, and whether the previous crash image was
    /// lost.
    fn failed(&self, errno: i32, before: &KernelState, crash: bool) -> BackendError {
        let cause = explain(errno, before, crash);
        let lost = crash
            && before.crash_loaded == Some(true)
            && KernelState::read(&self.root).crash_loaded == Some(false);
        if lost {
            BackendError::CrashImageLost {
                cause: Box::new(cause),
            }
        } else {
            cause
        }
    }
}

/// Checks that `needed` bytes are available. Without the check the kernel kills
/// processes until they are.
///
/// # Errors
///
/// When they are not.
pub fn enough_memory(root: &Path, needed: u64) -> Result<(), BackendError> {
    match meminfo::available(root) {
        Some(available) if available < needed => {
            Err(BackendError::TooLittleMemory { needed, available })
        }
        _ => Ok(()),
    }
}

/// Flags of kexec_load(2).
fn flags(crash: bool) -> KexecFlags {
    let crash = if crash {
        KexecFlags::ON_CRASH
    } else {
        KexecFlags::empty()
    };
    KexecFlags::of(Architecture::NATIVE) | crash
}

impl<C: LoadCall> Backend for Linux<C> {
    fn name(&self) -> &str {
        "linux"
    }

    fn ready(&self, crash: bool) -> Result<Vec<String>, BackendError> {
        preflight(&KernelState::read(&self.root), crash).map(|()| Vec::new())
    }

    fn load(&self, plan: &Plan) -> Result<LoadSummary, BackendError> {
        self.load_segments(plan.entry, &plan.kernel_segments, plan.crash)
    }

    fn unload(&self, Unload { crash, .. }: Unload) -> Result<bool, BackendError> {
        let before = KernelState::read(&self.root);
        if before.loaded_for(crash) == Some(false) {
            return Ok(false);
        }
        permitted(&before, crash)?;
        self.call
            .kexec_load(0, &[], flags(crash))
            .map_err(|errno| self.failed(errno, &before, crash))?;
        Ok(true)
    }
}

#[cfg(test)]
#[path = "linux_tests.rs"]
mod tests;
