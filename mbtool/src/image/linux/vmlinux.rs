//! An ELF `vmlinux`: the kernel as a bzImage unpacks it, entered directly.
//!
//! Its `startup_64` takes any physical address that differs from the linked one
//! by a multiple of 2 MiB: it corrects its page tables and `phys_base`, and its
//! virtual addresses stay. So it can be moved without relocations. There is no
//! address randomization, which the decompressor does.

use super::super::error::{ImageErrorReason, LinuxImageError};
use super::super::{Preference, Relocatable, elf};
use super::{CMDLINE_SIZE, Setup, VMLINUX_PROTOCOL};
use crate::abi::boot_params::{SetupHeader, XLoadFlags};
use crate::image::layout::ImageLayout;
use ::elf::abi::{EM_X86_64, ET_DYN, ET_EXEC};
use ::elf::file::Class;
use handoff::addr::MIB;
use zerocopy::FromZeros;

/// Alignment of the difference between physical load address and link address.
const STEP: u64 = 2 * MIB;
/// Start of the banner string that every kernel contains.
const BANNER: &[u8] = b"Linux version ";
/// Maximum accepted length of the banner, in bytes.
const BANNER_BYTES: usize = 512;

/// True for an x86-64 ELF program with the banner of Linux in it.
pub(in crate::image) fn is_vmlinux(file: &[u8]) -> bool {
    let fits = elf::file_header(file).is_ok_and(|header| {
        header.e_machine == EM_X86_64
            && header.class == Class::ELF64
            && matches!(header.e_type, ET_EXEC | ET_DYN)
    });
    fits && banner(file).is_some()
}

/// Lays out a vmlinux.
pub(in crate::image) fn layout(
    file: &[u8],
) -> Result<(ImageLayout, Setup, Option<Relocatable>), ImageErrorReason> {
    let header = elf::file_header(file)?;
    if header.e_machine != EM_X86_64 || header.class != Class::ELF64 {
        return Err(LinuxImageError::Not64Bit {
            machine: header.e_machine,
        }
        .into());
    }
    let mut layout = elf::layout_entered(file, elf::EntryAddress::Physical)?;
    let ends = layout.segments.iter().map(|segment| segment.range);
    let start = ends.clone().map(|range| range.start).min().unwrap_or(0);
    let size = ends.map(|range| range.end).max().unwrap_or(0) - start;
    let kernel_version = banner(file);
    if kernel_version.is_none() {
        layout.warnings.push(
            "no \"Linux version\" banner is in it: it is started as Linux nevertheless".into(),
        );
    }
    let relocatable = start.is_multiple_of(STEP).then_some(Relocatable {
        min: STEP,
        max: u64::from(u32::MAX),
        align: STEP,
        preference: Preference::Highest,
    });
    let setup = Setup {
        kernel_version,
        version: VMLINUX_PROTOCOL,
        bzimage: false,
        setup_sects: 0,
        system_bytes: 0,
        alignment: 0x20_0000,
        min_alignment: 0x20_0000,
        relocatable: relocatable.is_some(),
        pref_address: start,
        init_size: u32::try_from(size).unwrap_or(u32::MAX),
        cmdline_size: CMDLINE_SIZE,
        initrd_addr_max: u32::MAX,
        xloadflags: XLoadFlags::KERNEL_64 | XLoadFlags::EFI_KEXEC | XLoadFlags::FIVE_LEVEL,
        payload: None,
        header: Box::new(SetupHeader::new_zeroed()),
    };
    Ok((layout, setup, relocatable))
}

/// Returns the text after "Linux version ", up to the end of the line.
fn banner(file: &[u8]) -> Option<String> {
    let mut rest = file;
    loop {
        let at = memchr::memmem::find(rest, BANNER)?;
        rest = rest.get(at + BANNER.len()..)?;
        let text = rest.get(..BANNER_BYTES).unwrap_or(rest);
        let end = text.iter().position(|byte| matches!(byte, b'\n' | 0))?;
        let text = text.get(..end).unwrap_or_default();
        let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        if printable && text.first().is_some_and(u8::is_ascii_digit) {
            return Some(String::from_utf8_lossy(text).into_owned());
        }
    }
}
