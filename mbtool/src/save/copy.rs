//! Copies the dump unchanged, and computes its digest.

use super::context::SaveContext;
use super::progress::Progress;
use super::source::{DumpStream, Lost, ReadAt};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Copy size in bytes.
const CHUNK: usize = 1 << 20;
/// Granularity of holes for zeros, in bytes.
const BLOCK: usize = 4096;

/// Destination of a copy.
pub trait Sink {
    /// Writes `data`; returns false when there is no space left (and no more data
    /// is accepted).
    ///
    /// # Errors
    ///
    /// The reason of the failure.
    fn take(&mut self, data: &[u8]) -> Result<bool>;
}

/// Result of a copy.
#[derive(Debug)]
pub struct CopyResult {
    /// Number of bytes copied.
    pub bytes: u64,
    /// SHA-256 of all of them.
    pub sha256: [u8; 32],
    /// Ranges that could not be read, and are zeros in the copy.
    pub lost: Lost,
    /// True when the copy was truncated for lack of space.
    pub full: bool,
    /// Time in seconds.
    pub seconds: f64,
}

/// Copies `from` to its end. `size` is the expected size in bytes, 0 if unknown.
///
/// # Errors
///
/// When the file cannot be read, or `to` fails.
pub fn copy(
    run: &SaveContext,
    what: &'static str,
    from: &(impl ReadAt + ?Sized),
    size: u64,
    to: &mut dyn Sink,
) -> Result<CopyResult> {
    let mut source = DumpStream::new(from);
    let mut hash = Sha256::new();
    let mut progress = Progress::new(run, what, size);
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    let mut full = false;
    loop {
        let count = source.fill(&mut buffer).context("cannot read the dump")?;
        let data = &buffer[..count];
        if !to.take(data)? {
            full = true;
            break;
        }
        hash.update(data);
        bytes += count as u64;
        progress.add(count as u64);
        if count < buffer.len() {
            break;
        }
    }
    Ok(CopyResult {
        bytes,
        sha256: hash.finalize().into(),
        lost: source.lost,
        full,
        seconds: progress.end(),
    })
}

/// A sparse file: zeros in the copy become holes.
#[derive(Debug)]
pub struct Sparse<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> Sparse<'a> {
    /// Starts with an empty file.
    pub fn new(file: &'a File) -> Self {
        Self { file, at: 0 }
    }

    /// Writes the blocks of `data` that are not zero, at offset `at`.
    fn write(&self, data: &[u8]) -> io::Result<()> {
        let mut blocks = data.chunks(BLOCK).enumerate().peekable();
        while let Some((index, block)) = blocks.next() {
            if is_zero(block) {
                continue;
            }
            let start = index * BLOCK;
            let mut end = start + block.len();
            while let Some((_, block)) = blocks.next_if(|(_, block)| !is_zero(block)) {
                end += block.len();
            }
            self.file
                .write_all_at(&data[start..end], self.at + start as u64)?;
        }
        // the file may end with a hole
        self.file.set_len(self.at + data.len() as u64)
    }
}

impl Sink for Sparse<'_> {
    fn take(&mut self, data: &[u8]) -> Result<bool> {
        match self.write(data) {
            Ok(()) => {
                self.at += data.len() as u64;
                Ok(true)
            }
            Err(error) if is_full(&error) => {
                // part of the data may have been written
                self.file.set_len(self.at)?;
                Ok(false)
            }
            Err(error) => Err(error).context("cannot write the dump"),
        }
    }
}

/// True for an error about missing space or quota.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn is_zero(block: &[u8]) -> bool {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    *block == ZEROS[..block.len()]
}

#[cfg(test)]
mod tests {
    use super::super::source::testing::Holes;
    use super::*;
    use crate::save::context::testing;
    use rustix::io::Errno;
    use std::os::unix::fs::MetadataExt;

    /// More than 5 MiB, of which 3 MiB are zeros; one page cannot be read.
    fn dump() -> Holes {
        let mut data = vec![0; (5 << 20) + 777];
        for (n, byte) in data.iter_mut().enumerate() {
            if !(1 << 20..4 << 20).contains(&n) {
                *byte = (n % 253) as u8 + 1;
            }
        }
        Holes {
            data,
            bad: vec![1100],
            errno: Errno::FAULT,
        }
    }

    #[test]
    fn a_copy_is_equal_except_for_unreadable_pages() {
        let (run, heard) = testing::run();
        let dump = dump();
        let mut expected = dump.data.clone();
        expected[1100 * 4096..1101 * 4096].fill(0);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmcore");
        let file = File::create(&path).unwrap();
        let size = expected.len() as u64;
        let copied = copy(&run, "copying", &dump, size, &mut Sparse::new(&file)).unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
        assert_eq!(copied.bytes, size);
        assert_eq!(copied.sha256, <[u8; 32]>::from(Sha256::digest(&expected)));
        assert_eq!(copied.lost.bytes, 4096);
        assert!(!copied.full);
        // 3 MiB and a page are holes
        let kept = file.metadata().unwrap().blocks() * 512;
        assert!(kept <= size - (3 << 20), "{kept}");
        assert!(heard.text().contains("100 %"));
    }

    #[test]
    fn trailing_zeros_are_part_of_the_copy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmcore");
        let file = File::create(&path).unwrap();
        let (run, _) = testing::run();
        let holes = Holes {
            data: vec![0; 10000],
            bad: vec![],
            errno: Errno::IO,
        };
        let copied = copy(&run, "copying", &holes, 0, &mut Sparse::new(&file)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0; 10000]);
        assert_eq!(copied.bytes, 10000);
    }

    #[test]
    fn lack_of_space_is_reported() {
        struct Small(usize);
        impl Sink for Small {
            fn take(&mut self, data: &[u8]) -> Result<bool> {
                self.0 = self.0.saturating_sub(data.len());
                Ok(self.0 > 0)
            }
        }
        let (run, _) = testing::run();
        let copied = copy(&run, "copying", &dump(), 0, &mut Small(3 << 20)).unwrap();
        assert!(copied.full);
        assert_eq!(copied.bytes, 2 << 20);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = full.write_at(b"x", 0).unwrap_err();
        assert!(is_full(&error));
    }
}
