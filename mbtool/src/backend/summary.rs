//! Results of loads.

use std::fmt;
use std::path::PathBuf;

/// Result of a load; its text is for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadSummary {
    /// Destination of the image.
    pub destination: LoadDestination,
    /// Number of segments loaded, after merging (for a directory: files
    /// written).
    pub segments: usize,
    /// Size of their data in bytes.
    pub bytes: u64,
}

/// Destination of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadDestination {
    /// The running Linux.
    Linux {
        /// True for a crash image.
        crash: bool,
        /// True when another image was loaded before.
        replaced: bool,
    },
    /// Xen.
    Xen {
        /// Version of Xen, if known.
        version: Option<String>,
        /// True for a crash image.
        crash: bool,
        /// True when another image was loaded before.
        replaced: bool,
    },
    /// A directory.
    Directory(PathBuf),
}

impl fmt::Display for LoadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, bytes) = (self.segments, self.bytes);
        let (crash, replaced) = match &self.destination {
            LoadDestination::Directory(path) => {
                return write!(f, "{}: {segments} segments, {bytes} bytes", path.display());
            }
            LoadDestination::Linux { crash, replaced }
            | LoadDestination::Xen {
                crash, replaced, ..
            } => (*crash, *replaced),
        };
        f.write_str(if crash { "crash image" } else { "image" })?;
        f.write_str(" loaded")?;
        if let LoadDestination::Xen { version, .. } = &self.destination {
            f.write_str(" through Xen")?;
            if let Some(version) = version {
                write!(f, " {version}")?;
            }
        }
        if replaced {
            f.write_str(", replacing the previous one")?;
        }
        write!(f, ": {segments} kernel segments, {bytes} bytes")
    }
}
