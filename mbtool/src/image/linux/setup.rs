//! The setup header of a bzImage. All fields are untrusted input.

use super::super::bytes::{len, slice, u16_at, u32_at, u64_at};
use super::super::error::ImageErrorReason;
use super::{HEADER, HEADER_END, OLDEST, Payload, Setup, XLF_KERNEL_64};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE};

/// Sector size in bytes.
const SECTOR: u64 = 512;
/// End of the header of protocol 2.12, as read by this parser.
const READ_TO: usize = 0x264;
/// `loadflags` bit 0: the protected-mode part is loaded at or above 1 MiB.
const LOADED_HIGH: u8 = 1;
/// Maximum accepted length of the version string, in bytes.
const VERSION_BYTES: usize = 512;
/// Maximum accepted alignment: no kernel needs more, and few addresses would
/// remain.
const MAX_ALIGNMENT: u32 = 1 << 30;

/// True for a bzImage (or an older zImage): "HdrS" at 0x202 and the boot
/// sector's signature.
pub(in crate::image) fn is_bzimage(file: &[u8]) -> bool {
    file.get(0x202..0x206) == Some(b"HdrS") && u16_at(file, 0x1fe) == Some(0xaa55)
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ImageErrorReason> {
    Err(ImageErrorReason::Linux(text.into()))
}

/// Reads the header, checks the fields that a loader depends on, and returns it
/// with the protected-mode part.
pub(super) fn parse<'a>(
    file: &'a [u8],
    warnings: &mut Vec<String>,
) -> Result<(Setup, &'a [u8]), ImageErrorReason> {
    if !is_bzimage(file) {
        return refuse(
            "has no Linux setup header (\"HdrS\" at offset 0x202 and 0xaa55 at 0x1fe): give a \
             bzImage (vmlinuz) or an ELF vmlinux",
        );
    }
    let field = Fields(file);
    let version = field.u16(0x206)?;
    if version < OLDEST {
        return refuse(format!(
            "speaks Linux boot protocol {}.{:02}, it needs 2.12 (Linux 3.8) for the 64-bit entry: \
             give a newer kernel",
            version >> 8,
            version & 0xff
        ));
    }
    // a jump over the header; its operand gives the end of the header
    let (jump, operand) = (field.u8(0x200)?, field.u8(0x201)?);
    let end = 0x202 + usize::from(operand);
    if jump != 0xeb || end < READ_TO {
        return refuse(format!(
            "its setup header ends at {end:#x} (bytes at 0x200: {jump:#04x} {operand:#04x}), \
             protocol {}.{:02} needs 0xeb and an end at {READ_TO:#x} or later: the file is damaged",
            version >> 8,
            version & 0xff
        ));
    }
    if field.u8(0x211)? & LOADED_HIGH == 0 {
        return refuse("is a zImage (loadflags bit 0 is clear): build a bzImage");
    }
    let xloadflags = field.u16(0x236)?;
    if xloadflags & XLF_KERNEL_64 == 0 {
        return refuse(format!(
            "has no 64-bit entry point (xloadflags {xloadflags:#06x}, bit 0 is clear): give an \
             x86-64 kernel; 32-bit kernels are not started by this version"
        ));
    }
    let (setup_sects, system_bytes) = (field.u8(0x1f1)?, u64::from(field.u32(0x1f4)?) * 16);
    let setup = Setup {
        kernel_version: version_string(file, warnings),
        version,
        bzimage: true,
        setup_sects: if setup_sects == 0 { 4 } else { setup_sects },
        system_bytes,
        alignment: field.u32(0x230)?,
        min_alignment: 1_u32.checked_shl(field.u8(0x235)?.into()).unwrap_or(0),
        relocatable: field.u8(0x234)? != 0,
        pref_address: field.u64(0x258)?,
        init_size: field.u32(0x260)?,
        cmdline_size: field.u32(0x238)?,
        initrd_addr_max: field.u32(0x22c)?,
        xloadflags,
        payload: None,
        header: file
            .get(HEADER..end.min(HEADER_END))
            .unwrap_or_default()
            .to_vec(),
    };
    let system = system(file, &setup)?;
    check(&setup, len(system))?;
    let setup = Setup {
        payload: payload(&field, system, warnings)?,
        ..setup
    };
    Ok((setup, system))
}

/// Returns the compressed kernel in a bzImage.
pub(in crate::image) fn packed(file: &[u8]) -> Result<&[u8], ImageErrorReason> {
    let mut warnings = Vec::new();
    let (setup, system) = parse(file, &mut warnings)?;
    let payload = setup.payload;
    payload
        .and_then(|payload| slice(system, payload.offset.into(), payload.length.into()))
        .map_or_else(
            || refuse("has no packed kernel in it: the file is damaged"),
            Ok,
        )
}

