// UNSAFETY: ioctl(2) takes raw pointers.
#![expect(unsafe_code)]
//! Linux's privcmd driver: hypercalls and foreign frames for user space.
//!
//! Source: Linux, include/uapi/xen/privcmd.h, drivers/xen/privcmd.c and
//! privcmd-buf.c.

use super::{Buffer, Errno, ForeignMapping, HypercallError, Transport};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use std::ffi::c_void;
use std::fs::File;
use std::io;

/// Paths of the device, the second for kernels before 3.3.
const DEVICES: [&str; 2] = ["/dev/xen/privcmd", "/proc/xen/privcmd"];
/// Device for hypercall buffers, since Linux 4.18.
const MEMORY: &str = "/dev/xen/hypercall";
/// Maximum number of frames per ioctl.
const BATCH: usize = 512;

/// Argument of IOCTL_PRIVCMD_HYPERCALL.
#[repr(C)]
struct RawCall {
    op: u64,
    arg: [u64; 5],
}

/// Argument of IOCTL_PRIVCMD_MMAPBATCH_V2.
#[repr(C)]
struct RawBatch {
    num: u32,
    dom: u16,
    addr: u64,
    mfns: *const u64,
    errors: *mut i32,
}

/// _IOC(_IOC_NONE, 'P', number, size of `T`).
const fn opcode<T>(number: Opcode) -> Opcode {
    ((size_of::<T>() as Opcode) << 16) | ((b'P' as Opcode) << 8) | number
}

const HYPERCALL: Opcode = opcode::<RawCall>(0);
const MMAPBATCH_V2: Opcode = opcode::<RawBatch>(4);

/// An ioctl that returns the result of the hypercall.
struct ResultIoctl<'a, T> {
    opcode: Opcode,
    argument: &'a mut T,
}

// SAFETY: the opcode is the number that privcmd.h gives for a pointer to `T`,
// and the pointer leads to a `T` that this value borrows.
unsafe impl<T> Ioctl for ResultIoctl<'_, T> {
    type Output = i64;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.argument).cast()
    }

    unsafe fn output_from_ptr(
        output: IoctlOutput,
        _: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        Ok(i64::from(output))
    }
}

/// The running Xen.
#[derive(Debug)]
pub struct Privcmd {
    device: File,
    /// [`MEMORY`], if it exists.
    memory: Option<File>,
}

impl Privcmd {
    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`HypercallError::NoDevice`] where the kernel module is missing (or there
    /// is no Xen), [`HypercallError::Open`].
    pub fn open() -> Result<Self, HypercallError> {
        let open = |path| File::options().read(true).write(true).open(path);
        for path in DEVICES {
            match open(path) {
                Ok(device) => {
                    return Ok(Self {
                        device,
                        memory: open(MEMORY).ok(),
                    });
                }
                // ENODEV and ENXIO: a node without its driver
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        || matches!(Errno::from(&error), Errno::ENODEV | Errno::ENXIO) => {}
                Err(error) => {
                    return Err(HypercallError::Open {
                        path,
                        errno: Errno::from(&error),
                    });
                }
            }
        }
        Err(HypercallError::NoDevice)
    }

    /// Makes buffers as on kernels without [`MEMORY`], for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn without_memory_device(mut self) -> Self {
        self.memory = None;
        self
    }
}

impl Transport for Privcmd {
    unsafe fn hypercall(&self, op: u64, args: [u64; 5]) -> Result<i64, Errno> {
        let mut argument = RawCall { op, arg: args };
        let call = ResultIoctl {
            opcode: HYPERCALL,
            argument: &mut argument,
        };
        // SAFETY: the driver reads a RawCall and passes its numbers on; what
        // they lead to is the caller's promise.
        Ok(unsafe { ioctl(&self.device, call) }?)
    }

    fn buffer(&self, len: usize) -> Result<Buffer, HypercallError> {
        if let Some(memory) = &self.memory
            && let Ok(buffer) = Buffer::of_device(memory, len)
        {
            return Ok(buffer);
        }
        Buffer::anonymous(len, true).map_err(|errno| HypercallError::Memory { len, errno })
    }

    fn map_foreign(&self, domain: u16, mfns: &[u64]) -> Result<ForeignMapping, HypercallError> {
        let failed = |mfn: Option<&u64>, errno| HypercallError::Map {
            domain,
            mfn: mfn.copied().unwrap_or_default(),
            errno,
        };
        let mapping = ForeignMapping::of_device(&self.device, mfns.len())
            .map_err(|errno| failed(mfns.first(), errno))?;
        for (n, part) in mfns.chunks(BATCH).enumerate() {
            let mut errors = [0i32; BATCH];
            let mut argument = RawBatch {
                num: part.len() as u32,
                dom: domain,
                addr: mapping.addr() + (n * BATCH * 4096) as u64,
                mfns: part.as_ptr(),
                errors: errors.as_mut_ptr(),
            };
            let call = ResultIoctl {
                opcode: MMAPBATCH_V2,
                argument: &mut argument,
            };
            // SAFETY: the driver reads `num` frame numbers, writes as many
            // errors, and fills `num` pages of the mapping that `of_device` made
            // for `mfns.len()` frames.
            unsafe { ioctl(&self.device, call) }
                .map_err(|errno| failed(part.first(), errno.into()))?;
            if let Some((mfn, error)) = part.iter().zip(errors).find(|(_, error)| *error != 0) {
                return Err(failed(Some(mfn), Errno(error.wrapping_neg())));
            }
        }
        Ok(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_the_header() {
        assert_eq!(HYPERCALL, 0x30_5000);
        assert_eq!(MMAPBATCH_V2, 0x20_5004);
    }
}
