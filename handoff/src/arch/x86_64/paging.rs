//! Identity mapping in a fixed pool of tables (Intel SDM vol. 3, 4.5). No I/O.

use crate::abi::{PageTable, TABLES};
use crate::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, align_down};

/// Present.
pub const P: u64 = 1;
/// Writable.
pub const RW: u64 = 2;
/// Page write-through; with PCD: uncached.
pub const PWT: u64 = 8;
/// Page cache disable.
pub const PCD: u64 = 16;
/// Accessed. Set from the start, so that the CPU does not write to the tables.
pub const A: u64 = 32;
/// Dirty; as [`A`].
pub const D: u64 = 64;
/// Page size: a 2 MiB leaf in a page directory.
pub const PS: u64 = 128;
/// No execute.
pub const NX: u64 = 1 << 63;
/// Address bits of an entry.
pub const ADDR: u64 = 0x000f_ffff_ffff_f000;
/// Ordinary data.
pub const DATA: u64 = P | RW | A | D | NX;
/// Device memory.
pub const DEVICE: u64 = P | RW | A | D | NX | PWT | PCD;
/// Code and constants.
pub const TEXT: u64 = P | A;
/// A table.
const TABLE: u64 = P | RW | A;

const LARGE: u64 = 2 << 20;
/// First address that cannot be mapped: 128 TiB, half of the range of four
/// levels.
pub const LIMIT: u64 = 1 << 47;

/// Page tables under construction; `base` is their physical address.
pub struct Mapper<'a> {
    pool: &'a mut [PageTable; TABLES],
    base: u64,
    used: usize,
}

impl<'a> Mapper<'a> {
    /// Starts with an empty PML5 (index 0) and PML4 (index 1) whose pool lies
    /// at physical `base`.
    pub fn new(pool: &'a mut [PageTable; TABLES], base: u64) -> Self {
        let mapper = Self {
            pool,
            base,
            used: 2,
        };
        mapper.pool[0][0] = mapper.address(1) | TABLE;
        mapper
    }

    /// Physical address of the four-level root.
    #[must_use]
    pub fn root4(&self) -> u64 {
        self.address(1)
    }

    /// Physical address of the five-level root.
    #[must_use]
    pub fn root5(&self) -> u64 {
        self.address(0)
    }

    fn address(&self, index: usize) -> u64 {
        self.base + index as u64 * PAGE_SIZE
    }

    /// Maps the low 4 GiB as data with 2 MiB pages.
    pub fn map_low(&mut self) -> Result<(), &'static str> {
        self.map_data(PhysRange {
            start: 0,
            end: FOUR_GIB,
        })
    }

    /// Maps the 2 MiB pages that `range` touches, below [`LIMIT`], as data. To be
    /// done before [`Mapper::map`], whose pages would be lost.
    pub fn map_data(&mut self, range: PhysRange) -> Result<(), &'static str> {
        let range = range.align_outward(LARGE).ok_or("range ends at 2^64")?;
        if range.end > LIMIT {
            return Err("address above 128 TiB");
        }
        for page in (range.start..range.end).step_by(LARGE as usize) {
            let (pd, index) = self.directory(page)?;
            self.pool[pd][index] = page | DATA | PS;
        }
        Ok(())
    }

    /// Maps (or changes) the 4 KiB pages of `range`, below [`LIMIT`].
    pub fn map(&mut self, range: PhysRange, flags: u64) -> Result<(), &'static str> {
        let range = range.align_outward(PAGE_SIZE).ok_or("range ends at 2^64")?;
        if range.end > LIMIT {
            return Err("address above 128 TiB");
        }
        for page in (range.start..range.end).step_by(PAGE_SIZE as usize) {
            let (pd, index) = self.directory(page)?;
            let entry = self.pool[pd][index];
            let pt = if entry & P == 0 || entry & PS != 0 {
                let pt = self.allocate()?;
                if entry & PS != 0 {
                    let large = align_down(page, LARGE);
                    for (n, slot) in self.pool[pt].iter_mut().enumerate() {
                        *slot = (large + n as u64 * PAGE_SIZE) | (entry & !ADDR & !PS);
                    }
                }
                self.pool[pd][index] = self.address(pt) | TABLE;
                pt
            } else {
                self.index_of(entry)
            };
            self.pool[pt][(page >> 12 & 511) as usize] = page | flags;
        }
        Ok(())
    }

    fn directory(&mut self, addr: u64) -> Result<(usize, usize), &'static str> {
        let pdpt = self.child(1, (addr >> 39 & 511) as usize)?;
        let pd = self.child(pdpt, (addr >> 30 & 511) as usize)?;
        Ok((pd, (addr >> 21 & 511) as usize))
    }

    fn child(&mut self, table: usize, index: usize) -> Result<usize, &'static str> {
        let entry = self.pool[table][index];
        if entry & P != 0 {
            return Ok(self.index_of(entry));
        }
        let new = self.allocate()?;
        self.pool[table][index] = self.address(new) | TABLE;
        Ok(new)
    }

    fn index_of(&self, entry: u64) -> usize {
        (((entry & ADDR) - self.base) / PAGE_SIZE) as usize
    }

    fn allocate(&mut self) -> Result<usize, &'static str> {
        if self.used == TABLES {
            return Err("page table pool used up");
        }
        self.used += 1;
        Ok(self.used - 1)
    }
}

