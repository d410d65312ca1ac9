//! [`Image::parse`]: header, tags, layout, entry point.

use super::error::{ImageError, ImageErrorReason};
use super::kind::{ElfRole, FileKind, FileMachine, SetupProgram};
use super::layout::ImageLayout;
use super::pe::is_pe;
use super::unified::{Unified, UnifiedError};
use super::{Image, Protocol, Requirements};
use super::{elf, explain, flat, header, linux, mb1, pvh, tags, xen_efi};
use handoff::addr::PhysRange;

/// Requested type of the file (`--type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum As {
    /// The first type whose signature is present, in this order: Multiboot2,
    /// Linux, Multiboot (1), ELF.
    #[default]
    Auto,
    /// Multiboot2.
    Multiboot2,
    /// Linux: a bzImage, or an ELF vmlinux.
    Linux,
    /// Multiboot (1).
    Multiboot,
    /// ELF with a PVH entry, else a Linux vmlinux.
    Elf,
}

impl Image {
    /// Parses an unpacked Multiboot2 image. `name` is for messages.
    ///
    /// # Errors
    /// When the file is of another type or malformed, or requires something
    /// that cannot be provided.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, ImageError> {
        Self::parse_as(bytes, name, As::Multiboot2)
    }

    /// Parses an unpacked image of the kind `what`. `name` is for messages.
    ///
    /// # Errors
    /// When the file is of another type or malformed, or requires something
    /// that cannot be provided.
    pub fn parse_as(bytes: &[u8], name: &str, what: As) -> Result<Self, ImageError> {
        let parsed = match what {
            As::Auto => found(bytes, name),
            As::Multiboot2 => multiboot2(bytes, name),
            As::Multiboot => multiboot1(bytes, name),
            As::Elf if pvh::is_pvh(bytes) || !linux::is_vmlinux(bytes) => pvh(bytes, name),
            As::Elf => linux(bytes, name),
            As::Linux => linux(bytes, name),
        };
        let image = parsed.map_err(|reason| ImageError {
            name: name.into(),
            reason,
        })?;
        Ok(Self {
            has_multiboot2: header::find(bytes).is_ok(),
            ..image
        })
    }
}

/// Parses the file as its detected type.
fn found(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    match FileKind::of(bytes) {
        FileKind::Multiboot2 => multiboot2(bytes, name),
        FileKind::Multiboot => multiboot1(bytes, name),
        FileKind::Setup(SetupProgram::Linux64) | FileKind::Vmlinux => linux(bytes, name),
        FileKind::Pvh => pvh(bytes, name),
        kind if kind.is_unified_kernel() || is_dt_linux(bytes, &kind) => linux(bytes, name),
        kind if kind.is_xen_efi() => multiboot2(bytes, name),
        kind => Err(explain::not_an_image(bytes, kind)),
    }
}

fn multiboot2(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    let found = header::find(bytes).map_err(|why| explain::not_multiboot2(bytes, why))?;
    let (raw, mut warnings) = header::tags(bytes, &found)?;
    let (requirements, more) = tags::collect(&found, &raw)?;
    warnings.extend(more);
    let mut layout = if let Some(address) = requirements.address {
        if elf::is_elf(bytes) {
            warnings.push("its address tag (2) is used and its ELF header ignored".into());
        }
        flat::layout(bytes, requirements.header_offset, address)
            .map_err(ImageErrorReason::Address)?
    } else if elf::is_elf(bytes) {
        elf::layout(bytes)?
    } else if is_pe(bytes) {
        let kind = FileKind::of(bytes);
        if !kind.is_xen_efi() {
            let wanted = "Multiboot2";
            return Err(ImageErrorReason::NotThis { wanted, kind });
        }
        xen_efi::layout(bytes, &found, &requirements)?
    } else {
        return Err(ImageErrorReason::NoAddresses {
            offset: found.offset,
        });
    };
    layout.warnings.splice(0..0, warnings);
    let entry = entry(&requirements, "the entry address tag", &layout)?;
    Ok(image(
        name,
        Protocol::Multiboot2,
        requirements,
        layout,
        entry,
    ))
}

fn multiboot1(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    let at = mb1::find(bytes).ok_or_else(|| explain::not_multiboot1(bytes))?;
    let header = mb1::read(bytes, at)?;
    let (requirements, layout) = mb1::layout(bytes, &header)?;
    let entry = entry(&requirements, "the header's entry_addr", &layout)?;
    let protocol = Protocol::Multiboot1(header);
    Ok(image(name, protocol, requirements, layout, entry))
}

fn pvh(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    if !elf::is_elf(bytes) {
        return Err(ImageErrorReason::NotThis {
            wanted: "ELF",
            kind: FileKind::of(bytes),
        });
    }
    let layout = elf::layout(bytes)?;
    let (requirements, entry) = pvh::read(&layout)?;
    let entry = layout.in_loaded(entry, "its PVH note")?;
    Ok(image(name, Protocol::Pvh, requirements, layout, entry))
}

