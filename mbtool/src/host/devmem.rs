// UNSAFETY: /dev/mem has to be mapped: read(2) returns zeros for RAM below 1
// MiB under CONFIG_STRICT_DEVMEM.
#![expect(unsafe_code)]
//! Physical memory, through /dev/mem: the first MiB, or another range.

use super::low_memory::PhysicalMemory;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::ptr;

/// Size of the range of [`DevMem::open`] in bytes: the first MiB.
pub const LEN: usize = 1 << 20;

/// A range of physical memory, or a file that replaces it.
#[derive(Debug)]
pub struct DevMem {
    start: u64,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    /// /dev/mem, mapped.
    Mapped(Mapping),
    /// A recorded machine.
    Copy(Vec<u8>),
}

/// A read-only mapping.
#[derive(Debug)]
struct Mapping {
    base: *mut core::ffi::c_void,
    len: usize,
}

impl DevMem {
    /// Opens the first MiB of `path`, see [`Self::open_at`].
    ///
    /// # Errors
    ///
    /// As [`Self::open_at`]; `Unsupported` off x86, where there may be no
    /// memory below 1 MiB, and access may be fatal.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !cfg!(target_arch = "x86_64") && !path.is_file() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Self::open_at(path, 0, LEN)
    }

    /// Opens `len` bytes from `start`, a multiple of the page size. A regular
    /// file is read; it must have those bytes. Other files are mapped, which
    /// needs CAP_SYS_RAWIO, no lockdown and, above 1 MiB, memory that the
    /// kernel does not use as RAM.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    pub fn open_at(path: &Path, start: u64, len: usize) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_file() {
            let mut bytes = Vec::with_capacity(len);
            file.seek(io::SeekFrom::Start(start))?;
            file.take(len as u64).read_to_end(&mut bytes)?;
            if bytes.len() < len {
                let text = format!("has {} bytes, expected {len}", bytes.len());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            let backing = Backing::Copy(bytes);
            return Ok(Self { start, backing });
        }
        // SAFETY: a fresh mapping at an address that the kernel chooses; no
        // Rust object lives in it.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::SHARED,
                &file,
                start,
            )
        }?;
        let backing = Backing::Mapped(Mapping { base, len });
        Ok(Self { start, backing })
    }

    /// Reads the first `buf.len()` bytes.
    ///
    /// # Errors
    ///
    /// `buf` is larger than the range.
    pub fn read_all(&self, buf: &mut [u8]) -> io::Result<()> {
        self.read(self.start, buf)
    }
}

impl PhysicalMemory for DevMem {
    fn read(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        let len = match &self.backing {
            Backing::Mapped(mapping) => mapping.len,
            Backing::Copy(bytes) => bytes.len(),
        };
        let offset = addr.checked_sub(self.start);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let offset = offset.filter(|offset| *offset <= len);
        let Some(offset) = offset.filter(|offset| buf.len() <= len - offset) else {
            let text = match self.start {
                0 => format!("{} bytes at {addr:#x} are not below {len:#x}", buf.len()),
                start => format!(
                    "{} bytes at {addr:#x} are not in {len:#x} from {start:#x}",
                    buf.len()
                ),
            };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        match &self.backing {
            Backing::Copy(bytes) => buf.copy_from_slice(&bytes[offset..offset + buf.len()]),
            Backing::Mapped(mapping) => {
                for (at, byte) in buf.iter_mut().enumerate() {
                    // SAFETY: offset + at < len (checked above), inside a live
                    // readable mapping; volatile because other code writes
                    // there.
                    *byte = unsafe { mapping.base.cast::<u8>().add(offset + at).read_volatile() };
                }
            }
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are those of the mapping made in `open_at`, and
        // nothing keeps a pointer into it. An error would leave it mapped: harmless.
        let _ = unsafe { munmap(self.base, self.len) };
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
    fn other_than_regular_files_are_mapped() {
        // /dev/zero, the only device that can be mapped everywhere
        let mem = DevMem::open(Path::new("/dev/zero")).unwrap();
        assert!(matches!(mem.backing, Backing::Mapped(_)));
        let mut buf = [1; 16];
        mem.read(LEN as u64 - 16, &mut buf).unwrap();
        assert_eq!(buf, [0; 16]);
    }
}
