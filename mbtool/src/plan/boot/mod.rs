//! Boot information of the image, by protocol.
//!
//! One file per protocol. The size of the boot information does not depend on
//! any address, so it can be placed before the addresses in it are known.

pub mod decoded;
pub mod device_tree;
pub mod e820;
pub mod linux;
pub(super) mod low_memory;
pub mod mb1;
pub mod mb2_requests;
pub mod mbi;
pub mod multiboot;
pub(super) mod params;
pub mod pvh;
mod record;
mod xen_screen;

use super::hex::Hex;
use super::place::layout::Layout;
use super::{PlanError, Request};
use crate::arch::Architecture;
use crate::image::linux::Setup;
use crate::image::{Protocol, Sections};
use handoff::addr::{FOUR_GIB, PhysRange};
use handoff::spec::{Exit, Fixup, OnCpu};
use low_memory::LowMemoryPlan;
use params::BootParams;
use serde::Serialize;

/// Boot information for one protocol.
#[derive(Clone, Debug)]
pub(super) struct Boot {
    /// Contents, for a page-aligned address.
    pub bytes: Vec<u8>,
    /// Destinations for the handoff's copies of the RSDP: offset and length.
    pub rsdp: Vec<(usize, u32)>,
    /// Entry state of the image.
    pub exit: Exit,
    /// Name in the report, for instance "multiboot2-i386".
    pub mode: &'static str,
    /// Entry registers with a defined value, for the report.
    pub registers: Vec<(&'static str, u64)>,
    /// Decoded boot information, for the report.
    pub decoded: DecodedInfo,
}

/// Decoded boot information, serialized as a key of the report and its value.
#[derive(Clone, Debug, Serialize)]
pub enum DecodedInfo {
    /// Multiboot2 tags in order, without the end tag.
    #[serde(rename = "mbi")]
    Multiboot2(Vec<decoded::DecodedTag>),
    /// The Multiboot (1) information structure.
    #[serde(rename = "multiboot_info")]
    Multiboot1(mb1::DecodedMb1Info),
    /// PVH's `hvm_start_info`.
    #[serde(rename = "start_info")]
    Pvh(pvh::DecodedPvhInfo),
    /// Linux's `boot_params`.
    #[serde(rename = "boot_params")]
    Linux(Box<linux::BootParamsReport>),
    /// `/chosen` of a device tree.
    #[serde(rename = "chosen")]
    DeviceTree(device_tree::ChosenReport),
}

impl DecodedInfo {
    /// The Multiboot2 tags; empty for other protocols.
    #[must_use]
    pub fn tags(&self) -> &[decoded::DecodedTag] {
        match self {
            Self::Multiboot2(tags) => tags,
            Self::Multiboot1(_) | Self::Pvh(_) | Self::Linux(_) | Self::DeviceTree(_) => &[],
        }
    }
}

/// Input of the builders.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub request: &'a Request,
    pub params: &'a BootParams,
    pub low: &'a LowMemoryPlan,
    pub layout: &'a Layout,
    /// Physical run-time address of the image's entry point.
    pub image_entry: u64,
}

/// Name of the boot information segment.
pub(super) const fn segment_name(protocol: &Protocol) -> &'static str {
    match protocol {
        Protocol::Multiboot2 | Protocol::Multiboot1(_) => "mbi",
        Protocol::Pvh => "start_info",
        Protocol::Linux(_) => "boot_params",
        Protocol::DtLinux(_) | Protocol::DtXen(..) => "device tree",
    }
}

/// Upper bound of the boot information's address.
pub(super) const fn limit(protocol: &Protocol) -> u64 {
    match protocol {
        Protocol::Multiboot2 | Protocol::Multiboot1(_) | Protocol::Linux(_) => FOUR_GIB,
        Protocol::Pvh => pvh::LIMIT,
        Protocol::DtLinux(_) | Protocol::DtXen(..) => u64::MAX,
    }
}

/// Builds the boot information.
///
/// # Errors
///
/// When the protocol cannot express a value.
pub(super) fn build(known: Known<'_>) -> Result<Boot, PlanError> {
    match &known.request.image.protocol {
        Protocol::Multiboot2 => multiboot2(known),
        Protocol::Multiboot1(_) => multiboot1(known),
        Protocol::Pvh => start_info(known),
        Protocol::Linux(setup) => linux(known, setup),
        protocol @ (Protocol::DtLinux(_) | Protocol::DtXen(..)) => Err(PlanError::OtherMachine {
            name: known.request.image.name.clone(),
            image: protocol.architecture(),
            host: Architecture::X86_64,
        }),
    }
}

/// Returns the address and the command line of each module.
fn modules<'a>(known: Known<'a>) -> Vec<(PhysRange, &'a str)> {
    let modules = known.request.modules.iter().zip(&known.layout.modules);
    let mut modules: Vec<_> = modules
        .map(|(module, &range)| (range, module.cmdline.as_str()))
        .collect();
    if let (Some((_, line)), Some(changed)) = (modules.first_mut(), &known.params.dom0_line) {
        *line = changed;
    }
    modules
}

/// Returns the section headers, and the distance that the image was moved.
fn sections<'a>(known: Known<'a>) -> Option<(&'a Sections, u64)> {
    let image = &known.request.image;
    let delta = known.layout.base.wrapping_sub(image.span.start);
    image.sections.as_ref().map(|sections| (sections, delta))
}

