//! Why an object cannot be linked.

use std::fmt;
use std::ops::RangeInclusive;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why an object cannot be linked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not an ELF file of this class and byte order, or its tables are damaged.
    #[error("cannot be read as a 64-bit little-endian ELF file: {problem}")]
    Elf {
        /// The parser's reason.
        problem: String,
    },
    /// Another type or machine.
    #[error(
        "is ELF of type {kind} for machine {machine}, expected type 1 (ET_REL) and machine 243 (RISC-V){}",
        tail(self.fix())
    )]
    NotAnObject {
        /// `e_type`.
        kind: u16,
        /// `e_machine`.
        machine: u16,
    },
    /// `sh_addralign` is no power of two.
    #[error("section {section} has an alignment of {align:#x}, expected a power of two")]
    Alignment {
        /// Name of the section.
        section: String,
        /// `sh_addralign`.
        align: u64,
    },
    /// Thread-local storage.
    #[error("section {section} is thread-local storage, which is not linked{}", tail(self.fix()))]
    ThreadLocal {
        /// Name of the section.
        section: String,
    },
    /// Relocations without addends.
    #[error("section {section} has relocations without addends (SHT_REL), expected SHT_RELA")]
    WithoutAddends {
        /// Name of the section with the relocations.
        section: String,
    },
    /// More memory than there may be.
    #[error("takes more than {max} bytes from address {base:#x} on, with section {section}")]
    TooLarge {
        /// Name of the first section that does not fit.
        section: String,
        /// The base address.
        base: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// Names longer than any compiler writes.
    #[error("has names of more than {max} bytes together")]
    Names {
        /// The limit, in bytes.
        max: usize,
    },
    /// Nothing to link.
    #[error("has no section that occupies memory")]
    Nothing,
    /// No such symbol.
    #[error("defines no global symbol {name} for its entry point")]
    NoEntry {
        /// Its name.
        name: String,
    },
    /// A symbol that is defined nowhere.
    #[error("{at}: symbol {symbol} is not defined")]
    Undefined {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the symbol.
        symbol: String,
    },
    /// A symbol without a place.
    #[error("{at}: symbol {symbol} is a common one{}", tail(self.fix()))]
    Common {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the symbol.
        symbol: String,
    },
    /// The symbol is in a section that is not linked.
    #[error("{at}: symbol {symbol} is in section {section}, which occupies no memory")]
    NotLoaded {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the symbol.
        symbol: String,
        /// Name of its section.
        section: String,
    },
    /// No such symbol in the table.
    #[error("{at}: there is no symbol {index}, the object has {count}")]
    SymbolIndex {
        /// The relocation.
        at: RelocationPlace,
        /// `r_sym`.
        index: usize,
        /// Number of symbols.
        count: usize,
    },
    /// A type that is not known.
    #[error("{at}: this type is not linked")]
    Kind {
        /// The relocation.
        at: RelocationPlace,
    },
    /// Outside of the section.
    #[error("{at}: is not all in the bytes of its section")]
    Outside {
        /// The relocation.
        at: RelocationPlace,
    },
    /// A value that does not fit.
    #[error("{at}: {} for {symbol} is not in {} to {}", Signed(*value), Signed(*range.start()), Signed(*range.end()))]
    Range {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the symbol.
        symbol: String,
        /// Address or distance.
        value: i64,
        /// What can be stored.
        range: RangeInclusive<i64>,
    },
    /// A jump to an odd address.
    #[error("{at}: {symbol} is at a distance of {}, expected an even one", Signed(*value))]
    Odd {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the symbol.
        symbol: String,
        /// The distance.
        value: i64,
    },
    /// A low part without its high part.
    #[error("{at}: no R_RISCV_PCREL_HI20 or R_RISCV_GOT_HI20 is at its label {symbol}")]
    NoHighPart {
        /// The relocation.
        at: RelocationPlace,
        /// Name of the label.
        symbol: String,
    },
    /// A low part with an addend, which belongs to the high part.
    #[error("{at}: has the addend {}, expected 0: that of the high part counts", Signed(*addend))]
    LowAddend {
        /// The relocation.
        at: RelocationPlace,
        /// `r_addend`.
        addend: i64,
    },
    /// Padding that cannot align.
    #[error(
        "{at}: {present} bytes of padding do not reach an alignment of {align}, {needed} are needed"
    )]
    Padding {
        /// The relocation.
        at: RelocationPlace,
        /// Bytes in the object.
        present: u64,
        /// Bytes that are needed.
        needed: u64,
        /// The alignment.
        align: u64,
    },
    /// `R_RISCV_SUB_ULEB128` without the other half of the pair, or the reverse.
    #[error(
        "{at}: R_RISCV_SET_ULEB128 and R_RISCV_SUB_ULEB128 are expected in a pair at one offset"
    )]
    Unpaired {
        /// The relocation.
        at: RelocationPlace,
    },
}

impl Fix for LinkError {
    fn fix(&self) -> Remedy {
        match self {
            Self::ThreadLocal { .. } => Some("compile it without thread-local variables".into()),
            Self::NotAnObject { .. } => {
                Some("give the object that the compiler writes (-c)".into())
            }
            Self::Common { .. } => Some("compile it with -fno-common".into()),
            _ => None,
        }
    }
}

/// A relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelocationPlace {
    /// Its type, by number.
    pub kind: u32,
    /// Name of the section that it changes.
    pub section: String,
    /// Offset in that section, as in the object.
    pub offset: u64,
}

impl fmt::Display for RelocationPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            section,
            offset,
        } = self;
        write!(f, "relocation of type {kind} at {section}+{offset:#x}")
    }
}

/// A hexadecimal number with a sign.
struct Signed(i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}
