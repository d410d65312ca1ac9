//! Page tables with three, four or five levels: Sv39, Sv48, Sv57 (RISC-V
//! Privileged Architecture, 12.3 to 12.6).

use super::registers::{SATP_MODE_SHIFT, SATP_PPN};
use crate::abi::PageTable;
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::names::nth;

/// Entry: valid.
pub const V: u64 = 1 << 0;
/// Leaf: readable. An entry without `R`, `W`, `X` points to a table.
pub const R: u64 = 1 << 1;
/// Leaf: writable.
pub const W: u64 = 1 << 2;
/// Leaf: executable.
pub const X: u64 = 1 << 3;
/// Leaf: accessed. Set from the start: a CPU may fault instead of setting it.
pub const A: u64 = 1 << 6;
/// Leaf: dirty; as [`A`].
pub const D: u64 = 1 << 7;
/// Shift of the page number in an entry.
pub const PPN_SHIFT: u32 = 10;
/// The page number in an entry; the bits above belong to extensions.
const PPN: u64 = ((1 << 44) - 1) << PPN_SHIFT;

/// Flags of a leaf: code and constants.
pub const TEXT: u64 = V | R | X | A;
/// Flags of a leaf: memory, and devices. What is cacheable is a property of the
/// physical address.
pub const DATA: u64 = V | R | W | A | D;
/// Flags of a leaf: everything, for the instructions between two tables.
pub const ALL: u64 = V | R | W | X | A | D;

/// Largest leaf used, as a level: 1 GiB.
const LARGEST: u32 = 2;

/// A mode of address translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PagingMode {
    /// Virtual addresses of 39 bits.
    Sv39,
    /// Virtual addresses of 48 bits.
    Sv48,
    /// Virtual addresses of 57 bits.
    Sv57,
}

impl PagingMode {
    /// All modes, the smallest first.
    pub const ALL: [Self; 3] = [Self::Sv39, Self::Sv48, Self::Sv57];

    /// Levels of tables.
    #[must_use]
    pub const fn levels(self) -> u32 {
        match self {
            Self::Sv39 => 3,
            Self::Sv48 => 4,
            Self::Sv57 => 5,
        }
    }

    /// The number in `satp`.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.levels() as u64 + 5
    }

    /// Returns the mode in a value of `satp`; `None` if translation is off or
    /// the mode is unknown.
    #[must_use]
    pub const fn of_satp(satp: u64) -> Option<Self> {
        match satp >> SATP_MODE_SHIFT {
            8 => Some(Self::Sv39),
            9 => Some(Self::Sv48),
            10 => Some(Self::Sv57),
            _ => None,
        }
    }

    /// The end of the addresses that can be mapped one to one: the lower half
    /// of virtual memory.
    #[must_use]
    pub const fn limit(self) -> u64 {
        1 << (9 * self.levels() + 11)
    }

    /// Returns `satp` for a root table.
    #[must_use]
    pub const fn satp(self, root: u64) -> u64 {
        self.number() << SATP_MODE_SHIFT | root >> 12
    }
}

/// Names of the paging modes, translation off first; by levels less 2.
pub const MODES: &str = "bare|sv39|sv48|sv57";

/// Returns the name of the paging mode in a value of `satp`.
#[must_use]
pub fn mode_name(satp: u64) -> &'static [u8] {
    let index = PagingMode::of_satp(satp).map_or(0, |mode| mode.levels() - 2);
    nth(MODES, index).unwrap_or(b"?")
}

/// Why memory cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvMapError {
    /// No table is left in the pool.
    PoolUsedUp,
    /// It ends above the addresses of the mode.
    AboveLimit,
}

impl core::fmt::Display for SvMapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PoolUsedUp => "the handoff's page tables are used up: memory is too scattered",
            Self::AboveLimit => "it ends above the addresses of this paging mode",
        })
    }
}

impl core::error::Error for SvMapError {}

/// Fills in tables of a pool; the first one is the root.
pub struct SvMapper<'a> {
    mode: PagingMode,
    pool: &'a mut [PageTable],
    /// Physical address of the pool.
    base: u64,
    used: usize,
}

