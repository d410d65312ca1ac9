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

use crate::abi::boot_params::{
    BootE820Entry, EL64, EfiInfo, EfiMemoryDescriptor, EfiSetupData, LoadFlags, SETUP_E820_EXT,
    SETUP_EFI, SETUP_RNG_SEED,
};
use crate::host::boot_facts::Efi;
use crate::image::linux::Setup;
use handoff::addr::PhysRange;

pub(in crate::plan) use choose::{Chosen, check_initrd, choose};
use write::{Page, fill};
use xen_shim::fix::{Fix, Remedy, tail};
use zerocopy::{FromZeros, IntoBytes};

/// `efi_memdesc_version`; no other version exists.
const EFI_DESC_VERSION: u32 = 1;
/// `type_of_loader` of all kexec loaders, Linux's own included.
const LOADER: u8 = 0xd0;
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
        "the command line has a NUL byte at offset {at}: the image would see only the part before \
         it"
    )]
    Nul {
        /// Offset of the byte.
        at: usize,
    },
    /// The command line would be truncated.
    #[error(
        "the command line has {len} bytes, this kernel accepts {max} (cmdline_size of its header) \
         and would truncate it{}",
        tail(self.fix())
    )]
    LongCmdline {
        /// Length in bytes.
        len: usize,
        /// Maximum length in bytes.
        max: u32,
    },
    /// A module other than one initrd.
    #[error(
        "{name} cannot be passed: Linux accepts one initrd and no modules{}",
        tail(self.fix())
    )]
    Modules {
        /// Name of the surplus module.
        name: String,
    },
    /// The initrd has arguments.
    #[error(
        "{name} has arguments ({args:?}), but Linux accepts none for its initrd{}",
        tail(self.fix())
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
         (xloadflags bit 5 is clear){}",
        tail(self.fix())
    )]
    FiveLevels {
        /// Name of the image.
        name: String,
    },
}

impl Fix for LinuxError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::LongCmdline { .. } => "shorten it",
            Self::Modules { .. } => {
                "give it with --initrd (several archives can be concatenated into one file)"
            }
            Self::InitrdArguments { .. } => "leave them out",
            Self::FiveLevels { .. } => {
                "boot the running kernel with no5lvl, or give a newer kernel"
            }
            Self::Nul { .. } => return None,
        };
        Some(fix.into())
    }
}

/// Builds the boot information for [`ZeroPageInputs::at`]. Its size does not depend on
/// any address.
///
/// # Errors
///
/// When the command line is too long or has a NUL byte.
pub fn build(parts: &ZeroPageInputs<'_>) -> Result<Vec<u8>, LinuxError> {
    let ZeroPageInputs { setup, chosen, .. } = parts;
    check_cmdline(parts.cmdline, setup.cmdline_size)?;

    let mut page = Page::new(&setup.header, parts.at);
    if !setup.bzimage {
        page.synthetic_header(setup);
    }
    let params = &mut page.params;
    let header = &mut params.header;
    header.type_of_loader = LOADER;
    // CAN_USE_HEAP is for real-mode code, which does not run
    let loadflags = LoadFlags::from_bits_retain(header.loadflags);
    header.loadflags = (loadflags | LoadFlags::LOADED_HIGH)
        .difference(LoadFlags::CAN_USE_HEAP)
        .bits();
    // for the 32-bit entry only, which cannot be above 4 GiB
    header
        .code32_start
        .set(u32::try_from(parts.base).unwrap_or(0));
    if let Some(initrd) = parts.initrd {
        params.set_initrd(initrd.start, initrd.len());
    }

    fill(params.screen_info.as_mut_bytes(), &chosen.screen);
    let ext_mem_k = u16::try_from(parts.mem_upper.min(0xfc00)).unwrap_or(0);
    params.screen_info.ext_mem_k.set(ext_mem_k);
    params.alt_mem_k.set(parts.mem_upper);
    params.acpi_rsdp_addr.set(parts.rsdp.unwrap_or(0));
    fill(&mut params.edid_info, &chosen.edid);
    params.secure_boot = chosen.secure_boot;
    params.eddbuf_entries = u8::try_from(chosen.edd.len()).unwrap_or(0);
    for (to, disk) in params.eddbuf.iter_mut().zip(&chosen.edd) {
        fill(to, &disk.0);
    }
    params.edd_mbr_sig_buf_entries = u8::try_from(chosen.mbr_signatures.len()).unwrap_or(0);
    let signatures = params.edd_mbr_sig_buffer.iter_mut();
    for (to, signature) in signatures.zip(&chosen.mbr_signatures) {
        to.set(*signature);
    }

    memory_map(&mut page, parts.areas);
    if let Some(efi) = &chosen.efi {
        runtime_services(&mut page, efi);
    }
    if let Some(seed) = &chosen.seed {
        page.setup_data(SETUP_RNG_SEED, seed);
    }
    let mut cmdline = parts.cmdline.as_bytes().to_vec();
    cmdline.push(0);
    let at = page.append(&cmdline);
    page.params.set_cmdline(at);
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

/// As many entries as the page holds, the others as setup data.
fn memory_map(page: &mut Page, areas: &[(PhysRange, u32)]) {
    let entries: Vec<BootE820Entry> = areas
        .iter()
        .map(|(range, kind)| BootE820Entry {
            addr: range.start.into(),
            size: range.len().into(),
            kind: (*kind).into(),
        })
        .collect();
    let table = &mut page.params.e820_table;
    let (first, rest) = entries.split_at(entries.len().min(table.len()));
    table[..first.len()].copy_from_slice(first);
    page.params.e820_entries = u8::try_from(first.len()).unwrap_or(0);
    if !rest.is_empty() {
        page.setup_data(SETUP_E820_EXT, rest.as_bytes());
    }
}

/// Writes `efi_info`, the runtime map, and the EFI data that a kernel cannot
/// read any more once virtual addresses have been assigned.
fn runtime_services(page: &mut Page, efi: &Efi) {
    let map: Vec<EfiMemoryDescriptor> = efi
        .runtime_map
        .iter()
        .map(|region| EfiMemoryDescriptor {
            kind: u64::from(region.kind).into(),
            phys: region.phys.into(),
            virt: region.virt.into(),
            pages: region.pages.into(),
            attribute: region.attribute.into(),
        })
        .collect();
    let map = map.as_bytes();
    let at = page.append(map);
    page.params.efi_info = EfiInfo {
        loader_signature: EL64,
        systab: (efi.systab as u32).into(),
        memdesc_size: (size_of::<EfiMemoryDescriptor>() as u32).into(),
        memdesc_version: EFI_DESC_VERSION.into(),
        memmap: (at as u32).into(),
        memmap_size: (map.len() as u32).into(),
        systab_hi: ((efi.systab >> 32) as u32).into(),
        memmap_hi: ((at >> 32) as u32).into(),
    };
    let mut data = EfiSetupData::new_zeroed();
    data.fw_vendor.set(efi.fw_vendor);
    data.runtime.set(efi.runtime);
    data.tables.set(efi.config_table);
    data.smbios.set(efi.smbios);
    page.setup_data(SETUP_EFI, data.as_bytes());
}
