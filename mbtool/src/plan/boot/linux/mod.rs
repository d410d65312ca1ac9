//! Linux's boot information: `struct boot_params`, one page, with what it points
//! to behind it: setup data, EFI's runtime map, the command line (Linux,
//! Documentation/arch/x86/boot.rst and zero-page.rst).
//!
//! A kernel that chooses a random place for itself keeps clear of the page, the
//! command line, setup data and the initrd. Of EFI's map it does not know, but
//! it does not choose a place either when it has one: that map has no memory
//! that is free.

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

/// `SETUP_E820_EXT`: entries of the memory map that the page has no room for.
const SETUP_E820_EXT: u32 = 1;
/// `SETUP_EFI`: what another kernel knew of EFI.
const SETUP_EFI: u32 = 4;
/// `SETUP_RNG_SEED`: random bytes.
const SETUP_RNG_SEED: u32 = 9;
/// Entries of the memory map in the page.
const E820_ENTRIES: usize = 128;
/// Bytes of one.
const E820_SIZE: usize = 20;
/// Where the setup header is in it.
const HEADER_AT: usize = crate::image::linux::HEADER;
/// Bytes of `boot_params`.
const PAGE: usize = 4096;
/// Bytes of `struct setup_data` before its data: next, type, length.
const SETUP_DATA: usize = 16;
/// Bytes of `struct efi_setup_data`.
const EFI_DATA: usize = 96;
/// Bytes of `efi_memory_desc_t` as we write it.
const EFI_DESC: usize = 40;
/// `efi_memdesc_version`, the only one there ever was.
const EFI_DESC_VERSION: u32 = 1;
/// `type_of_loader` as every kexec gives it, Linux's own as well.
const LOADER: u8 = 0xd0;
/// `loadflags`: the protected-mode part is at or above 1 MiB; `CAN_USE_HEAP`
/// is for real-mode code, which does not run.
const LOADED_HIGH: u8 = 1;
const CAN_USE_HEAP: u8 = 0x80;

/// What Linux is told.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Of the image.
    pub setup: &'a Setup,
    /// Where the image is loaded.
    pub base: u64,
    /// Where these bytes are loaded.
    pub at: u64,
    /// Command line.
    pub cmdline: &'a str,
    /// Memory map: ranges and E820 types.
    pub areas: &'a [(PhysRange, u32)],
    /// RAM from 1 MiB up to the first hole, in KiB.
    pub mem_upper: u32,
    /// The initrd; its end is not rounded.
    pub initrd: Option<PhysRange>,
    /// Address of the ACPI RSDP.
    pub rsdp: Option<u64>,
    /// What was decided about screen, disks, EFI and random bytes.
    pub chosen: &'a Chosen,
}

/// A value that the boot protocol cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinuxError {
    /// Strings end at a NUL.
    #[error(
        "the command line has a NUL byte at offset {at}: the image would see only what is before it"
    )]
    Nul {
        /// Offset in bytes.
        at: usize,
    },
    /// It would be cut.
    #[error(
        "the command line has {len} bytes, this kernel takes {max} (cmdline_size of its header) \
         and would cut it: shorten it"
    )]
    LongCmdline {
        /// In bytes.
        len: usize,
        /// The most.
        max: u32,
    },
    /// Something other than one initrd.
    #[error(
        "{name} cannot be passed: Linux takes one initrd and no modules; give it with --initrd \
         (several archives can be put one after the other into one file)"
    )]
    Modules {
        /// The module that is too much.
        name: String,
    },
    /// Linux takes no arguments with its initrd.
    #[error(
        "{name} has arguments ({args:?}), but Linux takes none with its initrd: leave them out"
    )]
    InitrdArguments {
        /// The initrd.
        name: String,
        /// Its string.
        args: String,
    },
    /// Page tables of five levels cannot be handed over.
    #[error(
        "the running kernel uses five levels of page tables and {name} cannot be entered with them \
         (xloadflags bit 5 is clear): boot the running kernel with no5lvl, or give a newer kernel"
    )]
    FiveLevels {
        /// The image.
        name: String,
    },
    /// A segment of 32-bit addresses.
    #[error("{what} at {addr:#x} is above 4 GiB, where this version puts nothing for Linux")]
    High {
        /// What it is.
        what: &'static str,
        /// Where it was put.
        addr: u64,
    },
}

/// Builds the bytes for [`Parts::at`]. Their number depends on no address.
///
/// # Errors
///
/// A command line that is too long or has a NUL; an address above 4 GiB.
pub fn build(parts: &Parts<'_>) -> Result<Vec<u8>, LinuxError> {
    let Parts { setup, chosen, .. } = parts;
    check_cmdline(parts.cmdline, setup.cmdline_size)?;
    let low = |what, addr| u32::try_from(addr).map_err(|_| LinuxError::High { what, addr });

    let mut page = Page::new(&setup.header, parts.at);
    if !setup.bzimage {
        page.made_up_header(setup);
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

/// The first 128 entries in the page, the others as setup data.
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

/// `efi_info`, the runtime map, and what cannot be found out any more once
/// virtual addresses have been given.
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
