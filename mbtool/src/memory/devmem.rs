// UNSAFETY: /dev/mem has to be mapped: read(2) gives zeroes for RAM below 1 MiB
// under CONFIG_STRICT_DEVMEM.
#![expect(unsafe_code)]
//! The machine's first MiB, through /dev/mem.

use super::low::Source;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::ptr;

/// Bytes that can be read: the first MiB.
pub const LEN: usize = 1 << 20;

/// The first MiB of physical memory, or of a file that stands for it.
#[derive(Debug)]
pub enum DevMem {
    /// /dev/mem, mapped.
    Mapped(Mapping),
    /// A recorded MiB.
    Copy(Vec<u8>),
}

/// A read-only mapping of [`LEN`] bytes.
#[derive(Debug)]
pub struct Mapping {
    base: *mut core::ffi::c_void,
}

impl DevMem {
    /// Opens `path`. A regular file is read; it must have 1 MiB. Anything else
    /// is mapped, which takes CAP_SYS_RAWIO and no lockdown.
    ///
    /// # Errors
    ///
    /// What the system calls say; `Unsupported` off x86, where nothing lies
    /// below 1 MiB and touching it may be fatal.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_file() {
            let mut bytes = Vec::with_capacity(LEN);
            file.take(LEN as u64).read_to_end(&mut bytes)?;
            if bytes.len() < LEN {
                let text = format!("has {} bytes, expected {LEN}", bytes.len());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            return Ok(Self::Copy(bytes));
        }
        if !cfg!(target_arch = "x86_64") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: a fresh mapping at an address that the kernel chooses; no
        // Rust object lives in it.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                LEN,
                ProtFlags::READ,
                MapFlags::SHARED,
                &file,
                0,
            )
        }?;
        Ok(Self::Mapped(Mapping { base }))
    }
}

impl Source for DevMem {
    fn read(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(addr).ok().filter(|start| *start <= LEN);
        let Some(start) = start.filter(|start| buf.len() <= LEN - start) else {
            let text = format!("{} bytes at {addr:#x} are not below 1 MiB", buf.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        match self {
            Self::Copy(bytes) => buf.copy_from_slice(&bytes[start..start + buf.len()]),
            Self::Mapped(mapping) => {
                for (at, byte) in buf.iter_mut().enumerate() {
                    // SAFETY: start + at < LEN (checked above), inside a live
                    // readable mapping; volatile because others write there.
                    *byte = unsafe { mapping.base.cast::<u8>().add(start + at).read_volatile() };
                }
            }
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and LEN are those of the mapping made in `open`, and
        // nothing keeps a pointer into it. An error would leave it mapped: harmless.
        let _ = unsafe { munmap(self.base, LEN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_mib_is_read_within_its_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mem");
        let mut bytes = vec![0_u8; LEN + 5];
        bytes[LEN - 1] = 7;
        std::fs::write(&path, &bytes).unwrap();
        let mem = DevMem::open(&path).unwrap();
        let mut buf = [0; 2];
        mem.read(LEN as u64 - 2, &mut buf).unwrap();
        assert_eq!(buf, [0, 7]);
        for addr in [LEN as u64 - 1, LEN as u64, u64::MAX] {
            assert_eq!(
                mem.read(addr, &mut buf).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
        std::fs::write(&path, &bytes[..LEN - 1]).unwrap();
        let err = DevMem::open(&path).unwrap_err();
        assert_eq!(err.to_string(), "has 1048575 bytes, expected 1048576");
    }

    #[test]
    fn what_is_no_regular_file_is_mapped() {
        // zero pages, the one device that may be mapped everywhere
        let mem = DevMem::open(Path::new("/dev/zero")).unwrap();
        assert!(matches!(mem, DevMem::Mapped(_)));
        let mut buf = [1; 16];
        mem.read(LEN as u64 - 16, &mut buf).unwrap();
        assert_eq!(buf, [0; 16]);
    }
}
