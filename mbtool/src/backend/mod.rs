//! Applying a plan: to the running kernel, or to a directory.
//!
//! A backend takes a finished [`Plan`], decides nothing, and says in sentences
//! why a kernel refused it.

pub mod dir;
pub mod error;
pub mod explain;
pub mod linux;
pub mod syscall;
pub mod xen;

pub use error::BackendError;

use crate::plan::Plan;
use std::path::Path;

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

    /// Refuses what is going to be refused whatever the image, before any file
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
    fn make_room(&self, _data: u64) -> Result<Option<String>, BackendError> {
        Ok(None)
    }

    /// Takes back what [`Backend::make_room`] did, when no load succeeded since.
    /// Gives what was done, if anything.
    fn give_back_room(&self) -> Option<String> {
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

/// The backend for `--backend` (`auto`, `linux`, `xen` or `dir:PATH`), on the
/// machine below `root`. `auto` is `xen` in every dom0, also in one where the
/// backend has to refuse, and `linux` elsewhere, which refuses in a guest.
///
/// # Errors
///
/// A name that is none of these.
pub fn select(name: &str, root: &Path) -> Result<Box<dyn Backend>, BackendError> {
    match name {
        "auto" if crate::host::hypervisor::Hypervisor::read(root).is_dom0() => {
            Ok(Box::new(xen::Xen::new(root)))
        }
        "auto" | "linux" => Ok(Box::new(linux::Linux::new(root))),
        "xen" => Ok(Box::new(xen::Xen::new(root))),
        _ => match name.strip_prefix("dir:") {
            Some(path) if !path.is_empty() => Ok(Box::new(dir::Dir::new(path))),
            _ => Err(BackendError::Unknown {
                name: name.to_owned(),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn backends_are_selected_by_name() {
        let root = tempfile::tempdir().unwrap();
        let select = |name| select(name, root.path());
        for (name, is) in [
            ("auto", "linux"),
            ("linux", "linux"),
            ("xen", "xen"),
            ("dir:/tmp/x", "dir"),
        ] {
            assert_eq!(select(name).unwrap().name(), is);
        }
        for name in ["", "dir:", "dir", "Xen", "Linux"] {
            let err = select(name).err().unwrap().to_string();
            assert!(err.contains("auto, linux, xen or dir:PATH"), "{err}");
        }
        put(root.path(), "proc/xen/capabilities", "control_d\n");
        assert_eq!(select("auto").unwrap().name(), "xen");
        assert_eq!(select("linux").unwrap().name(), "linux");
        // a PVH dom0 hears from the backend why not; a guest, from Linux's
        put(root.path(), "sys/hypervisor/type", "xen\n");
        put(root.path(), "sys/hypervisor/guest_type", "PVH\n");
        assert_eq!(select("auto").unwrap().name(), "xen");
        put(root.path(), "proc/xen/capabilities", "\n");
        assert_eq!(select("auto").unwrap().name(), "linux");
    }
}