/// Returns the protected-mode part: `syssize` paragraphs after the sectors of
/// real-mode code. A signature may follow.
fn system<'a>(file: &'a [u8], setup: &Setup) -> Result<&'a [u8], ImageErrorReason> {
    let start = (u64::from(setup.setup_sects) + 1) * SECTOR;
    let there = len(file).saturating_sub(start);
    // the last paragraph may be incomplete
    if there + 15 < setup.system_bytes || there < PAGE_SIZE {
        return refuse(format!(
            "has {there:#x} bytes of protected-mode code after {start:#x} of setup code, its \
             header says {:#x}: the file is cut short",
            setup.system_bytes
        ));
    }
    let size = setup.system_bytes.min(there);
    Ok(slice(file, start, size).unwrap_or_default())
}

/// Checks the fields against each other; `system` is the length of the
/// protected-mode part in bytes.
fn check(setup: &Setup, system: u64) -> Result<(), ImageErrorReason> {
    let Setup {
        alignment,
        min_alignment,
        pref_address,
        init_size,
        ..
    } = *setup;
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT || min_alignment == 0 {
        return refuse(format!(
            "its kernel_alignment {alignment:#x} (min_alignment {min_alignment:#x}) is not a power \
             of two up to {MAX_ALIGNMENT:#x}: the file is damaged"
        ));
    }
    let need = u64::from(init_size);
    if need < system || system < 0x201 {
        return refuse(format!(
            "its init_size {need:#x} is less than the {system:#x} bytes of its protected-mode \
             part, or that has no entry point at 0x200: the file is damaged"
        ));
    }
    let fits = pref_address
        .checked_add(need)
        .is_some_and(|end| end <= FOUR_GIB);
    if !fits || pref_address < MIB {
        return refuse(format!(
            "wants to be at {pref_address:#x} with {need:#x} bytes of memory, which is not between \
             1 MiB and 4 GiB: the file is damaged"
        ));
    }
    if !pref_address.is_multiple_of(PAGE_SIZE)
        || (setup.relocatable && !pref_address.is_multiple_of(alignment.into()))
    {
        return refuse(format!(
            "its pref_address {pref_address:#x} is not aligned to {alignment:#x}: the file is \
             damaged"
        ));
    }
    if setup.cmdline_size == 0 || u64::from(setup.initrd_addr_max) < MIB {
        return refuse(format!(
            "its cmdline_size is {:#x} and its initrd_addr_max {:#x}: the file is damaged",
            setup.cmdline_size, setup.initrd_addr_max
        ));
    }
    Ok(())
}

/// Returns the location of the compressed kernel. It is for display only, so an
/// invalid one is a warning.
fn payload(
    field: &Fields<'_>,
    system: &[u8],
    warnings: &mut Vec<String>,
) -> Result<Option<Payload>, ImageErrorReason> {
    let payload = Payload {
        offset: field.u32(0x248)?,
        length: field.u32(0x24c)?,
    };
    if payload.length == 0 {
        return Ok(None);
    }
    let (offset, length) = (payload.offset.into(), payload.length.into());
    if slice(system, offset, length).is_none() {
        warnings.push(format!(
            "its payload ({length:#x} bytes at {offset:#x}) is not in the {:#x} bytes of its \
             protected-mode part: it will not unpack",
            system.len()
        ));
        return Ok(None);
    }
    Ok(Some(payload))
}

/// The NUL-terminated version string in the setup code.
fn version_string(file: &[u8], warnings: &mut Vec<String>) -> Option<String> {
    let at = usize::from(u16_at(file, 0x20e)?);
    if at == 0 {
        return None;
    }
    let rest = file.get(at + 0x200..)?;
    let rest = rest.get(..VERSION_BYTES).unwrap_or(rest);
    let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let sane = text.len() < rest.len() && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    if !sane || text.is_empty() {
        warnings.push(format!(
            "its version string at offset {:#x} is not text",
            at + 0x200
        ));
        return None;
    }
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Bounds-checked reads of fields.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn there<T>(&self, at: usize, value: Option<T>) -> Result<T, ImageErrorReason> {
        value.ok_or_else(|| {
            ImageErrorReason::Linux(format!(
                "has {:#x} bytes, too few for the setup header's field at {at:#x}: the file is cut \
                 short",
                self.0.len()
            ))
        })
    }

    fn u8(&self, at: usize) -> Result<u8, ImageErrorReason> {
        self.there(at, self.0.get(at).copied())
    }

    fn u16(&self, at: usize) -> Result<u16, ImageErrorReason> {
        self.there(at, u16_at(self.0, at))
    }

    fn u32(&self, at: usize) -> Result<u32, ImageErrorReason> {
        self.there(at, u32_at(self.0, at))
    }

    fn u64(&self, at: usize) -> Result<u64, ImageErrorReason> {
        self.there(at, u64_at(self.0, at))
    }
}
