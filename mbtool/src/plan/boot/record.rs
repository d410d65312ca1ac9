//! Writer and reader for structures, tables and strings linked by physical
//! addresses.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A structure under construction, for a given physical address.
pub(super) struct Writer {
    base: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts with `fixed` zero bytes at physical address `base`.
    pub(super) fn new(base: u64, fixed: usize) -> Self {
        Self {
            base,
            bytes: vec![0; fixed],
        }
    }

    /// Stores a structure in the existing bytes.
    pub(super) fn put<T: IntoBytes + Immutable>(&mut self, at: usize, value: &T) {
        let bytes = value.as_bytes();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Appends `bytes` at a multiple of 8, and returns their offset.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let at = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(bytes);
        at
    }

    /// Appends a string with its NUL, and returns its address.
    pub(super) fn string(&mut self, text: &str) -> u64 {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.address(at)
    }

    /// Returns the physical address of an offset.
    pub(super) const fn address(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Returns the contents.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bounds-checked reads of such a structure.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    /// Physical address of the first byte.
    pub(super) base: u64,
    pub(super) bytes: &'a [u8],
}

impl Reader<'_> {
    /// The structure at offset `at`; zeros where it is not all there.
    pub(super) fn get<T: FromBytes>(&self, at: usize) -> T {
        let read = self
            .bytes
            .get(at..)
            .and_then(|rest| T::read_from_prefix(rest).ok());
        read.map_or_else(T::new_zeroed, |(value, _)| value)
    }

    /// Returns the offset of a physical address.
    pub(super) fn offset(&self, addr: u64) -> usize {
        addr.checked_sub(self.base)
            .and_then(|at| usize::try_from(at).ok())
            .unwrap_or(self.bytes.len())
    }

    /// Reads the string at a physical address, without its NUL.
    pub(super) fn string(&self, addr: u64) -> String {
        let rest = self.bytes.get(self.offset(addr)..).unwrap_or(&[]);
        let text = rest.split(|&byte| byte == 0).next().unwrap_or(&[]);
        String::from_utf8_lossy(text).into_owned()
    }
}
