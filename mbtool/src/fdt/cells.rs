//! Addresses and sizes in properties (2.3.5 to 2.3.8 of the specification).

use super::error::{DtValueError, DtValueProblem};
use super::path::DtPath;
use super::tree::DeviceTree;
use handoff::addr::PhysRange;

/// `#address-cells` of a node without it.
const ADDRESS_DEFAULT: u32 = 2;
/// `#size-cells` of a node without it.
const SIZE_DEFAULT: u32 = 1;
/// Cells of 64 bits.
const CELLS_MAX: u32 = 2;
/// Bytes of a cell.
const CELL: usize = 4;

/// How many cells the addresses and sizes of a node's children have: at most 2 of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) address: u32,
    pub(super) size: u32,
}

/// A range on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BusRange {
    pub(super) address: u64,
    pub(super) size: u64,
}

impl Cells {
    /// Of the children of `node`.
    pub(super) fn below(node: &DtPath<'_>) -> Result<Self, DtValueError> {
        let read = |name, default| {
            let found = node.u32(name)?.unwrap_or(default);
            if found > CELLS_MAX {
                let max = CELLS_MAX;
                return Err(node.error(name, DtValueProblem::Cells { found, max }));
            }
            Ok(found)
        };
        Ok(Self {
            address: read("#address-cells", ADDRESS_DEFAULT)?,
            size: read("#size-cells", SIZE_DEFAULT)?,
        })
    }

    /// Of the root, which has to have them: Linux and the specification have different defaults.
    pub(super) fn of_root(root: &DtPath<'_>) -> Result<Self, DtValueError> {
        for name in ["#address-cells", "#size-cells"] {
            if !root.node().has(name) {
                return Err(root.error(name, DtValueProblem::Missing));
            }
        }
        Self::below(root)
    }

    /// Appends a range to a value; `root` is the root, for errors.
    pub(super) fn encode(
        self,
        root: &DtPath<'_>,
        property: &str,
        range: PhysRange,
        value: &mut Vec<u8>,
    ) -> Result<(), DtValueError> {
        let parts = [
            (range.start, "#address-cells", self.address),
            (range.len(), "#size-cells", self.size),
        ];
        for (number, of, cells) in parts {
            let bytes = number.to_be_bytes();
            let unused = bytes.len() - bytes.len().min(cells as usize * CELL);
            let (high, low) = bytes.split_at(unused);
            if high.iter().any(|&byte| byte != 0) {
                let problem = DtValueProblem::TooWide {
                    value: number,
                    of,
                    cells,
                };
                let mut error = root.error(property, problem);
                "/chosen".clone_into(&mut error.node);
                return Err(error);
            }
            value.extend_from_slice(low);
        }
        Ok(())
    }
}

impl DeviceTree {
    /// The highest address that the root's cells can have.
    #[must_use]
    pub fn highest_address(&self) -> u64 {
        match Cells::of_root(&self.top()) {
            Ok(Cells { address: 1, .. }) => u32::MAX.into(),
            _ => u64::MAX,
        }
    }
}

impl DtPath<'_> {
    /// The ranges of `reg`, or of another property like it, on the bus that the node is on; none where it is missing.
    pub(super) fn ranges_of(&self, property: &str) -> Result<Vec<BusRange>, DtValueError> {
        let Some(value) = self.node().property(property) else {
            return Ok(Vec::new());
        };
        let cells = match self.parent() {
            Some(parent) => Cells::below(&parent)?,
            None => Cells::of_root(self)?,
        };
        let entries = self.entries(property, value, [cells.address, cells.size])?;
        let ranges = entries.map(|[address, size]| BusRange { address, size });
        Ok(ranges.collect())
    }

    /// The ranges of a property in physical memory, without empty ones.
    pub(super) fn physical(&self, property: &str) -> Result<Vec<PhysRange>, DtValueError> {
        let mut all = Vec::new();
        for BusRange { address, size } in self.ranges_of(property)? {
            let range = PhysRange::from_len(address, size)
                .ok_or_else(|| self.error(property, DtValueProblem::Overflow { address, size }))?;
            all.extend((!range.is_empty()).then_some(range));
        }
        Ok(all)
    }

    /// Splits a value into entries of numbers with so many cells.
    fn entries<'v, const N: usize>(
        &self,
        property: &str,
        value: &'v [u8],
        cells: [u32; N],
    ) -> Result<impl Iterator<Item = [u64; N]> + use<'v, N>, DtValueError> {
        let widths = cells.map(|cells| cells as usize * CELL);
        let entry: usize = widths.iter().sum();
        if entry == 0 && !value.is_empty() || entry > 0 && !value.len().is_multiple_of(entry) {
            let cells: Vec<String> = cells.iter().map(|cells| format!("{cells} cells")).collect();
            return Err(self.error(
                property,
                DtValueProblem::Entries {
                    found: value.len(),
                    entry,
                    cells: cells.join(", "),
                },
            ));
        }
        Ok(value.chunks_exact(entry.max(1)).map(move |entry| {
            let mut rest = entry;
            widths.map(|width| {
                let (number, after) = rest.split_at_checked(width).unwrap_or_default();
                rest = after;
                number
                    .iter()
                    .fold(0, |number, &byte| number << 8 | u64::from(byte))
            })
        }))
    }

    /// The physical address of `address` on the bus that the node is on, as the CPU sees it.
    pub(super) fn translate(&self, property: &str, address: u64) -> Result<u64, DtValueError> {
        let mut now = address;
        let mut bus = self.parent();
        while let Some(node) = bus {
            let Some(above) = node.parent() else { break };
            now = node.to_parent(&above, now)?.ok_or_else(|| {
                let bus = node.to_string();
                self.error(property, DtValueProblem::Untranslated { address, bus })
            })?;
            bus = Some(above);
        }
        Ok(now)
    }

    /// Translates an address on this bus to the bus above it.
    fn to_parent(&self, above: &DtPath<'_>, address: u64) -> Result<Option<u64>, DtValueError> {
        let Some(ranges) = self.node().property("ranges") else {
            return Ok(None);
        };
        if ranges.is_empty() {
            return Ok(Some(address));
        }
        let (child, parent) = (Cells::below(self)?, Cells::below(above)?);
        let cells = [child.address, parent.address, child.size];
        for [from, to, size] in self.entries("ranges", ranges, cells)? {
            let offset = address.checked_sub(from).filter(|offset| *offset < size);
            if let Some(offset) = offset {
                return Ok(to.checked_add(offset));
            }
        }
        Ok(None)
    }
}
