//! Writes blobs.

use super::error::FdtError;
use super::names::{NAME_MAX, node_name, path, property_name, shown};
use super::read::{DEPTH_MAX, SIZE_MAX};
use super::tree::{DeviceTree, DtNode};
use crate::abi::fdt::{
    BEGIN_NODE, COMPATIBLE, END, END_NODE, FdtHeader, FdtProperty, FdtReserveEntry, MAGIC, PROP,
    TOKEN_ALIGN, VERSION,
};
use handoff::addr::PhysRange;
use std::collections::HashMap;
use zerocopy::IntoBytes;

impl DeviceTree {
    /// Writes a blob of version 17: header, memory reservations, structure, strings.
    ///
    /// # Errors
    ///
    /// When a name cannot be one, when nodes are too deep, or when the blob would be too large; that is, when
    /// [`DeviceTree::read`] would not take it.
    pub fn write(&self) -> Result<Vec<u8>, FdtError> {
        let header = size_of::<FdtHeader>();
        let mut reservations = Vec::new();
        let all = self.reservations.iter().filter(|range| !range.is_empty());
        for range in all.chain([&PhysRange::default()]) {
            let entry = FdtReserveEntry {
                address: range.start.into(),
                size: range.len().into(),
            };
            reservations.extend_from_slice(entry.as_bytes());
        }
        let mut writer = Writer {
            start: header + reservations.len(),
            structure: Vec::new(),
            strings: Vec::new(),
            offsets: HashMap::new(),
            open: Vec::new(),
        };
        writer.node(&self.root)?;
        writer.token(END);
        let Writer {
            start,
            structure,
            strings,
            ..
        } = writer;
        let total = start
            .saturating_add(structure.len())
            .saturating_add(strings.len());
        let too_large = || FdtError::TooLarge {
            size: total,
            max: SIZE_MAX,
        };
        if total > SIZE_MAX {
            return Err(too_large());
        }
        let number = |number: usize| u32::try_from(number).map_err(|_| too_large());
        let header = FdtHeader {
            magic: MAGIC.into(),
            totalsize: number(total)?.into(),
            off_dt_struct: number(start)?.into(),
            off_dt_strings: number(start + structure.len())?.into(),
            off_mem_rsvmap: number(header)?.into(),
            version: VERSION.into(),
            last_comp_version: COMPATIBLE.into(),
            boot_cpuid_phys: self.boot_cpu.into(),
            size_dt_strings: number(strings.len())?.into(),
            size_dt_struct: number(structure.len())?.into(),
        };
        let mut blob = header.as_bytes().to_vec();
        for block in [reservations, structure, strings] {
            blob.extend(block);
        }
        Ok(blob)
    }
}

struct Writer<'a> {
    /// Offset of the structure block.
    start: usize,
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Offsets of the names in `strings`.
    offsets: HashMap<&'a str, u32>,
    /// Names of the nodes that are open.
    open: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    fn node(&mut self, node: &'a DtNode) -> Result<(), FdtError> {
        let offset = self.start + self.structure.len();
        if self.open.len() >= DEPTH_MAX {
            return Err(FdtError::Depth {
                node: self.path(),
                offset,
                max: DEPTH_MAX,
            });
        }
        let name = node_name(node.name.as_bytes(), self.open.is_empty());
        let name = name.ok_or_else(|| self.bad_name("node", &node.name))?;
        self.token(BEGIN_NODE);
        self.structure.extend_from_slice(name.as_bytes());
        self.structure.push(0);
        self.align();
        self.open.push(name);
        for property in &node.properties {
            let name = property_name(property.name.as_bytes());
            let name = name.ok_or_else(|| self.bad_name("property", &property.name))?;
            let nameoff = self.name(name);
            self.token(PROP);
            // a longer value makes the blob too large, which is found at its end
            let len = u32::try_from(property.value.len()).unwrap_or(u32::MAX);
            let header = FdtProperty {
                len: len.into(),
                nameoff: nameoff.into(),
            };
            self.structure.extend_from_slice(header.as_bytes());
            self.structure.extend_from_slice(&property.value);
            self.align();
        }
        for child in &node.children {
            self.node(child)?;
        }
        self.token(END_NODE);
        self.open.pop();
        Ok(())
    }

    /// Offset of a property's name in the strings block.
    fn name(&mut self, name: &'a str) -> u32 {
        *self.offsets.entry(name).or_insert_with(|| {
            let offset = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            offset
        })
    }

    fn token(&mut self, token: u32) {
        self.structure.extend_from_slice(&token.to_be_bytes());
    }

    fn align(&mut self) {
        let len = self.structure.len().next_multiple_of(TOKEN_ALIGN);
        self.structure.resize(len, 0);
    }

    fn path(&self) -> String {
        path(self.open.iter().copied())
    }

    fn bad_name(&self, what: &'static str, name: &str) -> FdtError {
        FdtError::Name {
            node: self.path(),
            what,
            offset: self.start + self.structure.len(),
            name: shown(name.as_bytes()),
            max: NAME_MAX,
        }
    }
}
