// UNSAFETY: maps memory and makes slices of it.
#![expect(unsafe_code)]
//! Mapped memory: buffers that Xen reads and writes, and frames of the machine.

use super::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Size of a page, in bytes.
const PAGE: usize = 4096;

/// A mapping of whole pages of this process, never empty, its own alone.
#[derive(Debug)]
struct MappedPages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, as a heap allocation to a Box.
unsafe impl Send for MappedPages {}
// SAFETY: a shared reference gives out shared slices only.
unsafe impl Sync for MappedPages {}

impl MappedPages {
    /// `len` bytes, rounded up to pages, by `map`.
    fn new(
        len: usize,
        map: impl FnOnce(usize) -> rustix::io::Result<*mut core::ffi::c_void>,
    ) -> Result<Self, Errno> {
        let len = len
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or(Errno::ENOMEM)?;
        let start = NonNull::new(map(len)?.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { start, len })
    }
}

impl Drop for MappedPages {
    fn drop(&mut self) {
        // SAFETY: this value is the only one that knows the mapping, which `new`
        // made with this length, and it is going away.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Memory of this process that stays resident, so that Xen can read and write
/// it: page aligned, zeroed.
#[derive(Debug)]
pub struct Buffer {
    region: MappedPages,
    len: usize,
}

impl Buffer {
    /// `len` bytes of anonymous memory; locked, and touched by the lock.
    ///
    /// # Errors
    ///
    /// mmap(2)'s: ENOMEM, or EAGAIN and EPERM where the process may lock no more.
    pub fn anonymous(len: usize, locked: bool) -> Result<Self, Errno> {
        let flags = if locked {
            MapFlags::SHARED | MapFlags::LOCKED | MapFlags::POPULATE
        } else {
            MapFlags::PRIVATE
        };
        let region = MappedPages::new(len, |bytes| {
            // SAFETY: a new anonymous mapping, at an address of the kernel's
            // choice, touches no memory in use.
            unsafe {
                mmap_anonymous(
                    ptr::null_mut(),
                    bytes,
                    ProtFlags::READ | ProtFlags::WRITE,
                    flags,
                )
            }
        })?;
        Ok(Self { region, len })
    }

    /// `len` bytes of the device `file`, /dev/xen/hypercall, whose pages never
    /// fault and never move.
    ///
    /// # Errors
    ///
    /// mmap(2)'s: ENOMEM; ENOSPC at the limit of Linux before 4.20.
    pub(super) fn of_device(file: impl AsFd, len: usize) -> Result<Self, Errno> {
        let region = MappedPages::new(len, |bytes| {
            // SAFETY: a new mapping, at an address of the kernel's choice; the
            // device gives pages of its own to each (Linux,
            // drivers/xen/privcmd-buf.c), which nothing else writes.
            unsafe {
                mmap(
                    ptr::null_mut(),
                    bytes,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::SHARED,
                    file,
                    0,
                )
            }
        })?;
        Ok(Self { region, len })
    }

    /// The structure at the start of the buffer; zeroes where that is shorter.
    pub(super) fn get<T: FromBytes>(&self) -> T {
        T::read_from_prefix(self.bytes()).map_or_else(|_| T::new_zeroed(), |(value, _)| value)
    }

    /// Writes `value` at the start of the buffer, as far as that is long.
    pub(super) fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) {
        let bytes = value.as_bytes();
        let len = bytes.len().min(self.len);
        self.bytes_mut()[..len].copy_from_slice(&bytes[..len]);
    }

    /// The buffer's address, as Xen takes it: to read and write `len` bytes.
    #[must_use]
    pub fn addr(&self) -> u64 {
        self.region.start.as_ptr().expose_provenance() as u64
    }

    /// Length in bytes, as asked for.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True for a buffer of no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        // SAFETY: the region has at least `len` readable bytes for as long as
        // `self`; Xen writes only during a call, in which no slice is alive.
        unsafe { core::slice::from_raw_parts(self.region.start.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    #[must_use]
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.region.start.as_ptr(), self.len) }
    }
}

