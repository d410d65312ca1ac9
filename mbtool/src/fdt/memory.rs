//! Memory of the machine, and what of it is reserved.

use super::cells::Cells;
use super::error::{DtValueError, DtValueProblem};
use super::path::DtPath;
use super::tree::DeviceTree;
use handoff::addr::PhysRange;

/// A reservation at a fixed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedMemory {
    /// Path of its node; `/memreserve/` for one in the header of the blob.
    pub name: String,
    /// Its memory.
    pub range: PhysRange,
    /// `no-map`: Linux does not map it. Reading it may fault, as firmware protects it.
    pub no_map: bool,
    /// `reusable`: Linux keeps its own data there as long as its owner does not need it.
    pub reusable: bool,
}

/// A reservation whose address Linux chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicReservation {
    /// Path of its node.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
}

impl DeviceTree {
    /// Memory by the nodes of device type "memory", without disabled ones, in the order of the tree.
    ///
    /// # Errors
    ///
    /// When a property that it depends on is wrong.
    pub fn memory(&self) -> Result<Vec<PhysRange>, DtValueError> {
        Cells::of_root(&self.top())?;
        let mut all = Vec::new();
        for node in self.top().children() {
            let kind = node.node().property("device_type");
            if kind == Some(b"memory\0") && node.node().is_available() {
                // what a kernel that crashed left to the next one
                let property = match node.node().has("linux,usable-memory") {
                    true => "linux,usable-memory",
                    false => "reg",
                };
                all.extend(node.physical(property)?);
            }
        }
        Ok(all)
    }

    /// Reservations at fixed addresses: those of the blob's header, then those of `/reserved-memory` without disabled
    /// ones.
    ///
    /// # Errors
    ///
    /// When a property that they depend on is wrong.
    pub fn reserved(&self) -> Result<Vec<ReservedMemory>, DtValueError> {
        let header = self.reservations.iter().map(|range| ReservedMemory {
            name: "/memreserve/".to_owned(),
            range: *range,
            no_map: false,
            reusable: false,
        });
        let mut all: Vec<ReservedMemory> = header.collect();
        for node in self.reserved_nodes()? {
            let (name, no_map) = (node.to_string(), node.node().has("no-map"));
            let reusable = node.node().has("reusable") && !no_map;
            let ranges = node.physical("reg")?.into_iter();
            all.extend(ranges.map(|range| ReservedMemory {
                name: name.clone(),
                range,
                no_map,
                reusable,
            }));
        }
        Ok(all)
    }

    /// Reservations of `/reserved-memory` without an address.
    ///
    /// # Errors
    ///
    /// When a property that they depend on is wrong.
    pub fn dynamic_reservations(&self) -> Result<Vec<DynamicReservation>, DtValueError> {
        let mut all = Vec::new();
        for node in self.reserved_nodes()? {
            if node.node().has("reg") {
                continue;
            }
            all.extend(node.number("size")?.map(|size| DynamicReservation {
                name: node.to_string(),
                size,
            }));
        }
        Ok(all)
    }

    /// The available nodes of `/reserved-memory`, whose addresses have to be in the form of the root's, as Linux reads
    /// them.
    fn reserved_nodes(&self) -> Result<Vec<DtPath<'_>>, DtValueError> {
        let root = self.top();
        let Some(parent) = root.child("reserved-memory") else {
            return Ok(Vec::new());
        };
        let (own, above) = (Cells::below(&parent)?, Cells::of_root(&root)?);
        let pairs = [
            ("#address-cells", own.address, above.address),
            ("#size-cells", own.size, above.size),
        ];
        for (name, found, expected) in pairs {
            if found != expected {
                return Err(parent.error(name, DtValueProblem::UnlikeRoot { found, expected }));
            }
        }
        let nodes = parent.children();
        Ok(nodes.filter(|node| node.node().is_available()).collect())
    }
}
