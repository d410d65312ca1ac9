//! What is wrong with a Multiboot or PVH header.

/// Expected size of a Multiboot2 header tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagSizeRule {
    /// The end tag.
    #[error("0x8, as the end tag's always is")]
    End,
    /// A tag with a list of words.
    #[error("0x8 and a multiple of 4")]
    Words,
    /// A tag with fields.
    #[error("at least {0:#x}")]
    AtLeast(usize),
    /// Any tag.
    #[error("0x8 to {0:#x}, the rest of the header")]
    UpTo(usize),
}

/// A Multiboot2 header that no loader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrayHeaderError {
    /// Too far into the file.
    #[error("is past the first 32768 bytes")]
    TooFar,
    /// At an odd address.
    #[error("is not at a multiple of 8")]
    Unaligned,
    /// Not a header by its sum.
    #[error("has checksum {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// Field `checksum`.
        found: u32,
        /// The value that makes the sum 0.
        expected: u32,
    },
}

impl StrayHeaderError {
    /// What to do.
    pub(in crate::image) const fn advice(self) -> &'static str {
        match self {
            Self::TooFar => "the linker script must put the header's section first",
            Self::Unaligned => "align the header's section to 8 bytes",
            Self::Checksum { .. } => {
                "correct the checksum, or give another file if this is not a header at all"
            }
        }
    }
}

/// A relocatable tag (10) with inconsistent fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelocatableTagError {
    /// The lowest address is above the highest one.
    #[error("min_addr {min:#x} is above max_addr {max:#x}")]
    Order {
        /// Field `min_addr`.
        min: u32,
        /// Field `max_addr`.
        max: u32,
    },
    /// An alignment that is not a power of two.
    #[error("alignment {0:#x} is not a power of two")]
    Alignment(u32),
    /// An unknown preference.
    #[error("preference {0} is not 0 (none), 1 (lowest) or 2 (highest)")]
    Preference(u32),
}

/// Address fields that do not match the file or each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFieldsError {
    /// With `load_addr` -1, the whole file is loaded.
    #[error(
        "the header is {header_offset:#x} bytes into the file, so with header_addr \
         {header_addr:#x} the file would start below address 0"
    )]
    BelowZero {
        /// Offset of the header in the file.
        header_offset: u64,
        /// Field `header_addr`.
        header_addr: u64,
    },
    /// The header would not be loaded.
    #[error("load_addr {load_addr:#x} is above header_addr {header_addr:#x}")]
    LoadAboveHeader {
        /// Field `load_addr`.
        load_addr: u64,
        /// Field `header_addr`.
        header_addr: u64,
    },
    /// The loaded bytes would start before the file.
    #[error(
        "loading starts {ahead:#x} bytes before the header, but the header is only \
         {header_offset:#x} bytes into the file"
    )]
    BeforeFile {
        /// Loaded bytes before the header.
        ahead: u64,
        /// Offset of the header in the file.
        header_offset: u64,
    },
    /// Nothing would be loaded.
    #[error("load_end_addr {load_end:#x} is not above load_addr {load_addr:#x}")]
    Empty {
        /// Field `load_end_addr`.
        load_end: u64,
        /// Field `load_addr`.
        load_addr: u64,
    },
    /// The loaded bytes would end after the file.
    #[error(
        "{size:#x} bytes from file offset {offset:#x} are wanted, but the file has {len:#x}: it \
         is cut short or load_end_addr {load_end:#x} is wrong"
    )]
    PastFile {
        /// Number of bytes to load.
        size: u64,
        /// Offset of the first.
        offset: u64,
        /// Length of the file, in bytes.
        len: usize,
        /// Field `load_end_addr`.
        load_end: u64,
    },
    /// The bss would end within the loaded bytes.
    #[error("bss_end_addr {bss_end:#x} is below the end of the loaded bytes, {end:#x}")]
    Bss {
        /// Field `bss_end_addr`.
        bss_end: u64,
        /// End of the loaded bytes.
        end: u64,
    },
}

/// A Multiboot (1) header that cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mb1HeaderError {
    /// Unknown required flags.
    #[error(
        "its flags {flags:#x} require what no specification knows (bits {unknown}): the image \
         needs a loader that does"
    )]
    Flags {
        /// The flags.
        flags: u32,
        /// List of the unknown bits.
        unknown: String,
    },
    /// The address fields are not in the searched part of the file.
    #[error(
        "with flag 16 (address fields) it has 32 bytes, but only {left} are left of the file's \
         first {limit}: the file is cut short, or the header is too far in"
    )]
    Short {
        /// Bytes from the header to the limit.
        left: usize,
        /// Length of the part of the file that may have the header.
        limit: usize,
    },
    /// Invalid address fields.
    #[error(transparent)]
    Address(#[from] AddressFieldsError),
    /// Neither address fields nor ELF.
    #[error(
        "the file is not ELF and flag 16 (address fields) is not set, so its load address is \
         unknown"
    )]
    NoAddresses,
}

/// PVH notes that cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PvhNoteError {
    /// Type 18.
    #[error(
        "the entry point is the {} bytes {bytes:02x?}, not an address below 4 GiB in 4 or 8",
        bytes.len()
    )]
    Entry {
        /// Contents of the note.
        bytes: Vec<u8>,
    },
    /// Type 19.
    #[error(
        "type 19 has {len} bytes: alignment {align:#x}, lowest address {min:#x}, highest {max:#x}; \
         it needs 0 to 3 words, a power of two, and the lowest first"
    )]
    Relocatable {
        /// Length of the note, in bytes.
        len: usize,
        /// Alignment.
        align: u64,
        /// Lowest address.
        min: u64,
        /// Highest address.
        max: u64,
    },
}