/// Frames of the machine, mapped one after the other, read-only. Their owner may
/// change them at any time.
#[derive(Debug)]
pub struct ForeignMapping {
    region: MappedPages,
    frames: usize,
}

impl ForeignMapping {
    /// A place for `frames` frames by the device `file`, privcmd; nothing is
    /// there before `addr` is filled by IOCTL_PRIVCMD_MMAPBATCH_V2.
    ///
    /// # Errors
    ///
    /// mmap(2)'s.
    pub(super) fn of_device(file: impl AsFd, frames: usize) -> Result<Self, Errno> {
        let len = frames.checked_mul(PAGE).ok_or(Errno::ENOMEM)?;
        let region = MappedPages::new(len, |bytes| {
            // SAFETY: a new mapping, at an address of the kernel's choice.
            unsafe {
                mmap(
                    ptr::null_mut(),
                    bytes,
                    ProtFlags::READ,
                    MapFlags::SHARED,
                    file,
                    0,
                )
            }
        })?;
        Ok(Self { region, frames })
    }

    /// A mapping that holds a copy of `content`, filled up to whole frames with
    /// zeros: for tests.
    ///
    /// # Errors
    ///
    /// mmap(2)'s.
    pub fn copy_of(content: &[u8]) -> Result<Self, Errno> {
        let mut buffer = Buffer::anonymous(content.len(), false)?;
        buffer.bytes_mut().copy_from_slice(content);
        Ok(Self {
            frames: content.len().div_ceil(PAGE),
            region: buffer.region,
        })
    }

    pub(super) fn addr(&self) -> u64 {
        self.region.start.as_ptr().expose_provenance() as u64
    }

    /// Number of frames.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Reads `out.len()` bytes, a multiple of 8, from byte `offset`, also one of
    /// 8, word by word; `false` where they are not all in the mapping.
    #[must_use]
    pub fn read_words(&self, offset: usize, out: &mut [u64]) -> bool {
        let words = self.frames * (PAGE / 8);
        let first = offset / 8;
        if !offset.is_multiple_of(8) || words < out.len() || first > words - out.len() {
            return false;
        }
        for (n, word) in out.iter_mut().enumerate() {
            // SAFETY: the word is one of the mapping's, by the check above, and
            // aligned; volatile, because Xen may change it meanwhile.
            *word = unsafe {
                ptr::read_volatile(self.region.start.as_ptr().cast::<u64>().add(first + n))
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_page_aligned_zeroed_and_of_its_length() {
        for len in [0, 1, 4096, 10_000] {
            let mut buffer = Buffer::anonymous(len, false).unwrap();
            assert!(buffer.addr().is_multiple_of(4096));
            assert_eq!((buffer.len(), buffer.is_empty()), (len, len == 0));
            assert!(buffer.bytes().iter().all(|byte| *byte == 0));
            buffer.bytes_mut().fill(7);
            assert!(buffer.bytes().iter().all(|byte| *byte == 7));
        }
        assert_eq!(
            Buffer::anonymous(usize::MAX, false).unwrap_err(),
            Errno::ENOMEM
        );
    }

    #[test]
    fn words_are_read_inside_the_mapping_only() {
        let content: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
        let mapping = ForeignMapping::copy_of(&content).unwrap();
        assert_eq!(mapping.frames(), 2);
        let mut words = [0; 2];
        assert!(mapping.read_words(8, &mut words));
        assert_eq!(words[0], 0x0f0e_0d0c_0b0a_0908);
        assert!(mapping.read_words(8192 - 16, &mut words));
        for bad in [8192 - 8, 4, usize::MAX & !7] {
            assert!(!mapping.read_words(bad, &mut words), "{bad:#x}");
        }
        assert!(!mapping.read_words(0, &mut [0; 1025]));
    }
}