/// Looks `addr` up in tables whose pool lies at `base`: the leaf entry with the
/// address of the byte's page, or `None` if it is not mapped.
#[must_use]
pub fn walk(pool: &[PageTable; TABLES], base: u64, addr: u64) -> Option<u64> {
    let mut table = 1;
    for shift in [39, 30, 21, 12] {
        let entry = pool[table][(addr >> shift & 511) as usize];
        if entry & P == 0 {
            return None;
        }
        if shift == 12 || entry & PS != 0 {
            let offset = addr & ((1 << shift) - 1);
            return Some((entry & !ADDR) | align_down((entry & ADDR) + offset, PAGE_SIZE));
        }
        table = (((entry & ADDR) - base) / PAGE_SIZE) as usize;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_memory_is_data_and_the_text_is_neither_writable_nor_the_rest_executable() {
        let mut pool = [[0; 512]; TABLES];
        let mut mapper = Mapper::new(&mut pool, 0x7f00_0000);
        mapper.map_low().unwrap();
        let text = PhysRange::new(0x7f1f_f000, 0x7f20_1000).unwrap(); // crosses 2 MiB
        mapper.map(text, TEXT).unwrap();
        let uart = PhysRange::from_len(0xfedc_9000, 24).unwrap();
        mapper.map(uart, DEVICE).unwrap();
        let high = PhysRange::from_len(0x38_0000_0ffc, 24).unwrap();
        mapper.map(high, DEVICE).unwrap();
        let walk = |addr| walk(&pool, 0x7f00_0000, addr);
        assert_eq!(walk(0x7f1f_f123), Some(0x7f1f_f000 | TEXT));
        assert_eq!(walk(0x7f20_0123), Some(0x7f20_0000 | TEXT));
        assert_eq!(walk(0x7f20_1000), Some(0x7f20_1000 | DATA));
        assert_eq!(walk(0x40e), Some(DATA | PS));
        assert_eq!(walk(0xffff_ffff), Some(0xffff_f000 | DATA | PS));
        assert_eq!(walk(0xfedc_9004), Some(0xfedc_9000 | DEVICE));
        assert_eq!(walk(0x38_0000_1004), Some(0x38_0000_1000 | DEVICE));
        assert_eq!(walk(0x38_0000_2000), None);
        assert_eq!(walk(FOUR_GIB), None);
    }

    #[test]
    fn a_full_pool_is_an_error() {
        let mut pool = [[0; 512]; TABLES];
        let mut mapper = Mapper::new(&mut pool, 0);
        mapper.map_low().unwrap();
        let many = PhysRange::new(0, 100 * LARGE).unwrap();
        assert!(mapper.map(many, TEXT).is_err());
    }
}
