//! A regular file of which only parts are read.

use super::{InputError, display_name};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zerocopy::FromZeros;

/// Unit in which the kernel gives memory to a buffer, in bytes.
const PAGE: u64 = 4096;

/// Reads at an offset, as pread(2).
pub trait ReadRange {
    /// Fills `bytes` from the offset `at`.
    ///
    /// # Errors
    ///
    /// Those of pread(2); `UnexpectedEof` where the file ends before.
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
}

impl ReadRange for File {
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, at)
    }
}

/// A regular file that is not empty.
#[derive(Debug)]
pub struct RegularFile<R = File> {
    name: String,
    reader: R,
    len: u64,
    allocate: fn(u64) -> Option<Vec<u8>>,
}

impl RegularFile {
    /// Opens `path`; `None` where [`super::read`] has to be asked: standard input, a file that is not regular, is empty, has
    /// more than `limit` bytes, or cannot be opened.
    #[must_use]
    pub fn open(path: &Path, limit: u64) -> Option<Self> {
        // a pipe would be opened, and wait for its writer
        if path.as_os_str() == "-" || !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let fits = metadata.is_file() && (1..=limit).contains(&metadata.len());
        fits.then(|| Self::new(display_name(path), file, metadata.len()))
    }
}

impl<R: ReadRange> RegularFile<R> {
    /// A file of `len` bytes, `name` in messages.
    pub fn new(name: String, reader: R, len: u64) -> Self {
        Self {
            name,
            reader,
            len,
            allocate: zeros,
        }
    }

    /// Length of the file in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Always false: see [`RegularFile::open`].
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads `range`, as far as the file has it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or there is no memory for it.
    pub fn range(&self, range: Range<u64>) -> Result<Vec<u8>, InputError> {
        let range = range.start.min(self.len)..range.end.min(self.len);
        let mut bytes = self.zeros(range.end.saturating_sub(range.start))?;
        self.fill(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// The file with the bytes of `ranges`, and zeros elsewhere. Pages without bytes of a range take no memory, as long as
    /// nothing is written to them. Where the address space for the whole file is refused (Linux does for more than RAM and
    /// swap space have), it ends with the last range.
    ///
    /// # Errors
    ///
    /// Those of [`super::read_within`]; the memory that counts is that of `ranges`, in whole pages.
    pub fn sparse(
        &self,
        ranges: &[Range<u64>],
        available: Option<u64>,
    ) -> Result<Vec<u8>, InputError> {
        let size = touched(ranges);
        if let Some(available) = available.filter(|available| size > *available) {
            return Err(InputError::TooLittleMemory {
                name: self.name.clone(),
                size: Some(size),
                available,
            });
        }
        let end = ranges.last().map_or(0, |range| range.end);
        let whole = (self.allocate)(self.len);
        let mut bytes = match whole {
            Some(bytes) => bytes,
            None => self.zeros(end.min(self.len))?,
        };
        for range in ranges {
            if let Some(part) = inside(&mut bytes, range) {
                self.fill(part, range.start)?;
            }
        }
        Ok(bytes)
    }

    fn zeros(&self, len: u64) -> Result<Vec<u8>, InputError> {
        (self.allocate)(len).ok_or_else(|| InputError::Memory {
            name: self.name.clone(),
            size: len,
        })
    }

    fn fill(&self, bytes: &mut [u8], at: u64) -> Result<(), InputError> {
        let result = self.reader.read_exact_at(bytes, at);
        result.map_err(|error| InputError::from_io(self.name.clone(), error))
    }
}

/// Memory that the allocator has zeroed already, if it can.
fn zeros(len: u64) -> Option<Vec<u8>> {
    u8::new_vec_zeroed(usize::try_from(len).ok()?).ok()
}

fn inside<'a>(bytes: &'a mut [u8], range: &Range<u64>) -> Option<&'a mut [u8]> {
    let start = usize::try_from(range.start).ok()?;
    bytes.get_mut(start..usize::try_from(range.end).ok()?)
}

