//! The file of an image: of an uncompressed ELF file only the parts that are needed.

use super::files::FILE_LIMIT;
use crate::image::parts::{ElfParts, START};
use crate::input::InputError;
use crate::input::sparse::{ReadRange, RegularFile, touched};
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// A file of which parts are read.
#[derive(Debug)]
pub(super) struct ImageFile<R = File> {
    file: RegularFile<R>,
    needed: Vec<Range<u64>>,
}

impl ImageFile {
    /// Looks at the headers of the file at `path`; `None` for one that is to be read whole.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, InputError> {
        match RegularFile::open(path, FILE_LIMIT) {
            Some(file) => Self::of(file),
            None => Ok(None),
        }
    }
}

impl<R: ReadRange> ImageFile<R> {
    /// As [`ImageFile::open`].
    fn of(file: RegularFile<R>) -> Result<Option<Self>, InputError> {
        let start = file.range(0..START)?;
        let Some(parts) = ElfParts::of(&start, file.len()) else {
            return Ok(None);
        };
        let needed = parts.needed(&file.range(parts.table())?);
        Ok(Some(Self { file, needed }))
    }

    /// Memory for its parts, in bytes.
    pub(super) fn memory(&self) -> u64 {
        touched(&self.needed)
    }

    /// Reads the parts that are needed; all other bytes of the result are zero.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or takes more than the `available` memory.
    pub(super) fn read(&self, available: Option<u64>) -> Result<Vec<u8>, InputError> {
        self.file.sparse(&self.needed, available)
    }
}

#[cfg(test)]
#[path = "image_file_tests.rs"]
mod tests;
