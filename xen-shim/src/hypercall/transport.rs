// UNSAFETY: a hypercall takes addresses as numbers.
#![expect(unsafe_code)]
//! Transport of hypercalls to Xen, or to a fake.

use super::wire::op;
use super::{Buffer, Errno, ForeignMapping, HypercallError};
use std::fmt::Debug;
use zerocopy::{Immutable, IntoBytes};

/// The calling domain itself (public/xen.h).
pub const DOMID_SELF: u16 = 0x7ff0;
/// Owner of I/O memory and firmware memory, and of RAM below 1 MiB.
pub const DOMID_IO: u16 = 0x7ff1;
/// Owner of Xen's tables that others may see.
pub const DOMID_XEN: u16 = 0x7ff2;

/// An interface for hypercalls.
pub trait Transport: Debug {
    /// Makes the hypercall `op`; returns Xen's result, which is not negative.
    ///
    /// # Errors
    ///
    /// The negative result of Xen, or of the transport, as errno.
    ///
    /// # Safety
    ///
    /// Each of `args` that `op` takes as an address leads to a structure as `op`
    /// expects it; it, and all that it leads to, is inside [`Buffer`]s of this
    /// transport that are alive during the call and of which nothing is borrowed.
    unsafe fn hypercall(&self, op: u64, args: [u64; 5]) -> Result<i64, Errno>;

    /// `len` bytes of memory that Xen may read and write.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Memory`].
    fn buffer(&self, len: usize) -> Result<Buffer, HypercallError>;

    /// Maps the frames `mfns` of `domain`, contiguously, read-only.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Map`], with the first frame that Xen refuses.
    fn map_foreign(&self, domain: u16, mfns: &[u64]) -> Result<ForeignMapping, HypercallError>;
}

/// A buffer of `transport` that holds `value`.
///
/// # Errors
///
/// [`HypercallError::Memory`].
pub(super) fn request<T: IntoBytes + Immutable + ?Sized>(
    transport: &(impl Transport + ?Sized),
    value: &T,
) -> Result<Buffer, HypercallError> {
    let mut buffer = transport.buffer(size_of_val(value))?;
    buffer.put(value);
    Ok(buffer)
}

/// Makes a call of memory_op with the structure in `argument`.
///
/// # Safety
///
/// `argument` holds the structure that `command` expects; addresses in it lead to other
/// buffers of the same transport.
pub(super) unsafe fn memory_op(
    transport: &dyn Transport,
    command: u64,
    argument: Option<&Buffer>,
) -> Result<i64, Errno> {
    let argument = argument.map_or(0, Buffer::addr);
    // SAFETY: the caller's promise.
    unsafe { transport.hypercall(op::MEMORY, [command, argument, 0, 0, 0]) }
}