/// Memory of the pages that `ranges` touch, in bytes. They are sorted and do not overlap.
#[must_use]
pub fn touched(ranges: &[Range<u64>]) -> u64 {
    let mut counted = 0;
    let mut sum = 0_u64;
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        let start = (range.start / PAGE).max(counted);
        let end = range.end.div_ceil(PAGE).max(start);
        sum = sum.saturating_add(end - start);
        counted = end;
    }
    sum.saturating_mul(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_the_ranges_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        let file = RegularFile::open(&path, 100).unwrap();
        assert_eq!(file.len(), 100);
        assert_eq!(file.range(90..200).unwrap(), [7; 10]);
        assert!(file.range(200..300).unwrap().is_empty());
        let bytes = file.sparse(&[1..3, 98..100], None).unwrap();
        let expected: Vec<u8> = (0..100)
            .map(|at| if matches!(at, 1 | 2 | 98 | 99) { 7 } else { 0 })
            .collect();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn memory_counts_by_pages() {
        assert_eq!(touched(&[]), 0);
        assert_eq!(touched(&[0..1, 5..6, 4095..4097]), 8192);
        assert_eq!(touched(&[0..1, 8191..8193, 8200..8201]), 3 * 4096);
        assert_eq!(touched(&[10..10, 4096..8192]), 4096);
    }

    #[test]
    fn the_limit_of_memory_is_that_of_the_ranges() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let made = fs::File::create(&path).unwrap();
        made.set_len(1 << 30).unwrap();
        let file = RegularFile::open(&path, 1 << 30).unwrap();
        let ranges = [0..1, (1 << 30) - 1..1 << 30];
        assert_eq!(file.sparse(&ranges, Some(8192)).unwrap().len(), 1 << 30);
        let Err(InputError::TooLittleMemory {
            size, available, ..
        }) = file.sparse(&ranges, Some(8191))
        else {
            panic!("not refused")
        };
        assert_eq!((size, available), (Some(8192), 8191));
    }

    #[test]
    fn without_the_address_space_of_the_file_it_ends_with_the_last_range() {
        let mut content = vec![0; 1000];
        content[10..20].fill(7);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, &content).unwrap();
        let mut file = RegularFile::open(&path, 1000).unwrap();
        file.allocate = |len| (len <= 100).then(|| zeros(len)).flatten();
        assert_eq!(
            file.sparse(std::slice::from_ref(&(5..20)), None).unwrap(),
            content[..20]
        );
        let error = file.sparse(&[5..20, 50..101], None).unwrap_err();
        assert!(matches!(error, InputError::Memory { size: 101, .. }));
        file.allocate = zeros;
        assert_eq!(
            file.sparse(std::slice::from_ref(&(5..20)), None).unwrap(),
            content
        );
    }

    #[test]
    fn a_file_that_becomes_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        let file = RegularFile::open(&path, 100).unwrap();
        fs::write(&path, [7; 50]).unwrap();
        let Err(InputError::Shorter { name }) = file.range(0..100) else {
            panic!("read")
        };
        assert_eq!(name, path.display().to_string());
    }

    #[test]
    fn other_files_are_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        fs::write(&empty, b"").unwrap();
        let five = dir.path().join("five");
        fs::write(&five, b"12345").unwrap();
        let pipe = dir.path().join("pipe");
        crate::sys::testing::put_fifo(&pipe);
        let absent = dir.path().join("absent");
        let null = Path::new("/dev/null");
        let others = [&empty, dir.path(), &pipe, &absent, null, Path::new("-")];
        for path in others {
            assert!(RegularFile::open(path, 9).is_none(), "{}", path.display());
        }
        assert!(RegularFile::open(&five, 4).is_none());
        assert!(RegularFile::open(&five, 5).is_some());
    }
}
