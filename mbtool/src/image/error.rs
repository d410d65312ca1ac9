//! Why a file is not an image that can be loaded.

/// A file's name and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct ImageError {
    /// The file, as the user named it.
    pub name: String,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong. Offsets are in bytes of the unpacked file, addresses are
/// physical unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No Multiboot2 header; says what the file looks like.
    #[error("not a Multiboot2 image: {found}; {advice}")]
    NotMultiboot2 {
        /// What it is instead.
        found: String,
        /// What to do.
        advice: String,
    },
    /// Not what `--type` says it is; says what the file looks like.
    #[error("not a {wanted} image: {found}; {advice}")]
    NotThis {
        /// What it was to be.
        wanted: &'static str,
        /// What it is instead.
        found: String,
        /// What to do.
        advice: String,
    },
    /// A Multiboot (1) header that cannot be honoured.
    #[error("its Multiboot (1) header at offset {offset:#x}: {detail}")]
    Multiboot1 {
        /// Of the header.
        offset: usize,
        /// Numbers found and expected.
        detail: String,
    },
    /// A PVH note that cannot be honoured.
    #[error("its PVH notes (owner Xen, types 18 and 19): {0}")]
    Pvh(String),
    /// A header for another machine.
    #[error(
        "its Multiboot2 header at offset {offset:#x} is for architecture {arch} ({name}), \
         not 0 (i386): use an x86 build"
    )]
    Architecture {
        /// Of the header.
        offset: usize,
        /// Architecture field.
        arch: u32,
        /// Its name, or "unknown".
        name: &'static str,
    },
    /// The header's own length makes no sense.
    #[error(
        "its Multiboot2 header at offset {offset:#x} has length {length:#x}, which is not between \
         0x18 and the {room:#x} bytes up to {limit}"
    )]
    HeaderLength {
        /// Of the header.
        offset: usize,
        /// Length field, in bytes.
        length: u32,
        /// What there is room for, in bytes.
        room: usize,
        /// What ends there: the file, or the first 32 KiB of it.
        limit: &'static str,
    },
    /// A tag whose size does not fit its type.
    #[error("header tag {kind} at offset {offset:#x} has size {found:#x}, it must be {expected}")]
    TagSize {
        /// Tag type.
        kind: u16,
        /// Of the tag.
        offset: usize,
        /// Size field, in bytes.
        found: u32,
        /// What would be right.
        expected: String,
    },
    /// The tags stop without an end tag.
    #[error(
        "its Multiboot2 header at offset {offset:#x} has no end tag (type 0, size 8) within its \
         length of {length:#x} bytes"
    )]
    NoEndTag {
        /// Of the header.
        offset: usize,
        /// Length field, in bytes.
        length: u32,
    },
    /// Two tags of one type that say different things.
    #[error(
        "header tag {kind} appears twice with different contents, at offsets {first:#x} and \
         {second:#x}"
    )]
    DuplicateTag {
        /// Tag type.
        kind: u16,
        /// Offset of the first.
        first: usize,
        /// Offset of the second.
        second: usize,
    },
    /// A tag that must be understood and is not.
    #[error(
        "header tag {kind} at offset {offset:#x} is required (not marked optional) and unknown: \
         the image needs a loader that knows it"
    )]
    UnknownRequiredTag {
        /// Tag type.
        kind: u16,
        /// Of the tag.
        offset: usize,
    },
    /// Tag 7, not optional.
    #[error(
        "header tag 7 at offset {offset:#x} requires EFI boot services, which ended when the \
         running kernel started: start this image from the firmware, or mark the tag optional"
    )]
    EfiBootServices {
        /// Of the tag.
        offset: usize,
    },
    /// Tag 8 or 9 and nothing else to jump to.
    #[error(
        "its only entry point is for EFI (header tag {kind}), which needs boot services that \
         ended when the running kernel started: build it with a Multiboot2 i386 entry as well"
    )]
    OnlyEfiEntry {
        /// 8 or 9.
        kind: u16,
    },
    /// Tag 10 that contradicts itself.
    #[error("relocatable tag (10) at offset {offset:#x}: {detail}")]
    Relocatable {
        /// Of the tag.
        offset: usize,
        /// Numbers found and expected.
        detail: String,
    },
    /// Neither an address tag nor an ELF header.
    #[error(
        "has a Multiboot2 header at offset {offset:#x} but is not ELF and has no address tag (2), \
         so nothing says where to load it: link it as ELF or add tags 2 and 3"
    )]
    NoAddresses {
        /// Of the header.
        offset: usize,
    },
    /// Tag 2 without tag 3.
    #[error(
        "has an address tag (2) but no entry address tag (3), so nothing says where to enter it"
    )]
    NoEntryAddress,
    /// Tag 2 that does not fit the file or itself.
    #[error("address tag (2): {0}")]
    Address(String),
    /// The ELF header is not one that can be loaded.
    #[error("{0}")]
    Elf(String),
    /// Linux's setup header is not one that can be booted by.
    #[error("{0}")]
    Linux(String),
    /// A program header that cannot be honoured.
    #[error("program header {index}: {detail}")]
    ProgramHeader {
        /// Index in the table, from 0.
        index: usize,
        /// Numbers found and expected.
        detail: String,
    },
    /// Two program headers put different bytes in one place.
    #[error(
        "program headers {first} and {second} (PT_LOAD) put different file bytes at physical \
         address {addr:#x}: fix the linker script"
    )]
    Conflict {
        /// Index of the one at the lower address.
        first: usize,
        /// Index of the other.
        second: usize,
        /// First address at which they differ.
        addr: u64,
    },
    /// The image asks for more memory than 32 bits can address.
    #[error(
        "its segments take {total:#x} bytes of memory, more than the 4 GiB that an i386 entry can \
         address"
    )]
    TooMuchMemory {
        /// Sum over the segments, in bytes.
        total: u64,
    },
    /// The entry point is not in what is loaded.
    #[error(
        "its entry point {entry:#x} (from {source_of}) is not in the loaded bytes of any segment \
         ({segments})"
    )]
    Entry {
        /// As found.
        entry: u64,
        /// Where it was found.
        source_of: &'static str,
        /// The segments, for comparison.
        segments: String,
    },
    /// A relocation of a type that a loader cannot apply.
    #[error(
        "needs {count} relocations of type {kind} ({name}), the first at {first:#x}; only \
         {relative} can be applied: link with `-static-pie -z text` and without undefined or \
         preemptible symbols, or link at a fixed address and add the relocatable tag (10)"
    )]
    RelocationType {
        /// ELF relocation type.
        kind: u32,
        /// Its name, or "unknown".
        name: &'static str,
        /// How many of it.
        count: usize,
        /// Link address of the first.
        first: u64,
        /// What could be applied.
        relative: &'static str,
    },
    /// The relocation tables contradict themselves or the segments.
    #[error("its relocations: {0}")]
    Relocations(String),
    /// It must stay where it was linked.
    #[error(
        "is linked at {linked:#x} and cannot be moved to {base:#x}: it has no relocatable tag (10) \
         and is not position independent"
    )]
    Fixed {
        /// Start of its span.
        linked: u64,
        /// Where it was to go.
        base: u64,
    },
    /// Moved to where addresses end.
    #[error("at {base:#x} it would pass the end of the address space")]
    Overflow {
        /// Where it was to go.
        base: u64,
    },
}
