//! Linux's boot information: `struct boot_params` (one page), followed by the
//! data it points to: setup data, EFI runtime map, command line (Linux,
//! Documentation/arch/x86/boot.rst and zero-page.rst).
//!
//! KASLR avoids the page, the command line, setup data and the initrd. It does
//! not know EFI's runtime map, but it is inactive when there is one: that map
//! lists no free memory.

mod choose;
mod report;
#[cfg(test)]
mod tests;
mod write;

pub use report::BootParamsReport;
pub(in crate::plan) use report::decode;

use crate::host::boot_facts::Efi;
use crate::image::linux::Setup;
use handoff::addr::PhysRange;

pub(in crate::plan) use choose::{Chosen, choose};
use write::Page;

/// `SETUP_E820_EXT`: memory map entries that do not fit into the page.
const SETUP_E820_EXT: u32 = 1;
/// `SETUP_EFI`: EFI state of the previous kernel.
const SETUP_EFI: u32 = 4;
/// `SETUP_RNG_SEED`: random bytes.
const SETUP_RNG_SEED: u32 = 9;
/// Maximum number of memory map entries in the page.
const E820_ENTRIES: usize = 128;
/// Size of an entry in bytes.
const E820_SIZE: usize = 20;
/// Offset of the setup header in the page.
const HEADER_AT: usize = crate::image::linux::HEADER;
/// Size of `boot_params` in bytes.
const PAGE: usize = 4096;
/// Size of `struct setup_data` without its data: next, type, length.
const SETUP_DATA: usize = 16;
/// Size of `struct efi_setup_data` in bytes.
const EFI_DATA: usize = 96;
/// Size of `efi_memory_desc_t` as written here, in bytes.
const EFI_DESC: usize = 40;
/// `efi_memdesc_version`; no other version exists.
const EFI_DESC_VERSION: u32 = 1;
/// `type_of_loader` of all kexec loaders, Linux's own included.
const LOADER: u8 = 0xd0;
/// `loadflags`: the protected-mode part is at or above 1 MiB. `CAN_USE_HEAP` is
/// for real-mode code, which does not run.
const LOADED_HIGH: u8 = 1;
const CAN_USE_HEAP: u8 = 0x80;

/// Input of [`build`].
#[derive(Clone, Debug)]
pub struct ZeroPageInputs<'a> {
    /// Setup header of the image.
    pub setup: &'a Setup,
    /// Load address of the image.
    pub base: u64,
    /// Load address of the boot information.
    pub at: u64,
    /// Command line of the image.
    pub cmdline: &'a str,
    /// Memory map: ranges and E820 types.
    pub areas: &'a [(PhysRange, u32)],
    /// RAM from 1 MiB up to the first hole, in KiB.
    pub mem_upper: u32,
    /// The initrd; its end is not rounded up.
    pub initrd: Option<PhysRange>,
    /// Address of the ACPI RSDP.
    pub rsdp: Option<u64>,
    /// Choices about screen, disks, EFI and random seed.
    pub chosen: &'a Chosen,
}

/// A value that boot_params cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinuxError {
    /// A NUL byte in the command line.
    #[error(
        "the command line has a NUL byte at offset {at}: the image would see only what is before it"
    )]
    Nul {
        /// Offset of the byte.
        at: usize,
    },
    /// The command line would be truncated.
    #[error(
        "the command line has {len} bytes, this kernel takes {max} (cmdline_size of its header) \
         and would cut it: shorten it"
    )]
    LongCmdline {
        /// Length in bytes.
        len: usize,
        /// Maximum length in bytes.
        max: u32,
    },
    /// A module other than one initrd.
    #[error(
        "{name} cannot be passed: Linux takes one initrd and no modules; give it with --initrd \
         (several archives can be put one after the other into one file)"
    )]
    Modules {
        /// Name of the surplus module.
        name: String,
    },
    /// The initrd has arguments.
    #[error(
        "{name} has arguments ({args:?}), but Linux takes none with its initrd: leave them out"
    )]
    InitrdArguments {
        /// Name of the initrd.
        name: String,
        /// Its arguments.
        args: String,
    },
    /// The image does not support entry with 5-level page tables.
    #[error(
        "the running kernel uses five levels of page tables and {name} cannot be entered with them \
         (xloadflags bit 5 is clear): boot the running kernel with no5lvl, or give a newer kernel"
    )]
    FiveLevels {
        /// Name of the image.
        name: String,
    },
    /// A segment above 4 GiB.
    #[error("{what} at {addr:#x} is above 4 GiB, where this version puts nothing for Linux")]
    High {
        /// Name of the segment.
        what: &'static str,
        /// Its address.
        addr: u64,
    },
}

