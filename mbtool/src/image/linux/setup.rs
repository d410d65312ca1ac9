//! The setup header of a bzImage. All fields are untrusted input.

use super::super::bytes::{len, read_at, slice};
use super::super::error::LinuxImageError;
use super::{OLDEST, Payload, Setup};
use crate::abi::boot_params::{BOOT_FLAG, HDRS, HEADER, LoadFlags, SetupHeader, XLoadFlags};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE};
use std::mem::offset_of;
use zerocopy::little_endian::U16;

/// Sector size in bytes.
const SECTOR: u64 = 512;
/// End of the header of protocol 2.12, as read by this parser.
const READ_TO: usize = 0x264;
/// Maximum accepted length of the version string, in bytes.
const VERSION_BYTES: usize = 512;
/// Maximum accepted alignment: no kernel needs more, and few addresses would
/// remain.
const MAX_ALIGNMENT: u32 = 1 << 30;

/// True for a bzImage (or an older zImage): "HdrS" at 0x202 and the boot
/// sector's signature.
pub(in crate::image) fn is_bzimage(file: &[u8]) -> bool {
    let flag: Option<U16> = read_at(file, HEADER + offset_of!(SetupHeader, boot_flag));
    let magic: Option<[u8; 4]> = read_at(file, HEADER + offset_of!(SetupHeader, header));
    magic == Some(HDRS) && flag.is_some_and(|flag| flag == BOOT_FLAG)
}

/// How a program with a setup header is loaded and entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum EntryForm {
    /// Below 1 MiB.
    Low,
    /// In real or protected mode.
    Protected,
    /// In long mode, too.
    Long,
}

/// How a file with a setup header is entered; one that is cut short counts as new.
pub(in crate::image) fn entry_form(file: &[u8]) -> EntryForm {
    if file.len() < READ_TO {
        return EntryForm::Long;
    }
    let header = SetupHeader::of_file(file);
    let loadflags = LoadFlags::from_bits_retain(header.loadflags);
    let xloadflags = XLoadFlags::from_bits_retain(header.xloadflags.get());
    if !loadflags.contains(LoadFlags::LOADED_HIGH) {
        EntryForm::Low
    } else if header.version.get() < OLDEST || !xloadflags.contains(XLoadFlags::KERNEL_64) {
        EntryForm::Protected
    } else {
        EntryForm::Long
    }
}

/// The version string of a file with a setup header.
pub(in crate::image) fn version_of(file: &[u8]) -> Option<String> {
    let at: U16 = read_at(file, HEADER + offset_of!(SetupHeader, kernel_version))?;
    version_string(file, at.get(), &mut Vec::new())
}

/// Reads the header, checks the fields that a loader depends on, and returns it
/// with the protected-mode part.
pub(super) fn parse<'a>(
    file: &'a [u8],
    warnings: &mut Vec<String>,
) -> Result<(Setup, &'a [u8]), LinuxImageError> {
    if !is_bzimage(file) {
        return Err(LinuxImageError::NoHeader);
    }
    if file.len() < READ_TO {
        return Err(LinuxImageError::Short {
            len: file.len(),
            end: READ_TO,
        });
    }
    let header = SetupHeader::of_file(file);
    let version = header.version.get();
    if version < OLDEST {
        return Err(LinuxImageError::Protocol { version });
    }
    // a jump over the header; its operand gives the end of the header
    let jump = header.jump;
    let end = header.end();
    if jump[0] != 0xeb || end < READ_TO {
        return Err(LinuxImageError::HeaderEnd {
            end,
            jump,
            version,
            needed: READ_TO,
        });
    }
    let loadflags = LoadFlags::from_bits_retain(header.loadflags);
    if !loadflags.contains(LoadFlags::LOADED_HIGH) {
        return Err(LinuxImageError::ZImage);
    }
    let xloadflags = XLoadFlags::from_bits_retain(header.xloadflags.get());
    if !xloadflags.contains(XLoadFlags::KERNEL_64) {
        return Err(LinuxImageError::No64BitEntry {
            xloadflags: xloadflags.bits(),
        });
    }
    let setup = Setup {
        kernel_version: version_string(file, header.kernel_version.get(), warnings),
        version,
        bzimage: true,
        setup_sects: match header.setup_sects {
            0 => 4,
            sectors => sectors,
        },
        system_bytes: u64::from(header.syssize.get()) * 16,
        alignment: header.kernel_alignment.get(),
        min_alignment: 1_u32.checked_shl(header.min_alignment.into()).unwrap_or(0),
        relocatable: header.relocatable_kernel != 0,
        pref_address: header.pref_address.get(),
        init_size: header.init_size.get(),
        cmdline_size: header.cmdline_size.get(),
        initrd_addr_max: header.initrd_addr_max.get(),
        xloadflags,
        payload: None,
        header: Box::new(header),
    };
    let system = system(file, &setup)?;
    check(&setup, len(system))?;
    let setup = Setup {
        payload: payload(&setup.header, system, warnings),
        ..setup
    };
    Ok((setup, system))
}

