//! Applying a plan: to the running kernel, or to a directory.
//!
//! A backend takes a finished [`Plan`], decides nothing, and says in sentences
//! why a kernel refused it.

pub mod dir;
pub mod error;
pub mod explain;
pub mod linux;
pub mod state;
pub mod syscall;
pub mod under;

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

/// Where a plan goes.
pub trait Backend {
    /// "linux", "dir".
    fn name(&self) -> &str;

    /// Loads `plan`.
    ///
    /// # Errors
    ///
    /// Why it was refused and what to do about it.
    fn load(&self, plan: &Plan) -> Result<Done, BackendError>;

    /// Takes back what is loaded: the crash image, or the other one. `false`
    /// when there was nothing.
    ///
    /// # Errors
    ///
    /// Why it was refused and what to do about it.
    fn unload(&self, crash: bool) -> Result<bool, BackendError>;
}

/// The backend for `--backend` (`auto`, `linux` or `dir:PATH`), on the machine
/// below `root`. `auto` is `linux`, which says so where Xen makes it unusable.
///
/// # Errors
///
/// A name that is none of these.
pub fn select(name: &str, root: &Path) -> Result<Box<dyn Backend>, BackendError> {
    match name {
        "auto" | "linux" => Ok(Box::new(linux::Linux::new(root))),
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

    #[test]
    fn backends_are_selected_by_name() {
        let root = Path::new("/");
        for (name, is) in [("auto", "linux"), ("linux", "linux"), ("dir:/tmp/x", "dir")] {
            assert_eq!(select(name, root).unwrap().name(), is);
        }
        for name in ["", "dir:", "dir", "xen", "Linux"] {
            let err = select(name, root).err().unwrap().to_string();
            assert!(err.contains("auto, linux or dir:PATH"), "{err}");
        }
    }
}
