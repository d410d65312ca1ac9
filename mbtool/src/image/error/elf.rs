//! What is wrong with an ELF file.

/// An ELF header that is invalid, or not of an x86 program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The file ends within the ELF header.
    #[error("has {len} bytes, too few for an ELF header: the file is cut short")]
    Short {
        /// Length of the file, in bytes.
        len: usize,
    },
    /// Not little endian.
    #[error("is big-endian ELF: use an x86 build")]
    BigEndian,
    /// `EI_CLASS` is neither 1 nor 2.
    #[error("is ELF of class {0}, not 1 (32 bits) or 2 (64 bits)")]
    Class(u8),
    /// Another error of the parser.
    #[error("has a bad ELF header: {0}")]
    Header(String),
    /// `e_machine` of another architecture.
    #[error("is ELF for machine {0}, not 3 (i386) or 62 (x86-64): use an x86 build")]
    Machine(u16),
    /// `e_type` of an object file or a core dump.
    #[error("is ELF of type {0}, not 2 (ET_EXEC) or 3 (ET_DYN): give the linked image")]
    Type(u16),
    /// `e_phnum` or `e_phentsize` is invalid.
    #[error(
        "its ELF header has {count} program headers of {size} bytes, it needs 1 to 65534 of \
         {expected}"
    )]
    ProgramHeaders {
        /// Number of program headers.
        count: u16,
        /// Size of each, in bytes.
        size: u16,
        /// Size of each in this class, in bytes.
        expected: u16,
    },
    /// The program header table is not in the file.
    #[error(
        "its program header table ({size:#x} bytes at offset {offset:#x}) passes the end of the \
         file ({len:#x} bytes): the file is cut short"
    )]
    Table {
        /// Size of the table, in bytes.
        size: u64,
        /// Offset of the table.
        offset: u64,
        /// Length of the file, in bytes.
        len: usize,
    },
    /// No `PT_LOAD` with memory, or too many.
    #[error("has {count} PT_LOAD program headers with memory, it needs 1 to {max}")]
    Loads {
        /// Number of `PT_LOAD`s with memory.
        count: usize,
        /// Maximum number.
        max: usize,
    },
    /// `PT_LOAD`s that share most of their bytes.
    #[error(
        "its PT_LOAD program headers have {stored:#x} file bytes in all, but the file has \
         {len:#x}: they use the same bytes again and again"
    )]
    SharedBytes {
        /// Sum of `p_filesz`.
        stored: u64,
        /// Length of the file, in bytes.
        len: usize,
    },
}

/// A program header that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramHeaderError {
    /// Its bytes are not in the file.
    #[error(
        "its {size:#x} bytes at offset {offset:#x} pass the end of the file ({len:#x} bytes): the \
         file is cut short"
    )]
    CutShort {
        /// `p_filesz`.
        size: u64,
        /// `p_offset`.
        offset: u64,
        /// Length of the file, in bytes.
        len: usize,
    },
    /// More bytes than memory.
    #[error("has {filesz:#x} bytes in the file for {memsz:#x} bytes of memory")]
    TooMuchData {
        /// `p_filesz`.
        filesz: u64,
        /// `p_memsz`.
        memsz: u64,
    },
    /// The memory wraps.
    #[error(
        "{memsz:#x} bytes at physical {paddr:#x}, virtual {vaddr:#x} pass the end of the address \
         space"
    )]
    Wraps {
        /// `p_memsz`.
        memsz: u64,
        /// `p_paddr`.
        paddr: u64,
        /// `p_vaddr`.
        vaddr: u64,
    },
    /// The memory ends above 4 GiB.
    #[error("{memsz:#x} bytes at {paddr:#x} end above 4 GiB, where no dom0 is")]
    Above4Gib {
        /// `p_memsz`.
        memsz: u64,
        /// `p_paddr`.
        paddr: u64,
    },
    /// `PT_INTERP`.
    #[error(
        "PT_INTERP: this is a program for an operating system with a dynamic linker; a kernel is \
         linked with -static or -static-pie"
    )]
    Interpreter,
}

/// Relocation tables that are inconsistent, or do not match the segments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelocationError {
    /// `DT_NEEDED`.
    #[error("it needs shared libraries (DT_NEEDED); a kernel is linked with -static-pie")]
    SharedLibraries,
    /// A table whose size is not a multiple of the size of its entries.
    #[error(
        "{table} has {size:#x} bytes in entries of {entsize:#x}, they must be of {expected:#x}"
    )]
    EntrySize {
        /// Tag of the table.
        table: &'static str,
        /// Size of the table, in bytes.
        size: u64,
        /// Size of an entry, in bytes.
        entsize: u64,
        /// Size of an entry in this class, in bytes.
        expected: u64,
    },
    /// A table outside the loaded bytes.
    #[error("{table} ({size:#x} bytes at {addr:#x}) is not in the file bytes of one PT_LOAD")]
    NotLoaded {
        /// Tag of the table.
        table: &'static str,
        /// Size of the table, in bytes.
        size: u64,
        /// Virtual address of the table.
        addr: u64,
    },
    /// A bitmap of `DT_RELR` before the first address, or past the address space.
    #[error("DT_RELR entry {offset:#x} has no address")]
    NoAddress {
        /// Offset of the entry in the table.
        offset: usize,
    },
    /// Too many relocations.
    #[error("there are more than {0}")]
    TooMany(usize),
    /// A word outside the image.
    #[error("one is for the {width}-byte word at {vaddr:#x}, which is not in any PT_LOAD")]
    Outside {
        /// Size of the word, in bytes.
        width: u8,
        /// Virtual address of the word.
        vaddr: u64,
    },
    /// A word that crosses the end of a segment.
    #[error("the word at {addr:#x} is not in one segment")]
    Split {
        /// Link address of the word.
        addr: u64,
    },
    /// A word in zero-filled memory, far from the stored bytes.
    #[error(
        "the word at {addr:#x} is {missing:#x} bytes into zero-filled memory, more than the \
         {max:#x} that are stored for one"
    )]
    InBss {
        /// Link address of the word.
        addr: u64,
        /// Distance from the stored bytes to the end of the word.
        missing: u64,
        /// Maximum distance.
        max: u64,
    },
}
