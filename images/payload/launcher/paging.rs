//! Page tables like those of Linux's kexec: an identity map of RAM, in 2 MiB
//! pages, only. Device memory is not mapped.

// UNSAFETY: fills in static page tables.
#![expect(unsafe_code)]

use crate::multiboot::Info;
use core::arch::asm;

/// Maximum number of GiB with RAM in them.
const MOST_GIB: usize = 16;
/// Bytes of a large page.
const LARGE: u64 = 2 << 20;
/// Entries of one table.
const ENTRIES: usize = 512;
/// Present, writable.
const TABLE: u64 = 0x3;
/// Present, writable, large, global: as Linux sets them.
const PAGE: u64 = 0x183;

/// Space for one PML4, one PDPT, and page directories.
#[repr(align(4096))]
struct Tables([[u64; ENTRIES]; 2 + MOST_GIB]);

static mut TABLES: Tables = Tables([[0; ENTRIES]; 2 + MOST_GIB]);

static mut FIFTH: Page = Page([0; ENTRIES]);

/// One table.
#[repr(align(4096))]
struct Page([u64; ENTRIES]);

/// Returns the address of a PML5 whose first entry is `pml4`.
pub fn five_levels(pml4: u64) -> Option<u64> {
    // SAFETY: called once, by the only processor that runs.
    let table = unsafe { (&raw mut FIFTH).as_mut() }?;
    *table.0.first_mut()? = pml4 | TABLE;
    Some(table.0.as_ptr() as u64)
}

/// Loads CR3; returns its old value.
pub fn switch(tables: u64) -> u64 {
    let old;
    // SAFETY: `tables` are those of `entry.S` or of `identity_map_ram`: both map
    // all RAM below 4 GiB, in which this program runs.
    unsafe { asm!("mov {}, cr3", "mov cr3, {}", out(reg) old, in(reg) tables, options(nostack)) };
    old
}

/// Maps every 2 MiB page that has RAM in it; returns the address of the PML4.
/// `None` when RAM lies in more than [`MOST_GIB`] different GiB, or above 512
/// GiB.
pub fn identity_map_ram(info: &Info) -> Option<u64> {
    // SAFETY: called once, by the only processor that runs.
    let tables = unsafe { (&raw mut TABLES).as_mut() }?;
    let base = tables.0.as_ptr() as u64;
    let [pml4, pdpt, directories @ ..] = &mut tables.0;
    *pml4.first_mut()? = (base + 4096) | TABLE;
    let mut used = 0;
    for (start, length) in info.ram() {
        let mut page = start & !(LARGE - 1);
        while page < start.checked_add(length)? {
            let slot = pdpt.get_mut((page >> 30) as usize)?;
            if *slot == 0 {
                *slot = (base + 4096 * (2 + used)) | TABLE;
                used += 1;
            }
            let directory = ((*slot & !0xfff) - base) / 4096 - 2;
            let entry = (page / LARGE) as usize % ENTRIES;
            *directories.get_mut(directory as usize)?.get_mut(entry)? = page | PAGE;
            page += LARGE;
        }
    }
    Some(base)
}
