//! Why the machine's memory could not be learnt.

use super::map::MapError;
use crate::sys::file;
use std::path::{Path, PathBuf};
use xen_shim::hypercall::HypercallError;

/// Reading or parsing a description of memory failed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A file that must be there could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than the kernel writes there.
    #[error("{}: expected {expected}, found {found:?}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
        /// What stands there, cut short.
        found: String,
    },
    /// More directory entries than any firmware has.
    #[error("{}: more than {limit} entries", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
        /// Most that are accepted.
        limit: usize,
    },
    /// A line in the style of /proc/iomem is wrong.
    #[error("memory map line {line}: expected \"START-END : NAME\" in hex, found {found:?}")]
    IomemLine {
        /// Line number, from 1.
        line: usize,
        /// The line, cut short.
        found: String,
    },
    /// A line in the style of /proc/iomem has its ends the wrong way round.
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
        "/proc/iomem shows only zero addresses, as it does to a process without \
         CAP_SYS_ADMIN: run mbtool as root"
    )]
    Hidden,
    /// Neither source of a memory map exists.
    #[error(
        "no memory map: {} does not exist (CONFIG_FIRMWARE_MEMMAP) and {} has no System RAM; \
         give one with --memory-map FILE",
        memmap.display(),
        iomem.display()
    )]
    NoMap {
        /// /sys/firmware/memmap.
        memmap: PathBuf,
        /// /proc/iomem.
        iomem: PathBuf,
    },
    /// A map without a byte of RAM.
    #[error("the memory map has no RAM in its {entries} entries")]
    NoRam {
        /// Number of entries after merging.
        entries: usize,
    },
    /// In a PV dom0, whose own memory map is not the machine's.
    #[error("cannot ask Xen for the machine's memory: {0}")]
    Xen(#[from] HypercallError),
    /// The ranges contradict themselves.
    #[error(transparent)]
    Map(#[from] MapError),
    /// `--memory-map FILE`: text that starts like JSON but is not.
    #[error("memory map, JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// `--memory-map FILE`: JSON whose content does not fit.
    #[error("memory map, JSON field {field}: expected {expected}, found {found}")]
    Field {
        /// Path of the field, for instance `memory_map[3].start`.
        field: String,
        /// What belongs there.
        expected: String,
        /// What stands there, cut short.
        found: String,
    },
    /// `--memory-map FILE`: empty, or bytes that are no text.
    #[error(
        "memory map: expected the JSON of `plan --json` or `status --json`, or the text of \
         /proc/iomem; found {found}"
    )]
    Format {
        /// What the file holds.
        found: &'static str,
    },
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
