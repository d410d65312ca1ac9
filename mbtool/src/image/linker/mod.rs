//! A linker for one relocatable object of riscv64 (`ET_REL`): sections are placed, relocations applied. Without archives,
//! dynamic linking, thread-local storage and relaxation.
//!
//! 1. `object_file` reads sections and symbols. Only sections that occupy memory (`SHF_ALLOC`) are linked.
//! 2. `layout` places them from the base address on: code, constants with the global offset table, data, zeros, each kind
//!    from a page of its own, in the order of the file. Padding for alignment (`R_RISCV_ALIGN`) is cut to what is needed.
//! 3. `relocate` stores the values that relocations ask for, by `kind` into a `field`; `pairs` finds the high part
//!    that a low part belongs to.
//!
//! The object is untrusted: time and memory are linear in its length and in [`MAX_MEMORY`].

mod cursor;
mod error;
mod field;
mod kind;
mod layout;
mod object_file;
mod padding;
mod pairs;
mod relocate;
mod task;
#[cfg(test)]
mod tests;

pub use error::{LinkError, RelocationPlace};

use layout::Layout;
use object_file::ObjectFile;
use relocate::Relocator;

/// Maximum size of a linked object in memory, in bytes.
pub const MAX_MEMORY: u64 = 256 << 20;

/// How an object is linked.
#[derive(Clone, Copy)]
pub struct LinkOptions<'a> {
    /// Lowest address.
    pub base: u64,
    /// Symbol of the entry point, defined in the object.
    pub entry: &'a str,
    /// Addresses of symbols that the object does not define.
    pub outside: &'a dyn Fn(&str) -> Option<u64>,
}

/// An object at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedObject {
    /// Parts with different permissions, by address; none is empty.
    pub segments: Vec<LinkedSegment>,
    /// Sections, by address.
    pub sections: Vec<LinkedSection>,
    /// Named symbols of the object, in its order, without those of sections and files.
    pub symbols: Vec<LinkedSymbol>,
    /// Address of the entry symbol.
    pub entry: u64,
}

/// Memory with the same permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedSegment {
    /// Address of its first byte.
    pub address: u64,
    /// Its first bytes; zeros follow.
    pub data: Vec<u8>,
    /// Size in memory, in bytes.
    pub size: u64,
    /// Is written to.
    pub writable: bool,
    /// Has code.
    pub executable: bool,
}

/// A section in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedSection {
    /// Its name; several sections may have the same.
    pub name: String,
    /// Address of its first byte.
    pub address: u64,
    /// Size in memory, in bytes.
    pub size: u64,
}

/// A symbol at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedSymbol {
    /// Its name.
    pub name: String,
    /// Its address, or the value of an absolute one.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
}

/// Links `object`.
///
/// # Errors
///
/// When it is no relocatable object for riscv64, is damaged, has symbols that are not defined, or relocations that are not
/// known or do not reach.
pub fn link(object: &[u8], options: &LinkOptions<'_>) -> Result<LinkedObject, LinkError> {
    let object = ObjectFile::read(object)?;
    let layout = Layout::new(&object, options.base)?;
    let mut segments = layout.segments(&object);
    Relocator::new(&object, &layout, options)?.apply(&mut segments)?;
    let mut symbols = Vec::new();
    let mut entry = None;
    for symbol in &object.symbols {
        let Some(address) = layout.address(symbol).filter(|_| symbol.named) else {
            continue;
        };
        let name = object.name_of(symbol);
        if symbol.global && name == options.entry {
            entry = Some(address);
        }
        symbols.push(LinkedSymbol {
            size: layout.size_of(symbol),
            name,
            address,
        });
    }
    Ok(LinkedObject {
        segments,
        sections: layout.sections(&object),
        symbols,
        entry: entry.ok_or_else(|| LinkError::NoEntry {
            name: options.entry.to_owned(),
        })?,
    })
}
