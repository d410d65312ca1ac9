//! The Multiboot (1) information structure (specification 0.6.96, section 3.3).
//!
//! Sent: memory sizes, command line, modules, ELF section headers (if the image
//! has them), memory map, boot loader name, framebuffer (if the screen is as
//! firmware has left it). Never sent: boot device, drives, ROM configuration
//! table, APM table and VBE (the BIOS cannot be called after another kernel has
//! run). The flags field has a bit for each field that is present.

use super::decoded::{DecodedColors, DecodedFramebuffer, DecodedMapEntry};
use super::multiboot::{self, MbiError, MultibootInputs};
use super::record::{Reader, Writer};
use crate::abi::multiboot1::{Mb1Info, Mb1InfoFlags, Mb1MapEntry, Mb1Module};
use crate::host::screen::Screen;
use crate::plan::hex::Hex;
use serde::Serialize;
use zerocopy::{FromZeros, IntoBytes};

/// Value of EAX at entry (section 3.2).
pub const MAGIC: u32 = 0x2bad_b002;

/// Builds the information for the page-aligned address `addr`. Its size does not
/// depend on any address.
///
/// # Errors
///
/// When a string has a NUL byte, a module is empty or ends above 4 GiB, or an
/// address needs more than 32 bits.
pub fn build(parts: &MultibootInputs<'_>, addr: u64) -> Result<Vec<u8>, MbiError> {
    multiboot::no_nul("the command line", parts.cmdline)?;
    let mut info = Writer::new(addr, size_of::<Mb1Info>());
    let mut head = Mb1Info::new_zeroed();
    let mut flags =
        Mb1InfoFlags::MEMORY | Mb1InfoFlags::CMDLINE | Mb1InfoFlags::MAP | Mb1InfoFlags::LOADER;
    head.mem_lower.set(parts.mem_lower);
    head.mem_upper.set(parts.mem_upper);

    let size = size_of::<Mb1Module>();
    let table = info.append(&vec![0; size * parts.modules.len()]);
    for (index, &(range, text)) in parts.modules.iter().enumerate() {
        multiboot::no_nul(format!("the string of module {index}"), text)?;
        let (start, end) = multiboot::low_module(index, range)?;
        let module = Mb1Module {
            start: start.into(),
            end: end.into(),
            cmdline: low(info.string(text))?.into(),
            reserved: 0.into(),
        };
        info.put(table + size * index, &module);
    }
    if !parts.modules.is_empty() {
        flags |= Mb1InfoFlags::MODULES;
        head.mods_count.set(parts.modules.len() as u32);
        head.mods_addr.set(low(info.address(table))?);
    }

    let map: Vec<Mb1MapEntry> = parts
        .areas
        .iter()
        .map(|(range, kind)| Mb1MapEntry {
            // the size field excludes itself
            size: (size_of::<Mb1MapEntry>() as u32 - 4).into(),
            base: range.start.into(),
            length: range.len().into(),
            kind: (*kind).into(),
        })
        .collect();
    let at = info.append(map.as_bytes());
    head.mmap_length.set(map.as_bytes().len() as u32);
    head.mmap_addr.set(low(info.address(at))?);

    if let Some((sections, delta)) = parts.sections {
        flags |= Mb1InfoFlags::ELF_SECTIONS;
        let table = info.append(&multiboot::moved(sections, delta));
        head.elf_num.set(sections.num);
        head.elf_size.set(sections.entsize);
        head.elf_addr.set(low(info.address(table))?);
        head.elf_shndx.set(sections.shndx);
    }
    head.cmdline.set(low(info.string(parts.cmdline))?);
    head.boot_loader_name.set(low(info.string(parts.loader))?);
    if let Some(screen) = parts.screen {
        flags |= Mb1InfoFlags::FRAMEBUFFER;
        framebuffer(&mut head, screen);
    }
    head.flags.set(flags.bits());
    info.put(0, &head);
    Ok(info.finish())
}

/// `framebuffer_type` of RGB pixels and of EGA text.
const RGB: u8 = 1;
const EGA_TEXT: u8 = 2;