fn linux(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    let kind = FileKind::of(bytes);
    if let Some(kernel) = kernel_inside(bytes, &kind)? {
        return linux(kernel, name);
    }
    if is_dt_linux(bytes, &kind) {
        return dt_linux(bytes, name);
    }
    let (layout, setup, relocatable) = if elf::is_elf(bytes) {
        linux::vmlinux_layout(bytes)?
    } else if !linux::is_bzimage(bytes) {
        let wanted = "Linux";
        return Err(ImageErrorReason::NotThis { wanted, kind });
    } else {
        linux::layout(bytes)?
    };
    let requirements = Requirements {
        relocatable,
        ..Requirements::default()
    };
    let entry = entry(&requirements, "", &layout)?;
    let protocol = Protocol::Linux(setup);
    Ok(image(name, protocol, requirements, layout, entry))
}

/// True for a kernel of a machine with a device tree that mbtool has a handoff for. Xen for arm64 has the form of one.
fn is_dt_linux(bytes: &[u8], kind: &FileKind) -> bool {
    match (kind.machine(), kind) {
        (Some(FileMachine::RiscV64), FileKind::Elf(file)) => file.role == ElfRole::Linux,
        (_, FileKind::Elf(_)) => false,
        (Some(FileMachine::RiscV64 | FileMachine::Arm64), _) => {
            linux::is_zboot(bytes) || linux::DtImage::is_one(bytes)
        }
        (Some(FileMachine::Arm), _) => linux::is_zimage(bytes),
        _ => false,
    }
}

fn dt_linux(bytes: &[u8], name: &str) -> Result<Image, ImageErrorReason> {
    let (layout, header) = if elf::is_elf(bytes) {
        linux::dt_elf_layout(bytes)?
    } else if linux::is_zimage(bytes) {
        linux::zimage_layout(bytes)?
    } else if linux::is_zboot(bytes) {
        linux::dt_layout(&linux::unpack_zboot(bytes, name)?)?
    } else {
        linux::dt_layout(bytes)?
    };
    let requirements = Requirements::default();
    let entry = entry(&requirements, "", &layout)?;
    let protocol = match xen_shim::arm::recognize(bytes) {
        Some(info) => Protocol::DtXen(header, info),
        None => Protocol::DtLinux(header),
    };
    Ok(image(name, protocol, requirements, layout, entry))
}

/// The kernel in a unified kernel image.
fn kernel_inside<'a>(
    bytes: &'a [u8],
    kind: &FileKind,
) -> Result<Option<&'a [u8]>, ImageErrorReason> {
    if linux::is_bzimage(bytes) || !is_pe(bytes) {
        return Ok(None);
    }
    let Some(Unified::Linux(unified)) = Unified::of(bytes, kind)? else {
        return Ok(None);
    };
    match FileKind::of(unified.kernel) {
        FileKind::Setup(_) | FileKind::Vmlinux => Ok(Some(unified.kernel)),
        kind => {
            let name = ".linux";
            Err(UnifiedError::Kernel { name, kind }.into())
        }
    }
}

/// Combines the parts to an [`Image`].
fn image(
    name: &str,
    protocol: Protocol,
    requirements: Requirements,
    layout: ImageLayout,
    entry: u64,
) -> Image {
    let span = layout
        .segments
        .iter()
        .map(|segment| segment.range)
        .reduce(|all, range| PhysRange {
            start: all.start.min(range.start),
            end: all.end.max(range.end),
        });
    Image {
        name: name.into(),
        protocol,
        has_multiboot2: false,
        format: layout.format,
        position_independent: layout.position_independent,
        segments: layout.segments,
        span: span.unwrap_or_default(),
        entry,
        requirements,
        notes: layout.notes,
        sections: layout.sections,
        relocs: layout.relocs,
        align: layout.align,
        warnings: layout.warnings,
    }
}

/// Returns the entry point (that of the header, named `tagged`, has priority
/// over that of the container) and checks that it is in loaded bytes.
fn entry(
    requirements: &Requirements,
    tagged: &'static str,
    layout: &ImageLayout,
) -> Result<u64, ImageErrorReason> {
    let efi = match requirements {
        Requirements {
            efi64_entry: Some(_),
            ..
        } => Some(9),
        Requirements {
            efi32_entry: Some(_),
            ..
        } => Some(8),
        _ => None,
    };
    let (entry, source_of) = match (requirements.entry_address, layout.entry, efi) {
        (Some(entry), _, _) => (u64::from(entry), tagged),
        // 0 is the only way to express "none" in ELF
        (None, None | Some(0), Some(kind)) => return Err(ImageErrorReason::OnlyEfiEntry { kind }),
        (None, Some(entry), _) => (entry, "the ELF header"),
        (None, None, None) => return Err(ImageErrorReason::NoEntryAddress),
    };
    layout.in_loaded(entry, source_of)
}
