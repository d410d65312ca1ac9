//! Page tables with four levels of 4 KiB granules (VMSAv8-64; Arm Architecture Reference Manual, D8),
//! one to one.
//!
//! The same tables serve at EL1, at EL2, and at EL2 with E2H: bits that one of them ignores are set as
//! the others need them.

use super::registers::Regime;
use crate::abi::PageTable;
use crate::addr::{PAGE_SIZE, PhysRange};

/// Descriptor: valid.
pub const VALID: u64 = 1 << 0;
/// Descriptor: a table, or a page of the last level; otherwise a block.
pub const TABLE: u64 = 1 << 1;
/// Leaf: shift of the index into `MAIR`.
const ATTR_SHIFT: u32 = 2;
/// Leaf: AP\[1\], which is 1 where there is one privilege level. `PSTATE.PAN` must be 0.
const AP1: u64 = 1 << 6;
/// Leaf: read-only (AP\[2\]).
pub const READ_ONLY: u64 = 1 << 7;
/// Leaf: inner shareable.
const INNER: u64 = 3 << 8;
/// Leaf: accessed. Set from the start: an access to a page without it faults.
const AF: u64 = 1 << 10;
/// Leaf: never executed (PXN of EL1, and XN of EL2).
pub const NEVER_EXECUTED: u64 = 3 << 53;
/// The address in a descriptor.
const ADDRESS: u64 = ((1 << 48) - 1) & !(PAGE_SIZE - 1);

/// `MAIR`: index 0 is memory (write-back), 1 a device (nGnRnE), 2 memory that is not cached.
pub const MAIR: u64 = 0xff | 0x44 << 16;
/// Flags of a leaf: code and constants.
pub const TEXT: u64 = AF | INNER | AP1 | READ_ONLY;
/// Flags of a leaf: memory.
pub const DATA: u64 = AF | INNER | AP1 | NEVER_EXECUTED;
/// Flags of a leaf: a device.
pub const DEVICE: u64 = AF | AP1 | NEVER_EXECUTED | 1 << ATTR_SHIFT;
/// Flags of a leaf: memory that is not cached.
pub const UNCACHED: u64 = AF | INNER | AP1 | NEVER_EXECUTED | 2 << ATTR_SHIFT;

/// End of the addresses that these tables map.
pub const LIMIT: u64 = 1 << 48;
/// Levels of tables.
const LEVELS: u32 = 4;
/// Largest block, as a level from the last one: 1 GiB.
const LARGEST: u32 = 2;

/// `TCR`: region of 48 bits, tables in write-back memory, inner shareable, 4 KiB.
const TCR_COMMON: u64 = 16 | 1 << 8 | 1 << 10 | 3 << 12;
/// `TCR_EL1`: no walks for the upper half.
const TCR_EPD1: u64 = 1 << 23;
/// `TCR_EL2` without E2H: reserved, 1.
const TCR_EL2_RES1: u64 = 1 << 31 | 1 << 23;

/// Returns `TCR` for a regime on a CPU with this `ID_AA64MMFR0_EL1`; `None` where it has no 4 KiB
/// granule.
#[must_use]
pub fn tcr(regime: Regime, mmfr0: u64) -> Option<u64> {
    // TGran4: 15 is none
    if mmfr0 >> 28 & 15 == 15 {
        return None;
    }
    // PARange: 48 bits at most without the larger addresses of LPA2
    let range = (mmfr0 & 15).min(5);
    Some(match regime {
        Regime::El1 | Regime::El2Host => TCR_COMMON | TCR_EPD1 | range << 32,
        Regime::El2 => TCR_COMMON | TCR_EL2_RES1 | range << 16,
    })
}

/// Returns the end of a CPU's physical addresses by its `ID_AA64MMFR0_EL1`.
#[must_use]
pub const fn physical_end(mmfr0: u64) -> u64 {
    match mmfr0 & 15 {
        0 => 1 << 32,
        1 => 1 << 36,
        2 => 1 << 40,
        3 => 1 << 42,
        4 => 1 << 44,
        _ => LIMIT,
    }
}

/// Why memory cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm64MapError {
    /// No table is left in the pool.
    PoolUsedUp,
    /// It ends above [`LIMIT`].
    AboveLimit,
}

impl core::fmt::Display for Arm64MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PoolUsedUp => "the handoff's page tables are used up: memory is too scattered",
            Self::AboveLimit => "it ends above 256 TiB",
        })
    }
}