/// Returns the data common to both Multiboot versions.
fn multiboot(known: Known<'_>) -> multiboot::MultibootInputs<'_> {
    multiboot::MultibootInputs {
        cmdline: &known.params.cmdline,
        loader: &known.params.loader,
        modules: modules(known),
        mem_lower: known.low.mem_lower,
        mem_upper: known.low.mem_upper,
        areas: &known.low.areas,
        screen: known.params.screen.as_ref(),
        sections: sections(known),
    }
}

fn multiboot1(known: Known<'_>) -> Result<Boot, PlanError> {
    let addr = known.layout.info.start;
    let bytes = mb1::build(&multiboot(known), addr)?;
    Ok(Boot {
        exit: Exit::Multiboot1 {
            entry: low_address("image entry point", known.image_entry)?,
            info: low_address("boot information", addr)?,
        },
        mode: "multiboot1-i386",
        registers: vec![
            ("eax", mb1::MAGIC.into()),
            ("ebx", addr),
            ("eip", known.image_entry),
        ],
        decoded: DecodedInfo::Multiboot1(mb1::decode(&bytes, addr)),
        bytes,
        rsdp: Vec::new(),
    })
}

fn start_info(known: Known<'_>) -> Result<Boot, PlanError> {
    let addr = known.layout.info.start;
    let parts = pvh::PvhInputs {
        cmdline: &known.params.cmdline,
        modules: modules(known),
        areas: &known.low.areas,
        rsdp: known.low.rsdp.map_or(0, |rsdp| rsdp.addr),
    };
    let bytes = pvh::build(&parts, addr)?;
    Ok(Boot {
        exit: Exit::Pvh {
            entry: low_address("image entry point", known.image_entry)?,
            start_info: low_address("start info", addr)?,
        },
        mode: "pvh-i386",
        registers: vec![("ebx", addr), ("eip", known.image_entry)],
        decoded: DecodedInfo::Pvh(pvh::decode(&bytes, addr)),
        bytes,
        rsdp: Vec::new(),
    })
}

fn multiboot2(known: Known<'_>) -> Result<Boot, PlanError> {
    let Known {
        params,
        low,
        layout,
        image_entry,
        ..
    } = known;
    let own = mbi::Own {
        rsdp_v1: params.rsdp.v1,
        rsdp_v2: params.rsdp.v2,
        load_base: low_address("image", layout.base)?,
        smbios: params.smbios.as_ref().filter(|_| params.xen.is_none()),
        vbe: params.xen.is_some(),
    };
    let mbi = mbi::build(&multiboot(known), own)?;
    Ok(Boot {
        exit: Exit::Multiboot2 {
            entry: low_address("image entry point", image_entry)?,
            mbi: low_address("boot information", layout.info.start)?,
        },
        mode: "multiboot2-i386",
        registers: vec![
            ("eax", mbi::MAGIC.into()),
            ("ebx", layout.info.start),
            ("eip", image_entry),
        ],
        decoded: DecodedInfo::Multiboot2(decoded::decode(&mbi, low.rsdp.map(|rsdp| rsdp.addr))),
        bytes: mbi.bytes,
        rsdp: mbi.rsdp,
    })
}

fn linux(known: Known<'_>, setup: &Setup) -> Result<Boot, PlanError> {
    let Known {
        request: _,
        params,
        low,
        layout,
        image_entry,
    } = known;
    let at = layout.info.start;
    let bytes = linux::build(&linux::ZeroPageInputs {
        setup,
        base: layout.base,
        at,
        cmdline: &params.cmdline,
        areas: &low.areas,
        mem_upper: low.mem_upper,
        initrd: layout.modules.first().copied(),
        rsdp: low.rsdp_anywhere.map(|rsdp| rsdp.addr),
        chosen: &params.linux,
    })?;
    Ok(Boot {
        exit: Exit::Linux64 {
            entry: image_entry,
            boot_params: at,
        },
        mode: "linux-64",
        registers: vec![("rsi", at), ("rip", image_entry)],
        decoded: DecodedInfo::Linux(Box::new(linux::decode(&bytes, at))),
        bytes,
        rsdp: Vec::new(),
    })
}

/// Returns the changes that the handoff makes just before the jump: low memory
/// first, then the RSDP copies into the boot information at `addr`.
pub(super) fn fixups(low: &LowMemoryPlan, boot: &Boot, addr: u64) -> Vec<Fixup> {
    let mut fixups = low.fix.as_ref().map_or_else(Vec::new, |fix| fix.fixups());
    if let Some(rsdp) = low.rsdp {
        let copy = |&(at, len): &(usize, u32)| Fixup::CopyRsdp {
            from: rsdp.addr,
            to: addr + at as u64,
            len,
            on: OnCpu::Any,
        };
        fixups.extend(boot.rsdp.iter().map(copy));
    }
    fixups
}

/// Returns the registers in the form of the report.
pub(super) fn registers(boot: &Boot) -> Vec<(&'static str, Hex)> {
    boot.registers
        .iter()
        .map(|&(name, value)| (name, Hex(value)))
        .collect()
}

/// Converts `addr` to 32 bits.
pub(super) fn low_address(what: &str, addr: u64) -> Result<u32, PlanError> {
    u32::try_from(addr)
        .map_err(|_| PlanError::Handoff(format!("{what} at {addr:#x} is above 4 GiB")))
}