/// Builds the boot information for [`ZeroPageInputs::at`]. Its size does not depend on
/// any address.
///
/// # Errors
///
/// When the command line is too long or has a NUL byte, or an address is above
/// 4 GiB.
pub fn build(parts: &ZeroPageInputs<'_>) -> Result<Vec<u8>, LinuxError> {
    let ZeroPageInputs { setup, chosen, .. } = parts;
    check_cmdline(parts.cmdline, setup.cmdline_size)?;
    let low = |what, addr| u32::try_from(addr).map_err(|_| LinuxError::High { what, addr });

    let mut page = Page::new(&setup.header, parts.at);
    if !setup.bzimage {
        page.synthetic_header(setup);
    }
    page.u8(0x210, LOADER);
    page.u8(0x211, (page.get(0x211) | LOADED_HIGH) & !CAN_USE_HEAP);
    page.u32(0x214, low("the image", parts.base)?);

    page.bytes(0, &chosen.screen);
    page.u16(0x2, u16::try_from(parts.mem_upper.min(0xfc00)).unwrap_or(0));
    page.u32(0x1e0, parts.mem_upper);
    page.u64(0x70, parts.rsdp.unwrap_or(0));
    page.bytes(0x140, &chosen.edid);
    page.u8(0x1ec, chosen.secure_boot);
    page.u8(0x1e9, u8::try_from(chosen.edd.len()).unwrap_or(0));
    for (index, disk) in chosen.edd.iter().enumerate() {
        page.bytes(0xd00 + 82 * index, &disk.0);
    }
    page.u8(
        0x1ea,
        u8::try_from(chosen.mbr_signatures.len()).unwrap_or(0),
    );
    for (index, signature) in chosen.mbr_signatures.iter().enumerate() {
        page.u32(0x290 + 4 * index, *signature);
    }

    if let Some(initrd) = parts.initrd {
        page.u32(0x218, low("the initrd", initrd.start)?);
        page.u32(0x21c, low("the initrd's end", initrd.len())?);
    }

    memory_map(&mut page, parts.areas);
    if let Some(efi) = &chosen.efi {
        runtime_services(&mut page, efi)?;
    }
    if let Some(seed) = &chosen.seed {
        page.setup_data(SETUP_RNG_SEED, seed);
    }
    let mut cmdline = parts.cmdline.as_bytes().to_vec();
    cmdline.push(0);
    let at = page.append(&cmdline);
    page.u32(0x228, low("the command line", at)?);
    Ok(page.into_bytes())
}

fn check_cmdline(cmdline: &str, max: u32) -> Result<(), LinuxError> {
    if let Some(at) = cmdline.find('\0') {
        return Err(LinuxError::Nul { at });
    }
    let len = cmdline.len();
    if u32::try_from(len).is_ok_and(|len| len <= max) {
        return Ok(());
    }
    Err(LinuxError::LongCmdline { len, max })
}

/// Writes the first 128 entries into the page, the others as setup data.
fn memory_map(page: &mut Page, areas: &[(PhysRange, u32)]) {
    let mut entries: Vec<u8> = Vec::with_capacity(areas.len() * E820_SIZE);
    for (range, kind) in areas {
        entries.extend(range.start.to_le_bytes());
        entries.extend(range.len().to_le_bytes());
        entries.extend(kind.to_le_bytes());
    }
    let in_page = areas.len().min(E820_ENTRIES);
    let (first, rest) = entries.split_at(in_page * E820_SIZE);
    page.u8(0x1e8, u8::try_from(in_page).unwrap_or(0));
    page.bytes(0x2d0, first);
    if !rest.is_empty() {
        page.setup_data(SETUP_E820_EXT, rest);
    }
}

/// Writes `efi_info`, the runtime map, and the EFI data that a kernel cannot
/// read any more once virtual addresses have been assigned.
fn runtime_services(page: &mut Page, efi: &Efi) -> Result<(), LinuxError> {
    let mut map = Vec::with_capacity(efi.runtime_map.len() * EFI_DESC);
    for region in &efi.runtime_map {
        map.extend(u64::from(region.kind).to_le_bytes());
        for word in [region.phys, region.virt, region.pages, region.attribute] {
            map.extend(word.to_le_bytes());
        }
    }
    let at = page.append(&map);
    page.bytes(0x1c0, b"EL64");
    page.u32(0x1c4, efi.systab as u32);
    page.u32(0x1c8, EFI_DESC as u32);
    page.u32(0x1cc, EFI_DESC_VERSION);
    let what = "EFI's runtime map";
    let low = u32::try_from(at).map_err(|_| LinuxError::High { what, addr: at })?;
    page.u32(0x1d0, low);
    page.u32(0x1d4, map.len() as u32);
    page.u32(0x1d8, (efi.systab >> 32) as u32);
    let mut data = [0; EFI_DATA];
    let words = [efi.fw_vendor, efi.runtime, efi.config_table, efi.smbios];
    for (to, word) in data.chunks_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    page.setup_data(SETUP_EFI, &data);
    Ok(())
}
