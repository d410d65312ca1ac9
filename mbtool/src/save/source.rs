//! Reads the dump: page by page around unreadable memory.

use rustix::io::Errno;
use serde::Serialize;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Page size in bytes, the unit of unreadable memory.
const PAGE: usize = 4096;
/// Maximum number of listed unreadable ranges.
const RANGES: usize = 1000;

/// Positioned reads.
pub trait ReadAt {
    /// Reads into `buffer` at offset `offset`; returns 0 at the end.
    ///
    /// # Errors
    ///
    /// The error of read(2).
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// A half-open range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Data that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Ranges in order, as offsets in the dump; the first [`RANGES`].
    pub ranges: Vec<Span>,
    /// Total size in bytes.
    pub bytes: u64,
}

impl Lost {
    fn add(&mut self, start: u64, end: u64) {
        self.bytes += end - start;
        let in_limit = self.ranges.len() < RANGES;
        match self.ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if in_limit => self.ranges.push(Span { start, end }),
            _ => {}
        }
    }
}

/// A dump, read once from start to end.
#[derive(Debug)]
pub struct DumpStream<'a, R: ?Sized> {
    from: &'a R,
    at: u64,
    /// Unreadable data so far.
    pub lost: Lost,
}

impl<'a, R: ReadAt + ?Sized> DumpStream<'a, R> {
    /// Starts at offset 0 of `from`.
    pub fn new(from: &'a R) -> Self {
        Self {
            from,
            at: 0,
            lost: Lost::default(),
        }
    }

    /// Fills `buffer`, a multiple of a page, up to the end of the dump; returns
    /// the number of bytes. Unreadable pages are zeros, and added to
    /// [`Self::lost`].
    ///
    /// # Errors
    ///
    /// Errors of the file, as opposed to those of a page (EFAULT, EIO and others).
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        // page by page after an error, until a page is readable
        let mut careful = false;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let to_page_end = PAGE - (self.at % PAGE as u64) as usize;
            let len = if careful {
                to_page_end.min(rest.len())
            } else {
                rest.len()
            };
            match self.from.read_at(&mut rest[..len], self.at) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    self.at += count as u64;
                    careful = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if !of_a_page(&error) => return Err(error),
                Err(_) if !careful => careful = true,
                Err(_) => {
                    rest[..len].fill(0);
                    self.lost.add(self.at, self.at + len as u64);
                    filled += len;
                    self.at += len as u64;
                }
            }
        }
        Ok(filled)
    }
}

/// True when the error is about memory, not about the file.
fn of_a_page(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::FAULT | Errno::IO | Errno::NOMEM | Errno::PERM | Errno::HWPOISON)
    )
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A dump with unreadable pages.
    pub struct Holes {
        pub data: Vec<u8>,
        /// Numbers of the unreadable pages.
        pub bad: Vec<u64>,
        pub errno: Errno,
    }

    impl ReadAt for Holes {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let start = usize::try_from(offset).unwrap().min(self.data.len());
            let end = self.data.len().min(start + buffer.len());
            let pages = offset / 4096..(end as u64).div_ceil(4096);
            // like Linux: a read fails as a whole, even if its first pages are
            // readable
            if start < end && self.bad.iter().any(|page| pages.contains(page)) {
                return Err(self.errno.into());
            }
            buffer[..end - start].copy_from_slice(&self.data[start..end]);
            Ok(end - start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Holes;
    use super::*;

    fn read(holes: &Holes) -> io::Result<(Vec<u8>, Lost)> {
        let mut source = DumpStream::new(holes);
        let mut all = Vec::new();
        let mut buffer = vec![0xee; 16 * PAGE];
        loop {
            let count = source.fill(&mut buffer)?;
            all.extend_from_slice(&buffer[..count]);
            if count < buffer.len() {
                return Ok((all, source.lost));
            }
        }
    }

    #[test]
    fn unreadable_pages_are_zeros_and_listed() {
        // with a partial page at the end
        let data: Vec<u8> = (0..40 * PAGE + 100).map(|n| (n % 251) as u8 + 1).collect();
        for errno in [Errno::FAULT, Errno::IO] {
            let bad = vec![0, 7, 8, 15, 16, 39, 40];
            let holes = Holes {
                data: data.clone(),
                bad: bad.clone(),
                errno,
            };
            let (all, lost) = read(&holes).unwrap();
            assert_eq!(lost.bytes, 7 * PAGE as u64);
            let pages: Vec<_> = lost
                .ranges
                .iter()
                .map(|span| (span.start / 4096, span.end / 4096))
                .collect();
            assert_eq!(pages, [(0, 1), (7, 9), (15, 17), (39, 41)]);
            for (page, chunk) in data.chunks(PAGE).enumerate() {
                let found = &all[page * PAGE..][..chunk.len()];
                if bad.contains(&(page as u64)) {
                    assert!(found.iter().all(|byte| *byte == 0), "{page}");
                } else {
                    assert_eq!(found, chunk, "{page}");
                }
            }
        }
    }

    #[test]
    fn an_error_of_the_file_is_returned() {
        let holes = Holes {
            data: vec![1; 4 * PAGE],
            bad: vec![2],
            errno: Errno::BADF,
        };
        assert!(read(&holes).is_err());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut lost = Lost::default();
        for n in 0..5000 {
            lost.add(n * 2, n * 2 + 1);
        }
        assert_eq!((lost.ranges.len(), lost.bytes), (RANGES, 5000));
    }
}
