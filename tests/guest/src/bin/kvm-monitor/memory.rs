//! The guest's memory.

// UNSAFETY: maps memory that a virtual machine uses.
#![expect(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::ptr::null_mut;
use std::slice;

use anyhow::{Context, Result, ensure};
use guest_programs::kvm::RAM;
use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Memory from [`RAM`] on.
pub struct GuestMemory {
    at: *mut u8,
    len: usize,
}

impl GuestMemory {
    /// Zeros.
    pub fn new(len: usize) -> Result<Self> {
        // SAFETY: a new mapping, where the kernel chooses; nothing that exists is touched.
        let at = unsafe {
            mmap_anonymous(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        let at = at.context("no memory for the guest")?.cast();
        Ok(Self { at, len })
    }

    /// Reads a file to a guest-physical address; the guest must not run yet.
    pub fn load(&mut self, path: &Path, address: u64) -> Result<()> {
        let shown = || path.display().to_string();
        let mut file = File::open(path).with_context(shown)?;
        let len = usize::try_from(file.metadata().with_context(shown)?.len())?;
        let start = usize::try_from(address - RAM)?;
        // SAFETY: the mapping has this length and is ours; no VCPU exists that uses it.
        let memory = unsafe { slice::from_raw_parts_mut(self.at, self.len) };
        let range = start..start + len;
        ensure!(
            range.end <= memory.len(),
            "{}: {len} bytes at {address:#x} are not in the guest's memory",
            path.display()
        );
        file.read_exact(&mut memory[range]).with_context(shown)
    }

    /// Gives the memory to a virtual machine, which must not outlive `self`.
    pub fn give(&mut self, vm: &VmFd) -> Result<()> {
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: RAM,
            memory_size: self.len as u64,
            userspace_addr: self.at as u64,
        };
        // SAFETY: the range is a mapping of ours, and Rust has no references to it from here on.
        unsafe { vm.set_user_memory_region(region) }.context("cannot give memory to the guest")
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing in it is borrowed.
        let _ = unsafe { munmap(self.at.cast(), self.len) };
    }
}
