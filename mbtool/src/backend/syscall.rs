// UNSAFETY: kexec_load(2) takes raw pointers, and no crate wraps it.
#![expect(unsafe_code)]
//! The system call kexec_load(2).

use crate::arch::Architecture;
use crate::plan::KernelSegment;
use core::ffi::c_void;
use core::ptr;

bitflags::bitflags! {
    /// Flags of kexec_load(2) (linux/kexec.h).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KexecFlags: u64 {
        /// Load for a crash.
        const ON_CRASH = 1 << 0;
        /// The image may return.
        const PRESERVE_CONTEXT = 1 << 1;
        /// The architecture's `EM_` number, which the kernel checks.
        const ARCH = 0xffff << 16;
    }
}

impl KexecFlags {
    /// The number of an architecture.
    #[must_use]
    pub const fn of(arch: Architecture) -> Self {
        Self::from_bits_retain((arch.elf_machine() as u64) << 16)
    }
}

/// One element of the system call's list (linux/kexec.h, struct kexec_segment).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct RawSegment {
    /// Pointer to the data.
    buf: *const c_void,
    /// Length of the data in bytes.
    bufsz: usize,
    /// Physical destination.
    mem: *const c_void,
    /// Size of the destination in bytes.
    memsz: usize,
}

/// The system call, replaced by a fake in tests.
pub trait LoadCall {
    /// Loads `segments` with `entry`; unloads when the list is empty.
    ///
    /// # Errors
    ///
    /// The errno.
    fn kexec_load(
        &self,
        entry: u64,
        segments: &[KernelSegment],
        flags: KexecFlags,
    ) -> Result<(), i32>;
}

/// Calls of the running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct KexecSyscalls;

impl LoadCall for KexecSyscalls {
    fn kexec_load(
        &self,
        entry: u64,
        segments: &[KernelSegment],
        flags: KexecFlags,
    ) -> Result<(), i32> {
        let list = segments
            .iter()
            .map(raw)
            .collect::<Option<Vec<_>>>()
            .ok_or(libc::EOVERFLOW)?;
        let word = |value: u64| usize::try_from(value).map_err(|_| libc::EOVERFLOW);
        let (entry, flags) = (word(entry)?, word(flags.bits())?);
        // SAFETY: the list has `list.len()` elements of the layout that the
        // kernel reads, each `buf` points to `bufsz` bytes of `segments`, which
        // outlives the call, and the kernel only reads. The image does not
        // affect this process until it is executed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_kexec_load,
                entry,
                list.len(),
                list.as_ptr(),
                flags,
            )
        };
        if result == 0 {
            return Ok(());
        }
        Err(std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO))
    }
}

/// Returns `None` when an address does not fit in a pointer.
fn raw(segment: &KernelSegment) -> Option<RawSegment> {
    let data = &segment.data;
    Some(RawSegment {
        buf: if data.is_empty() {
            ptr::null()
        } else {
            data.as_ptr().cast()
        },
        bufsz: data.len(),
        mem: ptr::without_provenance(usize::try_from(segment.dest.start).ok()?),
        memsz: usize::try_from(segment.dest.len()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff::addr::PhysRange;

    #[test]
    fn a_segment_points_to_its_data_and_destination() {
        let dest = PhysRange {
            start: 0x10_0000,
            end: 0x10_2000,
        };
        let mut segment = KernelSegment {
            dest,
            data: vec![1, 2, 3].into(),
            names: vec![],
        };
        let list = raw(&segment).unwrap();
        assert_eq!(list.buf, segment.data.as_ptr().cast());
        assert_eq!((list.bufsz, list.memsz), (3, 0x2000));
        assert_eq!(list.mem.addr(), 0x10_0000);
        segment.data = vec![].into();
        assert!(raw(&segment).unwrap().buf.is_null());
        assert_eq!(size_of::<RawSegment>(), 4 * size_of::<usize>());
    }
}
