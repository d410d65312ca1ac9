//! The payloads that `build.rs` has built.
//!
//! All `MB2_*` images except [`MB2_FAULT32`] run the same code, which prints a
//! [`crate::report::PayloadReport`] on COM1 and QEMU's debug console and ends QEMU through
//! `isa-debug-exit` (I/O port 0xf4) with status [`EXIT_STATUS`]. Their Multiboot2
//! header requests meminfo and memory map (required) and for page-aligned modules.
//! They run at any multiple of 16 below 4 GiB, on any stack or none, and report
//! whether the loader zeroed their `.bss`.

/// QEMU's exit status after a payload has printed its report.
pub const EXIT_STATUS: i32 = 33;
/// QEMU's exit status after the launcher refused a plan.
pub const LAUNCHER_REFUSED_STATUS: i32 = 35;

macro_rules! image {
    ($file:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $file))
    };
}

/// ELF64, ET_EXEC, at 4 MiB, no relocatable tag: must be loaded at its link
/// address.
pub const MB2_FIXED: &[u8] = image!("mb2_fixed");
/// ELF64, ET_EXEC, linked at 4 MiB; relocatable (1 MiB to 0x3fffffff, align
/// 0x1000), preference 0 (none). It has no relocations: its pointers keep their
/// link-time values at any address.
pub const MB2_RELOC_NONE: &[u8] = image!("mb2_reloc_none");
/// As [`MB2_RELOC_NONE`], preference 1 (lowest possible address).
pub const MB2_RELOC_LOWEST: &[u8] = image!("mb2_reloc_lowest");
/// As [`MB2_RELOC_NONE`], preference 2 (highest possible address), align
/// 0x200000.
pub const MB2_RELOC_HIGHEST: &[u8] = image!("mb2_reloc_highest");
/// ELF64, ET_DYN, linked at 0, with 32 `R_X86_64_RELATIVE` relocations (by
/// `PT_DYNAMIC` and by section) that a loader must apply; no relocatable tag.
pub const MB2_DYN: &[u8] = image!("mb2_dyn");
/// ELF64, ET_EXEC, at virtual 0xffffffff80600000 and physical 6 MiB; `e_entry`
/// is virtual, so a loader must translate it.
pub const MB2_HIGHER_HALF: &[u8] = image!("mb2_higher_half");
/// Not ELF: address tag (load at 5 MiB) and entry address tag.
pub const MB2_FLAT: &[u8] = image!("mb2_flat");
/// ELF32, ET_EXEC, EM_386, at 0x801230, in three `PT_LOAD` that begin on odd
/// addresses and share pages.
pub const MB2_ELF32: &[u8] = image!("mb2_elf32");
/// ELF64, ET_EXEC, at 7 MiB: sets seven registers (see [`FAULT32_REGISTERS`])
/// and executes `ud2`, [`FAULT32_OFFSET`] bytes after its entry.
pub const MB2_FAULT32: &[u8] = image!("mb2_fault32");
/// Registers of [`MB2_FAULT32`] at the fault: EAX ECX EDX EBX EBP ESI EDI.
pub const FAULT32_REGISTERS: [u32; 7] = [
    0xfa017000, 0xfa017001, 0xfa017002, 0xfa017003, 0xfa017005, 0xfa017006, 0xfa017007,
];
/// Distance in bytes from the entry of [`MB2_FAULT32`] to its `ud2`.
pub const FAULT32_OFFSET: u32 = 35;

/// Position-independent long mode code to be called at a page: destroys the
/// CPU's whole state and returns, RAX = [`destroy_sum`] of the words at offset
/// [`DESTROY_PATTERN`] (their number comes first).
pub const DESTROY: &[u8] = image!("destroy");
/// See [`DESTROY`].
pub const DESTROY_PATTERN: usize = 0x1000;

/// Returns the result of [`DESTROY`] for these words.
#[must_use]
pub fn destroy_sum(words: &[u64]) -> u64 {
    words
        .iter()
        .fold(0, |sum: u64, word| sum.rotate_left(1).wrapping_add(*word))
}

/// Position-independent long mode code to be entered at a page: prints its state
/// at entry as [`capture::WORDS`] lines `STATE64 ` and 16 hex digits, and ends
/// QEMU with [`EXIT_STATUS`].
pub const STATE64: &[u8] = image!("state64");

#[path = "../payload/capture.rs"]
pub mod capture;

/// QEMU's exit status after the launcher's calls all returned.
pub const LAUNCHER_RETURNED_STATUS: i32 = 37;

/// QEMU's exit status after the last plan of a series.
pub const LAUNCHER_SERIES_STATUS: i32 = 39;

/// The last page of a firmware: see [`crate::launch::series`].
pub(crate) const RESET: &[u8] = image!("reset");

/// ELF32 with a Multiboot1 header, for QEMU's `-kernel`: see [`crate::launch`].
pub(crate) const LAUNCHER: &[u8] = image!("launcher");

/// Multiboot (1), ELF64, ET_EXEC, at 4 MiB; header flags 3.
pub const MB1_FIXED: &[u8] = image!("mb1_fixed");
/// Multiboot (1), not ELF: address fields (load at 5 MiB).
pub const MB1_FLAT: &[u8] = image!("mb1_flat");
/// Multiboot (1), ELF32, ET_EXEC, EM_386, at 0x801230, as [`MB2_ELF32`].
pub const MB1_ELF32: &[u8] = image!("mb1_elf32");

/// Images with Multiboot (1) headers, by variant.
pub const REPORTING_MB1: [(&str, &[u8]); 3] = [
    ("mb1_fixed", MB1_FIXED),
    ("mb1_flat", MB1_FLAT),
    ("mb1_elf32", MB1_ELF32),
];

/// Every Multiboot2 image with a report, by its `variant`.
pub const REPORTING: [(&str, &[u8]); 8] = [
    ("fixed", MB2_FIXED),
    ("reloc_none", MB2_RELOC_NONE),
    ("reloc_lowest", MB2_RELOC_LOWEST),
    ("reloc_highest", MB2_RELOC_HIGHEST),
    ("dyn", MB2_DYN),
    ("higher_half", MB2_HIGHER_HALF),
    ("flat", MB2_FLAT),
    ("elf32", MB2_ELF32),
];
