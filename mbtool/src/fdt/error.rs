//! Why a device tree cannot be read, written or used.

use xen_shim::fix::{Fix, Remedy, tail};

/// A blob that cannot be read, or a tree that has none. Offsets are in bytes from the start of the blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FdtError {
    /// Shorter than a header.
    #[error("no device tree: {len} bytes, a header has {header}{}", tail(self.fix()))]
    Short {
        /// Length of the file.
        len: usize,
        /// Size of a header.
        header: usize,
    },
    /// Another magic number.
    #[error("no device tree: its first bytes are {found:#010x}, not 0xd00dfeed{}", tail(self.fix()))]
    Magic {
        /// First 4 bytes.
        found: u32,
    },
    /// A format that this reader does not know.
    #[error(
        "its format is version {version}, compatible with {last_compatible}; versions that are compatible with 16 or 17 \
         can be read{}",
        tail(self.fix())
    )]
    Version {
        /// `version`.
        version: u32,
        /// `last_comp_version`.
        last_compatible: u32,
    },
    /// `totalsize` is not between the size of a header and that of the file.
    #[error("its totalsize is {found:#x}, the file has {len:#x} bytes and a header {header:#x}{}", tail(self.fix()))]
    TotalSize {
        /// `totalsize`.
        found: u32,
        /// Length of the file.
        len: usize,
        /// Size of a header.
        header: usize,
    },
    /// More bytes than any machine's tree has.
    #[error("it has {size:#x} bytes, the limit is {max:#x}{}", tail(self.fix()))]
    TooLarge {
        /// Size of the blob.
        size: usize,
        /// Limit.
        max: usize,
    },
    /// A block outside of the blob.
    #[error("its {block} block, {size:#x} bytes at {offset:#x}, is not in the {total:#x} bytes of the blob{}", tail(self.fix()))]
    Block {
        /// Name of the block.
        block: &'static str,
        /// Offset in the header.
        offset: u32,
        /// Size in the header; 0 where the header has none.
        size: u32,
        /// `totalsize`.
        total: u32,
    },
    /// The memory reservations have no end.
    #[error("its memory reservations, from {offset:#x}, have no entry of zeros before the end of the blob at {total:#x}{}", tail(self.fix()))]
    ReservationsEnd {
        /// Offset of the first.
        offset: u32,
        /// `totalsize`.
        total: u32,
    },
    /// A memory reservation that passes the end of the address space.
    #[error("its memory reservation at {offset:#x}, {size:#x} bytes at {address:#x}, passes the end of the address space{}", tail(self.fix()))]
    Reservation {
        /// Offset of the entry.
        offset: usize,
        /// Address.
        address: u64,
        /// Size in bytes.
        size: u64,
    },
    /// The structure block ends in something.
    #[error("{node}: the structure block ends at {end:#x}, within {part} at {offset:#x}{}", tail(self.fix()))]
    Cut {
        /// Path of the node.
        node: String,
        /// What is cut.
        part: &'static str,
        /// Where it begins.
        offset: usize,
        /// End of the block.
        end: usize,
    },
    /// A token where another one must be.
    #[error("{node}: token {found:#x} at {offset:#x}, expected {expected}{}", tail(self.fix()))]
    Token {
        /// Path of the node.
        node: String,
        /// Offset of the token.
        offset: usize,
        /// Token found.
        found: u32,
        /// Names of the tokens that may be there.
        expected: &'static str,
    },
    /// A property after a child node, which Linux would not see.
    #[error("{node}: property {property} at {offset:#x} comes after a child node{}", tail(self.fix()))]
    PropertyAfterChild {
        /// Path of the node.
        node: String,
        /// Name of the property.
        property: String,
        /// Offset of the token.
        offset: usize,
    },
    /// The name of a property is not in the strings block.
    #[error("{node}: the property at {offset:#x} has its name at {found:#x} of the {strings:#x} bytes of the strings block{}", tail(self.fix()))]
    NameOffset {
        /// Path of the node.
        node: String,
        /// Offset of the token.
        offset: usize,
        /// `nameoff`.
        found: u32,
        /// Size of the strings block.
        strings: u32,
    },
    /// A name that no node or property can have.
    #[error("{node}: the name of the {what} at {offset:#x} is \"{name}\", expected 1 to {max} printable characters, without a slash in a node{}", tail(self.fix()))]
    Name {
        /// Path of the parent, or of the property's node.
        node: String,
        /// "node" or "property".
        what: &'static str,
        /// Offset of the token; in a tree that is written, of the place in the new blob.
        offset: usize,
        /// Name, escaped, its beginning if it is long.
        name: String,
        /// Maximum length in bytes.
        max: usize,
    },
    /// Nodes in nodes in nodes.
    #[error("{node}: its child at {offset:#x} is more than {max} nodes deep{}", tail(self.fix()))]
    Depth {
        /// Path of the parent, its beginning.
        node: String,
        /// Offset of the token.
        offset: usize,
        /// Limit.
        max: usize,
    },
}

