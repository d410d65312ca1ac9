//! Applying a plan: to the running kernel, or to a directory.
//!
//! A backend takes a finished [`Plan`], decides nothing, and says in sentences
//! why a kernel refused it.

pub mod dir;
pub mod error;
pub mod explain;
pub mod linux;
pub mod status;
pub mod syscall;
pub mod xen;

pub use error::BackendError;

use crate::host::hypervisor::Hypervisor;
use crate::plan::Plan;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What was done with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Segments handed over, after merging (files written, for a directory).
    pub segments: usize,
    /// Bytes of data in them.
    pub bytes: u64,
    /// One sentence for the user.
    pub summary: String,
}

/// What to take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unload {
    /// The crash image instead of the one for `exec`.
    pub crash: bool,
    /// Also where that may harm the host.
    pub force: bool,
}

/// Where a plan goes.
pub trait Backend {
    /// "linux", "xen", "dir".
    fn name(&self) -> &str;

    /// Runs the checks that do not depend on the image (privileges, lockdown, crash region), before any file
    /// is read; gives what the user should know before it is too late.
    ///
    /// # Errors
    ///
    /// As [`Backend::load`].
    fn ready(&self, _crash: bool) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    /// Sees to it that there is room for `data` bytes of an image that is not a
    /// crash image. To be called before the machine is read for a plan, because
    /// it may change what memory is whose. Gives what was done, if anything.
    ///
    /// # Errors
    ///
    /// There is no room.
    fn free_memory(&self, _data: u64) -> Result<Option<String>, BackendError> {
        Ok(None)
    }

    /// Takes back what [`Backend::free_memory`] did, when no load succeeded since.
    /// Gives what was done, if anything.
    fn give_back_memory(&self) -> Option<String> {
        None
    }

    /// Loads `plan`.
    ///
    /// # Errors
    ///
    /// Why it was refused and what to do about it.
    fn load(&self, plan: &Plan) -> Result<Done, BackendError>;

    /// Takes back what is loaded. `false` when there was nothing.
    ///
    /// # Errors
    ///
    /// Why it was refused and what to do about it.
    fn unload(&self, which: Unload) -> Result<bool, BackendError>;
}

/// `--backend`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// [`Choice::Xen`] in every dom0, also in one where it has to refuse; [`Choice::Linux`] elsewhere, which refuses in
    /// a guest.
    Auto,
    /// `kexec_load(2)`.
    Linux,
    /// The Xen hypercall.
    Xen,
    /// Files in a directory.
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

/// The backend of that choice, on the machine below `root`.
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
            let err = name.parse::<Choice>().unwrap_err();
            assert!(err.contains("auto, linux, xen or dir:PATH"), "{err}");
        }
        put(root.path(), "proc/xen/capabilities", "control_d\n");
        assert_eq!(select("auto"), "xen");
        assert_eq!(select("linux"), "linux");
        // a PVH dom0 hears from the backend why not; a guest, from Linux's
        put(root.path(), "sys/hypervisor/type", "xen\n");
        put(root.path(), "sys/hypervisor/guest_type", "PVH\n");
        assert_eq!(select("auto"), "xen");
        put(root.path(), "proc/xen/capabilities", "\n");
        assert_eq!(select("auto"), "linux");
    }
}
