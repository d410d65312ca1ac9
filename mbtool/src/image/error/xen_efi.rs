//! Why xen.efi cannot be entered by Multiboot2.

use handoff::addr::PhysRange;

/// A xen.efi that is damaged, or not laid out as known ones are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XenEfiError {
    /// Its PE headers are damaged.
    #[error("its PE headers are damaged, or name addresses above 4 GiB")]
    Headers,
    /// A section is not in the file.
    #[error("a section ends after the file: it is cut short")]
    CutShort,
    /// Two sections at one address.
    #[error("its sections at {first} and {second} overlap")]
    Overlap {
        /// Memory of the first.
        first: PhysRange,
        /// Memory of the second.
        second: PhysRange,
    },
    /// Sections far from each other.
    #[error("its sections take {bytes:#x} bytes of memory, more than {max:#x}")]
    TooLarge {
        /// From the first to the last.
        bytes: u64,
        /// Maximum.
        max: u64,
    },
    /// There is no jump in front of the Multiboot2 header.
    #[error(
        "its entry point is unknown: no jump to its code stands in front of its Multiboot2 header"
    )]
    NoEntry,
    /// The header has other addresses than the sections.
    #[error(
        "the EFI entry point in its Multiboot2 header (tag 9) is {}, not in its sections",
        efi.map_or("missing".to_owned(), |efi| format!("{efi:#x}"))
    )]
    Addresses {
        /// Tag 9.
        efi: Option<u64>,
    },
}