impl Fix for FdtError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::Short { .. } | Self::Magic { .. } => {
                "give a compiled device tree (.dtb); dtc compiles a .dts"
            }
            Self::Version { .. } => "write it anew with dtc -I dtb -O dtb",
            Self::TotalSize { .. } => "the file is cut short or damaged: copy it again",
            Self::TooLarge { .. } | Self::Name { .. } | Self::Depth { .. } => {
                "give the device tree of this machine (/sys/firmware/fdt)"
            }
            Self::Block { .. }
            | Self::ReservationsEnd { .. }
            | Self::Reservation { .. }
            | Self::Cut { .. }
            | Self::Token { .. }
            | Self::PropertyAfterChild { .. }
            | Self::NameOffset { .. } => {
                "the file is damaged: copy it again, or compile it again with dtc"
            }
        };
        Some(fix.into())
    }
}

/// A property that does not mean what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("device tree: {node}: {property} {problem}")]
pub struct DtValueError {
    /// Path of the node.
    pub node: String,
    /// Name of the property.
    pub property: String,
    /// What is wrong with it.
    pub problem: DtValueProblem,
}

/// What is wrong with a property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtValueProblem {
    /// No such property.
    #[error("is missing")]
    Missing,
    /// A number of another size.
    #[error("has {found} bytes, expected {expected}")]
    Size {
        /// Bytes of the value.
        found: usize,
        /// Permitted ones.
        expected: &'static str,
    },
    /// A list with a part of an entry at its end.
    #[error("has {found} bytes, expected a multiple of {entry} ({cells})")]
    Entries {
        /// Bytes of the value.
        found: usize,
        /// Bytes of an entry.
        entry: usize,
        /// Its parts, in cells.
        cells: String,
    },
    /// More cells than an address of 64 bits has.
    #[error("is {found}, expected at most {max}")]
    Cells {
        /// Number of cells.
        found: u32,
        /// Maximum.
        max: u32,
    },
    /// No string.
    #[error("is {value}, expected text with a NUL at its end")]
    NoText {
        /// The value, escaped.
        value: String,
    },
    /// A range beyond the address space.
    #[error(
        "has a range of {size:#x} bytes at {address:#x}, which passes the end of the address space"
    )]
    Overflow {
        /// Address.
        address: u64,
        /// Size in bytes.
        size: u64,
    },
    /// A number that its cells cannot hold.
    #[error("cannot hold {value:#x}: the root's {of} is {cells}")]
    TooWide {
        /// Number.
        value: u64,
        /// "#address-cells" or "#size-cells".
        of: &'static str,
        /// Its value.
        cells: u32,
    },
    /// A path or an alias of nothing.
    #[error("names {target}, and there is no such node or alias")]
    NoNode {
        /// Path or alias, escaped.
        target: String,
    },
    /// An address on a bus that the CPU does not see there.
    #[error("has address {address:#x}, which {bus} does not translate (property ranges)")]
    Untranslated {
        /// Address on the bus.
        address: u64,
        /// Path of the bus.
        bus: String,
    },
    /// A number that is out of range.
    #[error("is {found}, expected {expected}")]
    Number {
        /// Value.
        found: u64,
        /// Permitted ones.
        expected: &'static str,
    },
    /// Two nodes differ in what has to be the same.
    #[error("is {found}, expected {expected} as in the root")]
    UnlikeRoot {
        /// Value.
        found: u32,
        /// The root's.
        expected: u32,
    },
}