impl core::error::Error for Arm64MapError {}

/// Fills in tables of a pool; the first one is the root.
pub struct Arm64Mapper<'a> {
    pool: &'a mut [PageTable],
    /// Physical address of the pool.
    base: u64,
    used: usize,
}

impl<'a> Arm64Mapper<'a> {
    /// Starts with an empty root table in `pool`, which lies at `base` when the
    /// tables are used.
    ///
    /// # Errors
    ///
    /// [`Arm64MapError::PoolUsedUp`] without a table for the root.
    pub fn new(pool: &'a mut [PageTable], base: u64) -> Result<Self, Arm64MapError> {
        pool.first_mut().ok_or(Arm64MapError::PoolUsedUp)?.fill(0);
        Ok(Self {
            pool,
            base,
            used: 1,
        })
    }

    /// Maps the pages of a range one to one, in blocks of the largest possible size. A
    /// page that is mapped already gets the new flags.
    ///
    /// # Errors
    ///
    /// See [`Arm64MapError`].
    pub fn identity(&mut self, range: PhysRange, flags: u64) -> Result<(), Arm64MapError> {
        let pages = range.align_outward(PAGE_SIZE);
        let range = pages
            .filter(|pages| pages.end <= LIMIT)
            .ok_or(Arm64MapError::AboveLimit)?;
        let mut at = range.start;
        while at < range.end {
            let fits = |level: &u32| {
                let size = block_size(*level);
                at.is_multiple_of(size) && range.end - at >= size
            };
            let level = (0..=LARGEST).rev().find(fits).unwrap_or(0);
            self.block(at, level, flags)?;
            at += block_size(level);
        }
        Ok(())
    }

    /// Maps one block of `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB). A larger block that is
    /// mapped there is split; tables below it are replaced.
    fn block(&mut self, at: u64, level: u32, flags: u64) -> Result<(), Arm64MapError> {
        let mut table = 0;
        for upper in (level + 1..LEVELS).rev() {
            table = self.table(table, index(at, upper), upper)?;
        }
        let page = if level == 0 { TABLE } else { 0 };
        self.pool[table][index(at, level)] = at | flags | page | VALID;
        Ok(())
    }

    /// Returns the table below an entry of `level`; makes it, from the parts of
    /// a block if there is one.
    fn table(&mut self, table: usize, slot: usize, level: u32) -> Result<usize, Arm64MapError> {
        let entry = self.pool[table][slot];
        if entry & VALID != 0 && entry & TABLE != 0 {
            return Ok(((entry & ADDRESS) - self.base) as usize / 4096);
        }
        let new = self.used;
        let slots = self.pool.get_mut(new).ok_or(Arm64MapError::PoolUsedUp)?;
        slots.fill(0);
        if entry & VALID != 0 {
            let page = if level == 1 { TABLE } else { 0 };
            for (n, slot) in slots.iter_mut().enumerate() {
                *slot = (entry | page) + n as u64 * block_size(level - 1);
            }
        }
        self.used += 1;
        self.pool[table][slot] = (self.base + 4096 * new as u64) | TABLE | VALID;
        Ok(new)
    }
}

/// Bytes of a block of `level`.
const fn block_size(level: u32) -> u64 {
    PAGE_SIZE << (9 * level)
}

/// Index into a table of `level`.
const fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level) & 511) as usize
}

/// Looks an address up in tables whose pool, root first, lies at `base`: physical address and flags
/// of the leaf, or `None` if it is not mapped.
#[must_use]
pub fn walk(pool: &[PageTable], base: u64, address: u64) -> Option<(u64, u64)> {
    if address >= LIMIT {
        return None;
    }
    let mut table = base;
    for level in (0..LEVELS).rev() {
        let slots = pool.get((table.checked_sub(base)? / PAGE_SIZE) as usize)?;
        let entry = slots[index(address, level)];
        if entry & VALID == 0 {
            return None;
        }
        let next = entry & ADDRESS;
        if level == 0 || entry & TABLE == 0 {
            let size = block_size(level);
            let valid =
                next.is_multiple_of(size) && level <= LARGEST && (level > 0 || entry & TABLE != 0);
            return valid.then_some((next + address % size, entry & !ADDRESS & !(TABLE | VALID)));
        }
        table = next;
    }
    None
}

#[cfg(test)]
mod tests;
