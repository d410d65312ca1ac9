//! What is wrong with a table.

/// A table that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableDefect {
    /// Less than a header.
    #[error("has {len} bytes, a table has {min} at least")]
    Short {
        /// Length in bytes.
        len: usize,
        /// Length of a header, in bytes.
        min: usize,
    },
    /// The signature is not text.
    #[error("has no signature: it begins {0:02x?}")]
    Signature([u8; 4]),
    /// The length field does not match.
    #[error("has {len} bytes, its header says {header}")]
    Length {
        /// Length in bytes.
        len: usize,
        /// Length field.
        header: usize,
    },
    /// The end of the table is within the header of an entry.
    #[error("its entry at offset {at} is cut off")]
    EntryCutOff {
        /// Offset of the entry.
        at: usize,
    },
    /// The length field of an entry is less than its header, or passes the end of the table.
    #[error("its entry at offset {at} has a length of {length} bytes")]
    EntryLength {
        /// Offset of the entry.
        at: usize,
        /// Length field.
        length: u8,
    },
    /// An entry is too short for its type.
    #[error("its entry at offset {at} of type {kind} has {length} bytes only")]
    EntryShort {
        /// Offset of the entry.
        at: usize,
        /// Type of the entry.
        kind: u8,
        /// Length field.
        length: u8,
    },
}
