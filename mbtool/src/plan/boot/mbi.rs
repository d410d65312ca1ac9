//! The Multiboot2 boot information, built with the `multiboot2` crate.
//!
//! Sent: 1 command line, 2 loader name, 3 modules, 4 basic memory, 6 memory map,
//! 8 framebuffer (if the screen is as firmware has left it), 9 ELF sections (if
//! the image has them), 13 SMBIOS (not to Xen, which ignores it), 14/15 RSDP (if
//! the machine has one), 21 load base. Only to Xen, which takes a framebuffer
//! from nothing else: 7 VBE. Never sent: 11 and 12 (the running kernel has given
//! EFI's tables virtual addresses, and Xen halts when it finds these tags).

use super::multiboot::{MbiError, MultibootInputs, low_module, moved, no_nul};
use crate::abi::multiboot2::{InfoStart, InfoTagStart};
use crate::host::screen::{Framebuffer, Screen};
use crate::host::smbios::Smbios;
use handoff::addr::PhysRange;
use multiboot2::{
    BasicMemoryInfoTag, BootLoaderNameTag, Builder, CommandLineTag, ElfSectionsTag,
    FramebufferField, FramebufferTag, FramebufferType, ImageLoadPhysAddrTag, MaybeDynSized,
    MemoryArea, MemoryAreaType, MemoryMapTag, ModuleTag, RsdpV1Tag, RsdpV2Tag, SmbiosTag,
    VBEControlInfo, VBEField, VBEInfoTag, VBEMemoryModel, VBEModeAttributes, VBEModeInfo,
};
use zerocopy::FromBytes;

/// Value of EAX at entry (Multiboot2 spec, 3.2).
pub const MAGIC: u32 = multiboot2::MAGIC;
/// Bytes before a tag's own fields.
const TAG_HEADER: usize = size_of::<InfoTagStart>();

/// Fields that Multiboot (1) does not have.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Reserve space for tag 14.
    pub rsdp_v1: bool,
    /// Reserve space for tag 15.
    pub rsdp_v2: bool,
    /// Load base address, tag 21.
    pub load_base: u32,
    /// SMBIOS, tag 13.
    pub smbios: Option<&'a Smbios>,
    /// Describe the framebuffer by tag 7, too.
    pub vbe: bool,
}

/// The boot information, and the parts that the handoff fills in.
#[derive(Clone, Debug)]
pub struct Mbi {
    /// Contents, for an 8-byte aligned address.
    pub bytes: Vec<u8>,
    /// Destinations for the handoff's copies of the RSDP: offset and length.
    /// User space cannot read the RSDP on a UEFI machine. Zeros until then, so
    /// that a missing copy is not mistaken for a table.
    pub rsdp: Vec<(usize, u32)>,
}

/// Builds the boot information. Its size does not depend on any address.
///
/// # Errors
///
/// When a string has a NUL byte, or a module is empty or ends above 4 GiB.
pub fn build(parts: &MultibootInputs<'_>, own: Own<'_>) -> Result<Mbi, MbiError> {
    no_nul("the command line", parts.cmdline)?;
    let mut builder = Builder::new()
        .cmdline(CommandLineTag::new(parts.cmdline))
        .bootloader(BootLoaderNameTag::new(parts.loader))
        .meminfo(BasicMemoryInfoTag::new(parts.mem_lower, parts.mem_upper))
        .image_load_addr(ImageLoadPhysAddrTag::new(own.load_base));
    for (index, &(range, cmdline)) in parts.modules.iter().enumerate() {
        no_nul(format!("the string of module {index}"), cmdline)?;
        let (start, end) = low_module(index, range)?;
        builder = builder.add_module(ModuleTag::new(start, end, cmdline));
    }
    let area = |&(range, kind): &(PhysRange, u32)| {
        MemoryArea::new(range.start, range.len(), MemoryAreaType::from_val(kind))
    };
    let areas: Vec<MemoryArea> = parts.areas.iter().map(area).collect();
    builder = builder.mmap(MemoryMapTag::new(&areas));
    if let Some((table, delta)) = parts.sections {
        let bytes = moved(table, delta);
        builder = builder.elf_sections(ElfSectionsTag::new(
            table.num,
            table.entsize,
            table.shndx,
            &bytes,
        ));
    }
    if let Some(screen) = parts.screen {
        builder = builder.framebuffer(framebuffer(screen));
        if let (Screen::Rgb(pixels), true) = (screen, own.vbe) {
            builder = match vbe(pixels) {
                Some(tag) => builder.vbe(tag),
                None => builder,
            };
        }
    }
    if let Some(smbios) = own.smbios
        && let Some((major, minor)) = smbios.version()
    {
        let tables = [&smbios.entry_point.0[..], &smbios.table.0].concat();
        builder = builder.add_smbios(SmbiosTag::new(major, minor, &tables));
    }
    if own.rsdp_v1 {
        builder = builder.rsdpv1(RsdpV1Tag::new([0; 6], 0, 0));
    }
    if own.rsdp_v2 {
        builder = builder.rsdpv2(RsdpV2Tag::new([0; 6], 2, 0, 36, 0));
    }
    let built = builder.build();
    let mut bytes = built.as_bytes().to_vec();
    let holes: Vec<(usize, u32)> = tags(&bytes)
        .filter(|tag| tag.kind == 14 || tag.kind == 15)
        .map(|tag| (tag.at + TAG_HEADER, (tag.size - TAG_HEADER) as u32))
        .collect();
    for &(at, len) in &holes {
        bytes[at..at + len as usize].fill(0);
    }
    Ok(Mbi { bytes, rsdp: holes })
}

