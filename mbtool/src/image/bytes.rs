//! Reads inside of a file, with bounds.

use zerocopy::FromBytes;

/// Reads a structure or number of a fixed layout at offset `at`; `None` when it
/// is not all inside `bytes`.
pub(super) fn read_at<T: FromBytes>(bytes: &[u8], at: usize) -> Option<T> {
    Some(T::read_from_prefix(bytes.get(at..)?).ok()?.0)
}

/// Returns `len` bytes at file offset `at`; `None` when the range is not all
/// inside `bytes`.
pub(super) fn slice(bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(at).ok()?;
    let end = usize::try_from(at.checked_add(len)?).ok()?;
    bytes.get(start..end)
}

pub(super) fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
