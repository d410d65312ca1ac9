//! Reading a large file by mapping parts of it: /proc/vmcore is several times faster to map than to read.

// UNSAFETY: maps a file and reads it as bytes.
#![expect(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::null_mut;
use std::slice;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A part of a file in memory.
pub struct FileMapping {
    at: *const u8,
    len: usize,
}

impl FileMapping {
    /// Maps `len` bytes of `file`, at least one, from `offset`, a multiple of the page size.
    pub fn open(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, where the kernel chooses; nothing that exists is touched.
        let at = unsafe {
            mmap(
                null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                offset,
            )?
        };
        Ok(Self {
            at: at.cast_const().cast(),
            len,
        })
    }

    /// Returns the bytes. They are those of a crashed machine, and do not
    /// change.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is readable, has this length, lives as long as `self`, and a dump does not change.
        unsafe { slice::from_raw_parts(self.at, self.len) }
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no borrow of it outlives `self`.
        let _ = unsafe { munmap(self.at.cast_mut().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_window_shows_its_part() {
        let mut file = tempfile::tempfile().unwrap();
        for byte in 0..4 {
            file.write_all(&[byte; 4096]).unwrap();
        }
        let mapping = FileMapping::open(&file, 4096, 8192).unwrap();
        assert_eq!(mapping.bytes().len(), 8192);
        assert_eq!((mapping.bytes()[0], mapping.bytes()[8191]), (1, 2));
        assert!(FileMapping::open(&file, 1, 4096).is_err());
    }
}
