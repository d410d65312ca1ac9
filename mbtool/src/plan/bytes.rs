//! Segment contents, shared by several owners without copying.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A range of a shared buffer.
///
/// A module may have hundreds of megabytes, and is part of a separate segment
/// and of a kernel segment: both refer to the same memory.
#[derive(Clone, Default)]
pub struct Bytes {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bytes {
    /// Returns the bytes in `range`, sharing the buffer.
    ///
    /// # Panics
    ///
    /// When `range` is not inside `self`.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        let start = self.range.start;
        Self {
            buffer: Arc::clone(&self.buffer),
            range: start + range.start..start + range.end,
        }
    }
}

impl Bytes {
    /// Returns the bytes; copies them only if the buffer has another owner, or is larger.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        let whole = self.range == (0..self.buffer.len());
        match whole {
            true => Arc::try_unwrap(self.buffer).unwrap_or_else(|buffer| buffer.to_vec()),
            false => self.to_vec(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            buffer: Arc::new(bytes),
            range,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_and_nest() {
        let all = Bytes::from(vec![0, 1, 2, 3, 4, 5]);
        let part = all.slice(1..5);
        assert_eq!(&*part, [1, 2, 3, 4]);
        assert_eq!(&*part.slice(2..3), [3]);
        assert!(Arc::ptr_eq(&all.buffer, &part.buffer));
        assert!(Bytes::default().is_empty());
        assert_eq!(part.into_vec(), [1, 2, 3, 4]);
        let address = all.as_ptr();
        let copied = all.clone().into_vec();
        assert_ne!(copied.as_ptr(), address);
        let moved = all.into_vec();
        assert_eq!(moved.as_ptr(), address);
    }
}
