//! Objects that are made field by field.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod builder;
mod hostile;
mod kinds;
mod layout;
mod refused;

use super::*;
use builder::{EXEC, GLOBAL, ObjectOf, SECTION, SectionOf, SymbolOf, WEAK};

const BASE: u64 = 0x8020_0000;

/// Links at [`BASE`], with the entry `start` and one symbol of another object, `far` at 0x9000_0000.
fn linked(object: &ObjectOf) -> Result<LinkedObject, LinkError> {
    linked_at(object, BASE)
}

fn linked_at(object: &ObjectOf, base: u64) -> Result<LinkedObject, LinkError> {
    let outside = |name: &str| (name == "far").then_some(0x9000_0000);
    let options = LinkOptions {
        base,
        entry: "start",
        outside: &outside,
    };
    link(&object.build(), &options)
}

fn failure(object: &ObjectOf) -> LinkError {
    linked(object).unwrap_err()
}

/// The bytes at an address.
fn bytes(linked: &LinkedObject, address: u64, len: usize) -> &[u8] {
    let segment = linked.segments.iter().rev();
    let segment = segment
        .clone()
        .find(|segment| segment.address <= address)
        .unwrap();
    let at = (address - segment.address) as usize;
    &segment.data[at..at + len]
}

fn word(linked: &LinkedObject, address: u64) -> u32 {
    u32::from_le_bytes(bytes(linked, address, 4).try_into().unwrap())
}

fn address_of(linked: &LinkedObject, section: &str) -> u64 {
    let section = linked.sections.iter().find(|one| one.name == section);
    section.unwrap().address
}

fn place(kind: u32, offset: u64) -> RelocationPlace {
    RelocationPlace {
        kind,
        section: ".text".to_owned(),
        offset,
    }
}