impl<'a> SvMapper<'a> {
    /// Starts with an empty root table in `pool`, which lies at `base` when the
    /// tables are used.
    ///
    /// # Errors
    ///
    /// [`SvMapError::PoolUsedUp`] without a table for the root.
    pub fn new(mode: PagingMode, pool: &'a mut [PageTable], base: u64) -> Result<Self, SvMapError> {
        pool.first_mut().ok_or(SvMapError::PoolUsedUp)?.fill(0);
        Ok(Self {
            mode,
            pool,
            base,
            used: 1,
        })
    }

    /// Value of `satp` that selects these tables.
    #[must_use]
    pub fn satp(&self) -> u64 {
        self.mode.satp(self.base)
    }

    /// Maps a range one to one, in pages of the largest possible size.
    ///
    /// # Errors
    ///
    /// See [`SvMapError`].
    pub fn identity(&mut self, range: PhysRange, flags: u64) -> Result<(), SvMapError> {
        let Some(range) = range.align_outward(PAGE_SIZE) else {
            return Err(SvMapError::AboveLimit);
        };
        if range.end > self.mode.limit() {
            return Err(SvMapError::AboveLimit);
        }
        let mut at = range.start;
        while at < range.end {
            let fits = |level: &u32| {
                let size = page_size(*level);
                at.is_multiple_of(size) && range.end - at >= size
            };
            let level = (0..=LARGEST).rev().find(fits).unwrap_or(0);
            self.page(at, at, level, flags)?;
            at += page_size(level);
        }
        Ok(())
    }

    /// Maps one page of `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB). A larger page
    /// that is mapped there is split; tables below it are replaced.
    ///
    /// # Errors
    ///
    /// See [`SvMapError`].
    pub fn page(&mut self, va: u64, pa: u64, level: u32, flags: u64) -> Result<(), SvMapError> {
        let mut table = 0;
        for upper in (level + 1..self.mode.levels()).rev() {
            table = self.table(table, index(va, upper), upper)?;
        }
        self.pool[table][index(va, level)] = pa >> 12 << PPN_SHIFT | flags;
        Ok(())
    }

    /// Returns the table below an entry of `level`; makes it, from the parts of
    /// a large page if there is one.
    fn table(&mut self, table: usize, slot: usize, level: u32) -> Result<usize, SvMapError> {
        let entry = self.pool[table][slot];
        if entry & V != 0 && entry & (R | W | X) == 0 {
            return Ok((((entry & PPN) >> PPN_SHIFT << 12) - self.base) as usize / 4096);
        }
        let new = self.used;
        let slots = self.pool.get_mut(new).ok_or(SvMapError::PoolUsedUp)?;
        slots.fill(0);
        if entry & V != 0 {
            let step = page_size(level - 1) >> 12 << PPN_SHIFT;
            for (n, slot) in slots.iter_mut().enumerate() {
                *slot = entry + n as u64 * step;
            }
        }
        self.used += 1;
        self.pool[table][slot] = (self.base + 4096 * new as u64) >> 12 << PPN_SHIFT | V;
        Ok(new)
    }
}

/// Bytes of a page of `level`.
const fn page_size(level: u32) -> u64 {
    PAGE_SIZE << (9 * level)
}

/// Index into a table of `level`.
const fn index(va: u64, level: u32) -> usize {
    (va >> (12 + 9 * level) & 511) as usize
}

/// Looks `va` up in tables whose pool lies at `base`: physical address and flags
/// of the leaf, or `None` if it is not mapped.
#[must_use]
pub fn walk(satp: u64, pool: &[PageTable], base: u64, va: u64) -> Option<(u64, u64)> {
    let mode = PagingMode::of_satp(satp)?;
    // the bits above the highest index repeat its highest bit
    let bits = 9 * mode.levels() + 12;
    if (va << (64 - bits)) as i64 >> (64 - bits) != va as i64 {
        return None;
    }
    let mut table = (satp & SATP_PPN) << 12;
    for level in (0..mode.levels()).rev() {
        let slots = pool.get((table.checked_sub(base)? / PAGE_SIZE) as usize)?;
        let entry = slots[index(va, level)];
        let address = (entry & PPN) >> PPN_SHIFT << 12;
        if entry & V == 0 {
            return None;
        }
        if entry & (R | W | X) != 0 {
            let size = page_size(level);
            return address
                .is_multiple_of(size)
                .then_some((address + va % size, entry & 0x3ff));
        }
        table = address;
    }
    None
}

#[cfg(test)]
mod tests;