/// Tag 8.
fn framebuffer(screen: &Screen) -> Box<FramebufferTag> {
    match screen {
        Screen::Text {
            addr,
            columns,
            rows,
        } => {
            // a character and its attribute
            let (pitch, bpp) = (columns * 2, 16);
            FramebufferTag::new(*addr, pitch, *columns, *rows, bpp, FramebufferType::Text)
        }
        Screen::Rgb(fb) => {
            let [red, green, blue] = fb
                .colors
                .map(|[position, size]| FramebufferField { position, size });
            let kind = FramebufferType::RGB { red, green, blue };
            FramebufferTag::new(fb.addr, fb.pitch, fb.width, fb.height, fb.bpp, kind)
        }
    }
}

/// Attributes of a VBE mode with a linear framebuffer in color; bit 1 is set in all modes.
const LINEAR: VBEModeAttributes = VBEModeAttributes::from_bits_retain(
    VBEModeAttributes::SUPPORTED.bits()
        | VBEModeAttributes::COLOR.bits()
        | VBEModeAttributes::GRAPHICS.bits()
        | VBEModeAttributes::LINEAR_FRAMEBUFFER.bits()
        | 1 << 1,
);

/// Tag 7 as a VBE 2.0 BIOS would describe the mode; `None` if VBE cannot express it.
fn vbe(fb: &Framebuffer) -> Option<VBEInfoTag> {
    let [red_field, green_field, blue_field] = fb
        .colors
        .map(|[position, size]| VBEField { position, size });
    let mut control = VBEControlInfo::default();
    control.signature = *b"VESA";
    control.version = 0x200;
    control.total_memory = u16::try_from(fb.memory.div_ceil(0x1_0000)).ok()?;
    let mut mode = VBEModeInfo::default();
    mode.mode_attributes = LINEAR;
    mode.pitch = u16::try_from(fb.pitch).ok()?;
    mode.resolution = (
        u16::try_from(fb.width).ok()?,
        u16::try_from(fb.height).ok()?,
    );
    mode.number_of_planes = 1;
    mode.bpp = fb.bpp;
    mode.number_of_banks = 1;
    mode.memory_model = VBEMemoryModel::DirectColor.into();
    mode.red_field = red_field;
    mode.green_field = green_field;
    mode.blue_field = blue_field;
    mode.framebuffer_base_ptr = u32::try_from(fb.addr).ok()?;
    // no mode number and no protected mode interface: the BIOS is not called again
    Some(VBEInfoTag::new(0, 0, 0, 0, control, mode))
}

/// True if Xen can be told about `screen`.
pub(super) fn shown_by_xen(screen: &Screen) -> bool {
    match screen {
        Screen::Text { .. } => true,
        Screen::Rgb(fb) => vbe(fb).is_some(),
    }
}

/// Location of a tag in the boot information.
#[derive(Clone, Copy, Debug)]
pub(super) struct InfoTag {
    /// Tag type number.
    pub kind: u32,
    /// Offset of the tag.
    pub at: usize,
    /// Size in bytes, without padding.
    pub size: usize,
}

/// Returns the tags of boot information built here, including the end tag.
pub(super) fn tags(bytes: &[u8]) -> impl Iterator<Item = InfoTag> + '_ {
    let mut at = size_of::<InfoStart>();
    std::iter::from_fn(move || {
        let (start, _) = InfoTagStart::read_from_prefix(bytes.get(at..)?).ok()?;
        let (kind, size) = (start.kind.get(), start.size.get() as usize);
        if size < TAG_HEADER || at + size > bytes.len() {
            return None;
        }
        let tag = InfoTag { kind, at, size };
        at += size.next_multiple_of(8);
        Some(tag)
    })
}

#[cfg(test)]
mod tests;
