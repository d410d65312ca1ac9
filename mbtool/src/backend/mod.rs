//! Backends apply a plan: to the running kernel, or to a directory.
//!
//! A backend takes a finished [`Plan`], makes no decisions about it, and
//! explains why a kernel refused it.

pub mod arm;
pub mod dir;
pub mod error;
pub mod explain;
pub mod linux;
pub mod status;
mod summary;
pub mod syscall;
pub mod vcpu;
pub mod xen;

pub use error::BackendError;
pub use summary::{LoadDestination, LoadSummary};

use crate::arch::Architecture;
use crate::host::hypervisor::Hypervisor;
use crate::plan::Plan;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Selection of the image to unload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unload {
    /// The crash image instead of the one for `exec`.
    pub crash: bool,
    /// Unload even if that may crash the host.
    pub force: bool,
}

/// Checks that `plan` has the code that runs between the kernels.
///
/// # Errors
///
/// When it is for another machine than this mbtool.
pub fn complete(plan: &Plan) -> Result<(), BackendError> {
    if plan.arch == Architecture::NATIVE {
        return Ok(());
    }
    Err(BackendError::Architecture { plan: plan.arch })
}

/// Target of a plan.
pub trait Backend {
    /// Name: "linux", "xen" or "dir".
    fn name(&self) -> &str;

    /// Runs the checks that do not depend on the image (privileges, lockdown, crash region), before
    /// any file is read; returns warnings.
    ///
    /// # Errors
    ///
    /// As [`Backend::load`].
    fn ready(&self, _crash: bool) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    /// Frees `data` bytes of memory for a normal image. Call
    /// this before reading the machine, as it may change the ownership of
    /// memory. Returns a message about changes, if any.
    ///
    /// # Errors
    ///
    /// When there is not enough memory.
    fn free_memory(&self, _data: u64) -> Result<Option<String>, BackendError> {
        Ok(None)
    }

    /// Reverts [`Backend::free_memory`] if no load has succeeded since. Returns a
    /// message about changes, if any.
    fn give_back_memory(&self) -> Option<String> {
        None
    }

    /// Loads `plan`, which is for the machine that mbtool was built for.
    ///
    /// # Errors
    ///
    /// The reason of the refusal, with a suggested fix.
    fn load(&self, plan: &Plan) -> Result<LoadSummary, BackendError>;

    /// Unloads an image. Returns `false` when none was loaded.
    ///
    /// # Errors
    ///
    /// The reason of the refusal, with a suggested fix.
    fn unload(&self, which: Unload) -> Result<bool, BackendError>;
}

/// Choice by `--backend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// [`Choice::Xen`] in every dom0, including those where it has to refuse; [`Choice::Linux`]
    /// elsewhere, which refuses in a guest.
    Auto,
    /// `kexec_load(2)`.
    Linux,
    /// The Xen hypercall.
    Xen,
    /// A directory.
    Dir(PathBuf),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("dir:")) {
            ("auto", _) => Ok(Self::Auto),
            ("linux", _) => Ok(Self::Linux),
            ("xen", _) => Ok(Self::Xen),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            _ => Err("must be auto, linux, xen or dir:PATH".into()),
        }
    }
}

/// Returns the chosen backend for the machine below `root`.
#[must_use]
pub fn select(choice: &Choice, root: &Path) -> Box<dyn Backend> {
    match choice {
        Choice::Auto if Hypervisor::read(root).is_dom0() => Box::new(xen::Xen::new(root)),
        Choice::Auto | Choice::Linux => Box::new(linux::Linux::new(root)),
        Choice::Xen => Box::new(xen::Xen::new(root)),
        Choice::Dir(path) => Box::new(dir::Dir::new(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn backends_are_selected_by_name() {
        let root = tempfile::tempdir().unwrap();
        let select = |name: &str| {
            let backend = select(&name.parse().unwrap(), root.path());
            backend.name().to_owned()
        };
        for (name, is) in [
            ("auto", "linux"),
            ("linux", "linux"),
            ("xen", "xen"),
            ("dir:/tmp/x", "dir"),
        ] {
            assert_eq!(select(name), is);
        }
        for name in ["", "dir:", "dir", "Xen", "Linux"] {
            assert!(name.parse::<Choice>().is_err(), "{name}");
        }
        put(root.path(), "proc/xen/capabilities", "control_d\n");
        assert_eq!(select("auto"), "xen");
        assert_eq!(select("linux"), "linux");
        // the Xen backend refuses a PVH dom0, the Linux backend a guest
        put(root.path(), "sys/hypervisor/type", "xen\n");
        put(root.path(), "sys/hypervisor/guest_type", "PVH\n");
        assert_eq!(select("auto"), "xen");
        put(root.path(), "proc/xen/capabilities", "\n");
        assert_eq!(select("auto"), "linux");
    }
}