/// Returns the compressed kernel in a bzImage.
pub(in crate::image) fn packed(file: &[u8]) -> Result<&[u8], LinuxImageError> {
    let mut warnings = Vec::new();
    let (setup, system) = parse(file, &mut warnings)?;
    let payload = setup.payload;
    payload
        .and_then(|payload| slice(system, payload.offset.into(), payload.length.into()))
        .ok_or(LinuxImageError::NoPayload)
}

/// Returns the protected-mode part: `syssize` paragraphs after the sectors of
/// real-mode code. A signature may follow.
fn system<'a>(file: &'a [u8], setup: &Setup) -> Result<&'a [u8], LinuxImageError> {
    let start = (u64::from(setup.setup_sects) + 1) * SECTOR;
    let there = len(file).saturating_sub(start);
    // the last paragraph may be incomplete
    if there + 15 < setup.system_bytes || there < PAGE_SIZE {
        return Err(LinuxImageError::ProtectedMode {
            there,
            start,
            expected: setup.system_bytes,
        });
    }
    let size = setup.system_bytes.min(there);
    Ok(slice(file, start, size).unwrap_or_default())
}

/// Checks the fields against each other; `system` is the length of the
/// protected-mode part in bytes.
fn check(setup: &Setup, system: u64) -> Result<(), LinuxImageError> {
    let Setup {
        alignment,
        min_alignment,
        pref_address,
        init_size,
        ..
    } = *setup;
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT || min_alignment == 0 {
        return Err(LinuxImageError::Alignment {
            alignment,
            min_alignment,
            max: MAX_ALIGNMENT,
        });
    }
    let need = u64::from(init_size);
    if need < system || system < 0x201 {
        return Err(LinuxImageError::InitSize {
            init_size: need,
            system,
        });
    }
    let fits = pref_address
        .checked_add(need)
        .is_some_and(|end| end <= FOUR_GIB);
    if !fits || pref_address < MIB {
        return Err(LinuxImageError::PreferredAddress {
            pref_address,
            init_size: need,
        });
    }
    if !pref_address.is_multiple_of(PAGE_SIZE)
        || (setup.relocatable && !pref_address.is_multiple_of(alignment.into()))
    {
        return Err(LinuxImageError::Unaligned {
            pref_address,
            alignment,
        });
    }
    if setup.cmdline_size == 0 || u64::from(setup.initrd_addr_max) < MIB {
        return Err(LinuxImageError::Limits {
            cmdline_size: setup.cmdline_size,
            initrd_addr_max: setup.initrd_addr_max,
        });
    }
    Ok(())
}

/// Returns the location of the compressed kernel. It is for display only, so an
/// invalid one is a warning.
fn payload(header: &SetupHeader, system: &[u8], warnings: &mut Vec<String>) -> Option<Payload> {
    let payload = Payload {
        offset: header.payload_offset.get(),
        length: header.payload_length.get(),
    };
    if payload.length == 0 {
        return None;
    }
    let (offset, length) = (payload.offset.into(), payload.length.into());
    if slice(system, offset, length).is_none() {
        warnings.push(format!(
            "its payload ({length:#x} bytes at {offset:#x}) is not in the {:#x} bytes of its \
             protected-mode part: it will not unpack",
            system.len()
        ));
        return None;
    }
    Some(payload)
}

/// The NUL-terminated version string in the setup code.
fn version_string(file: &[u8], at: u16, warnings: &mut Vec<String>) -> Option<String> {
    let at = usize::from(at);
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
