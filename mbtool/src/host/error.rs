//! Errors of reading the memory map.

use super::map::MapError;
use crate::fdt::FdtError;
use crate::sys::file;
use std::path::{Path, PathBuf};
use xen_shim::fix::{Fix, Remedy, tail};
use xen_shim::hypercall::HypercallError;

/// Reading or parsing a description of memory failed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A file that must be there could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the system call.
        source: std::io::Error,
    },
    /// A file with unexpected contents.
    #[error("{}: expected {expected}, found {found:?}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Expected contents.
        expected: &'static str,
        /// Contents found, truncated.
        found: String,
    },
    /// Too many directory entries.
    #[error("{}: more than {limit} entries", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
        /// Limit.
        limit: usize,
    },
    /// A malformed line in the format of /proc/iomem.
    #[error("memory map line {line}: expected \"START-END : NAME\" in hex, found {found:?}")]
    IomemLine {
        /// Line number, from 1.
        line: usize,
        /// The line, truncated.
        found: String,
    },
    /// A line in the format of /proc/iomem that ends before its start.
    #[error("memory map line {line}: range ends at {end:#x}, before its start {start:#x}")]
    IomemBackwards {
        /// Line number, from 1.
        line: usize,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
    },
    /// The kernel hides addresses from this process.
    #[error(
        "/proc/iomem shows only zero addresses, as it does to a process without CAP_SYS_ADMIN{}",
        tail(self.fix())
    )]
    Hidden,
    /// Neither source of a memory map exists.
    #[error(
        "no memory map: {} does not exist (CONFIG_FIRMWARE_MEMMAP) and {} has no System RAM{}",
        memmap.display(), iomem.display(), tail(self.fix())
    )]
    NoMap {
        /// /sys/firmware/memmap.
        memmap: PathBuf,
        /// /proc/iomem.
        iomem: PathBuf,
    },
    /// A map without RAM.
    #[error("the memory map has no RAM in its {entries} entries")]
    NoRam {
        /// Number of entries after merging.
        entries: usize,
    },
    /// Xen's memory map is unavailable to a PV dom0, whose own map is not the
    /// machine's.
    #[error("cannot read the machine's memory map from Xen: {0}")]
    Xen(#[from] HypercallError),
    /// The running kernel's device tree is none.
    #[error("{}: {error}", path.display())]
    DeviceTree {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: FdtError,
    },
    /// The ranges are inconsistent.
    #[error(transparent)]
    Map(#[from] MapError),
    /// `--memory-map FILE`: invalid JSON.
    #[error("memory map, JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// `--memory-map FILE`: JSON with an unexpected value.
    #[error("memory map, JSON field {field}: expected {expected}, found {found}")]
    Field {
        /// Path of the field, for instance `memory_map[3].start`.
        field: String,
        /// Expected value.
        expected: String,
        /// Value found, truncated.
        found: String,
    },
    /// `--memory-map FILE`: empty, or not text.
    #[error(
        "memory map: expected the JSON of `plan --json` or `status --json`, or the text of \
         /proc/iomem; found {found}"
    )]
    Format {
        /// Description of the contents.
        found: &'static str,
    },
}

impl Fix for MemoryError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::Hidden => "run mbtool as root",
            Self::NoMap { .. } => "give one with --memory-map FILE",
            Self::Xen(error) => return error.fix(),
            Self::DeviceTree { error, .. } => return error.fix(),
            Self::Read { .. }
            | Self::Content { .. }
            | Self::TooMany { .. }
            | Self::IomemLine { .. }
            | Self::IomemBackwards { .. }
            | Self::NoRam { .. }
            | Self::Map(_)
            | Self::Json(_)
            | Self::Field { .. }
            | Self::Format { .. } => return None,
        };
        Some(fix.into())
    }
}

/// [`file::read`] with the path in its error.
///
/// # Errors
///
/// [`MemoryError::Read`].
pub fn read_file(path: &Path, limit: u64) -> Result<String, MemoryError> {
    file::read(path, limit).map_err(|source| MemoryError::Read {
        path: path.to_owned(),
        source,
    })
}