fn framebuffer(head: &mut Mb1Info, screen: &Screen) {
    let (addr, pitch, width, height) = match *screen {
        Screen::Text {
            addr,
            columns,
            rows,
        } => {
            // a character and its attribute
            (head.framebuffer_bpp, head.framebuffer_type) = (16, EGA_TEXT);
            (addr, columns * 2, columns, rows)
        }
        Screen::Rgb(fb) => {
            (head.framebuffer_bpp, head.framebuffer_type) = (fb.bpp, RGB);
            head.color_info.copy_from_slice(fb.colors.as_flattened());
            (fb.addr, fb.pitch, fb.width, fb.height)
        }
    };
    head.framebuffer_addr.set(addr);
    head.framebuffer_pitch.set(pitch);
    head.framebuffer_width.set(width);
    head.framebuffer_height.set(height);
}

/// Converts an address to 32 bits.
fn low(addr: u64) -> Result<u32, MbiError> {
    u32::try_from(addr).map_err(|_| MbiError::HighInformation { addr })
}

/// The information decoded for the report. Fields that are not sent are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedMb1Info {
    /// Bits for the fields that are present.
    pub flags: Hex,
    /// KiB from address 0.
    pub mem_lower: u32,
    /// KiB from 1 MiB.
    pub mem_upper: u32,
    /// Command line of the image.
    pub cmdline: String,
    /// Modules in order.
    pub modules: Vec<DecodedModule>,
    /// The section header table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elf_sections: Option<DecodedSections>,
    /// The memory map.
    pub mmap: Vec<DecodedMapEntry>,
    /// Boot loader name.
    pub boot_loader_name: String,
    /// The framebuffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framebuffer: Option<DecodedFramebuffer>,
}

/// A module, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedModule {
    /// First byte.
    pub start: Hex,
    /// One past the last byte.
    pub end: Hex,
    /// Command line of the module.
    pub cmdline: String,
}

/// The section header table, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedSections {
    /// Number of entries.
    pub num: u32,
    /// Size of an entry in bytes.
    pub size: u32,
    /// Address of the table.
    pub addr: Hex,
    /// Index of the section name table.
    pub shndx: u32,
}

/// Decodes the output of [`build`] for `addr`.
#[must_use]
pub fn decode(bytes: &[u8], addr: u64) -> DecodedMb1Info {
    let info = Reader { base: addr, bytes };
    let head: Mb1Info = info.get(0);
    let flags = Mb1InfoFlags::from_bits_retain(head.flags.get());
    let table = |addr: u32| info.offset(addr.into());
    let (modules, map) = (table(head.mods_addr.get()), table(head.mmap_addr.get()));
    DecodedMb1Info {
        flags: Hex(flags.bits().into()),
        mem_lower: head.mem_lower.get(),
        mem_upper: head.mem_upper.get(),
        cmdline: info.string(head.cmdline.get().into()),
        modules: (0..head.mods_count.get() as usize)
            .map(|index| info.get(modules + size_of::<Mb1Module>() * index))
            .map(|module: Mb1Module| DecodedModule {
                start: Hex(module.start.get().into()),
                end: Hex(module.end.get().into()),
                cmdline: info.string(module.cmdline.get().into()),
            })
            .collect(),
        elf_sections: flags
            .contains(Mb1InfoFlags::ELF_SECTIONS)
            .then(|| DecodedSections {
                num: head.elf_num.get(),
                size: head.elf_size.get(),
                addr: Hex(head.elf_addr.get().into()),
                shndx: head.elf_shndx.get(),
            }),
        mmap: (0..head.mmap_length.get() as usize)
            .step_by(size_of::<Mb1MapEntry>())
            .map(|at| info.get(map + at))
            .map(|entry: Mb1MapEntry| DecodedMapEntry {
                base: Hex(entry.base.get()),
                length: entry.length.get(),
                kind: entry.kind.get(),
            })
            .collect(),
        boot_loader_name: info.string(head.boot_loader_name.get().into()),
        framebuffer: flags.contains(Mb1InfoFlags::FRAMEBUFFER).then(|| {
            let [red, green, blue] =
                [0, 2, 4].map(|at| [head.color_info[at], head.color_info[at + 1]]);
            DecodedFramebuffer {
                addr: Hex(head.framebuffer_addr.get()),
                pitch: head.framebuffer_pitch.get(),
                width: head.framebuffer_width.get(),
                height: head.framebuffer_height.get(),
                bpp: head.framebuffer_bpp,
                colors: DecodedColors::of(head.framebuffer_type, [red, green, blue]),
            }
        }),
    }
}

#[cfg(test)]
mod tests;
