//! Lost pages: loaded destinations that Xen's `kimage_alloc_page` allocated again as
//! new pages. Xen's kexec copies physical page 0 there (docs/xen.md).

// UNSAFETY: reads physical memory by address.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::RegionRaw;
use crate::print::Print;

const PAGE: u64 = 4096;

/// Counts the pages of a damaged region that equal the page at `zero`, which is
/// physical page 0 as the old kernel left it, and prints the number and the
/// first address. If that page is all zeros, only pages beyond the number of
/// loaded zero pages count, and their addresses are unknown.
///
/// # Safety
///
/// All pages that the region touches, and the one at `zero`, must be mapped.
#[inline(never)]
pub unsafe fn report(out: &mut impl Print, region: &RegionRaw, zero: u64) -> u64 {
    // SAFETY: the caller's promise.
    let same = |a, b, words| unsafe { cpu::same(a, b, words) };
    let (mut found, mut first) = (0_u64, 0);
    let mut page = region.start & !(PAGE - 1);
    while page < region.start + region.memsz {
        if same(page, zero, PAGE / 8) {
            if found == 0 {
                first = page;
            }
            found += 1;
        }
        page += PAGE;
    }
    // all zeros: its first word is, and each word equals the next one
    // SAFETY: as above.
    let first_word = unsafe { (zero as *const u64).read_volatile() };
    let blank = first_word == 0 && same(zero, zero + 8, PAGE / 8 - 1);
    if blank {
        found = found.saturating_sub(region.zero_pages);
    }
    if found > 0 {
        out.str("[handoff] ").bytes(region.name()).str(": lost ");
        out.dec(found).str(" page(s), first ");
        if blank {
            out.str("unknown");
        } else {
            out.str("at ").addr(first);
        }
        out.str(": equal to physical page 0 (Xen kimage_alloc_page)\n");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::zero_pages;

    /// Page 0, then the pages of a region.
    #[repr(C, align(4096))]
    struct Memory([[u8; PAGE as usize]; 6]);

    /// Returns the line about a region of `memsz` bytes in which pages 1 and 3 were
    /// lost (pages 1 and 4 are all zeros), and the number of lost pages.
    fn lost(page0: u8, memsz: u64) -> (String, u64) {
        let mut memory = Memory([[0; PAGE as usize]; 6]);
        for (n, page) in memory.0.iter_mut().enumerate() {
            page[PAGE as usize - 1] = match n {
                0 => page0,
                2 | 5 => 0,
                _ => 0x40 + n as u8,
            };
        }
        let [zero, ..] = memory.0;
        let bytes = &memory.0[1..].as_flattened()[..memsz as usize];
        let loaded = zero_pages(bytes, memsz);
        memory.0[2] = zero;
        memory.0[4] = zero;
        let mut text = String::new();
        let start = &raw const memory.0[1] as u64;
        let mut region = RegionRaw {
            name: [0; 32],
            start,
            memsz,
            loaded: memsz,
            digest: [0; 32],
            zero_pages: loaded,
        };
        region.name[..6].copy_from_slice(b"initrd");
        // SAFETY: all of it is in `memory`.
        let found = unsafe { report(&mut text, &region, &raw const memory as u64) };
        (
            text.replace(&format!("{:#x}", start + PAGE), "PAGE 1"),
            found,
        )
    }

    #[test]
    fn copies_of_page_0_are_counted_and_the_first_is_named() {
        let text = "[handoff] initrd: lost 2 page(s), first at PAGE 1: equal to physical page 0 \
                    (Xen kimage_alloc_page)\n";
        assert_eq!(lost(7, 5 * PAGE), (text.into(), 2));
        // the last one only partially
        assert_eq!(lost(7, 3 * PAGE + 1), (text.into(), 2));
        assert_eq!(lost(7, PAGE), (String::new(), 0));
    }

    #[test]
    fn only_zero_pages_beyond_the_loaded_ones_count() {
        // page 1 was loaded as zeros
        let text = "[handoff] initrd: lost 1 page(s), first unknown: equal to physical page 0 \
                    (Xen kimage_alloc_page)\n";
        assert_eq!(lost(0, 5 * PAGE), (text.into(), 1));
        assert_eq!(lost(0, 3 * PAGE), (String::new(), 0));
    }
}
