//! Why a file is not the image that it was taken for: what it is instead, and what to do.

use super::bytes::read_at;
use super::error::ImageErrorReason;
use super::header::{self, NoHeader};
use super::{cpio, elf, linux, mb1, pe};
use crate::abi::multiboot2::Mb2HeaderStart;
use crate::decompress::Compression;
use multiboot2_header::{HEADER_SEARCH_LIMIT, HeaderTagISA};
use zerocopy::little_endian::U32;

/// How far past the specified limit a Multiboot2 header is searched for, in
/// bytes.
const STRAY_LIMIT: usize = 1 << 20;

/// Explains a file without a Multiboot (1) header.
pub(super) fn not_multiboot1(file: &[u8]) -> ImageErrorReason {
    let (found, _) = container(file);
    let magic = (0..file.len().min(mb1::SEARCH_LIMIT))
        .step_by(4)
        .find(|at| read_at::<U32>(file, *at).is_some_and(|magic| magic == mb1::MAGIC));
    let (found, advice) = match magic {
        Some(at) => (
            format!(
                "the magic number at offset {at:#x} is not followed by flags and a checksum that make a sum of 0"
            ),
            "correct the checksum, or leave out --type multiboot",
        ),
        None => (
            found,
            "leave out --type, or give a kernel with a Multiboot (1) header in its first 8 KiB",
        ),
    };
    ImageErrorReason::NotThis {
        wanted: "Multiboot (1)",
        found,
        advice: advice.into(),
    }
}

/// Explains a file without a Multiboot2 header for x86.
pub(super) fn not_multiboot2(file: &[u8], why: NoHeader) -> ImageErrorReason {
    if let NoHeader::Foreign { offset, arch } = why {
        let mips = arch == HeaderTagISA::MIPS32.val();
        let name = if mips { "32-bit MIPS" } else { "unknown" };
        return ImageErrorReason::Architecture { offset, arch, name };
    }
    let (found, advice) = stray_header(file).unwrap_or_else(|| {
        let (found, advice) = container(file);
        (found, advice.to_string())
    });
    ImageErrorReason::NotMultiboot2 { found, advice }
}

/// Explains a PE image, whether it carries a Multiboot2 header (as xen.efi does,
/// where it is of no use) or not.
pub(super) fn pe(file: &[u8]) -> ImageErrorReason {
    let (found, advice) = pe::kind(file).describe();
    ImageErrorReason::NotMultiboot2 {
        found,
        advice: advice.into(),
    }
}

/// Describes a header that is misplaced or has a wrong checksum.
fn stray_header(file: &[u8]) -> Option<(String, String)> {
    let mut bad_sum = None;
    for at in (0..file.len().min(STRAY_LIMIT)).step_by(4) {
        let Some(start) = read_at(file, at).filter(Mb2HeaderStart::has_magic) else {
            continue;
        };
        let whole = start.is_header();
        if whole && at >= HEADER_SEARCH_LIMIT {
            return Some((
                format!("it has a header at offset {at:#x}, past the first 32768 bytes"),
                "the linker script must put the header's section first".into(),
            ));
        }
        if whole && at % header::ALIGN != 0 {
            return Some((
                format!("it has a header at offset {at:#x}, which is not a multiple of 8"),
                "align the header's section to 8 bytes".into(),
            ));
        }
        bad_sum = bad_sum.or((!whole).then_some((at, start)));
    }
    let (at, start) = bad_sum?;
    let (found, expected) = (start.checksum.get(), start.expected_checksum());
    Some((
        format!(
            "the magic number at offset {at:#x} is followed by checksum {found:#010x} where \
             {expected:#010x} is needed"
        ),
        "correct the checksum, or give another file if this is not a header at all".into(),
    ))
}

/// Returns the type of `file` as a noun, and a suggested fix.
fn container(file: &[u8]) -> (String, &'static str) {
    const OTHER: &str = "give a kernel with a Multiboot2 header in its first 32 KiB";
    if let Some(format) = Compression::sniff(file) {
        return (
            format!("it is {format} data inside another compressed file"),
            "only one layer is unpacked: unpack it once manually",
        );
    }
    if linux::is_bzimage(file) {
        return (
            "it is a Linux bzImage".into(),
            "leave out --type, or give --type linux",
        );
    }
    if let Some(at) = mb1::find(file) {
        return (
            format!("it has only a Multiboot 1 header (at offset {at:#x})"),
            "leave out --type, or give --type multiboot",
        );
    }
    if pe::is_pe(file) {
        return pe::kind(file).describe();
    }
    if elf::is_elf(file) {
        return match elf::file_header(file) {
            Ok(header) => (
                format!(
                    "it is ELF (type {}, machine {}) without such a header",
                    header.e_type, header.e_machine
                ),
                OTHER,
            ),
            Err(reason) => (format!("it is damaged ELF ({reason})"), OTHER),
        };
    }
    if cpio::is_archive(file) {
        return (
            "it is a cpio archive, such as an initrd".into(),
            "give it with --module",
        );
    }
    if file.starts_with(b"#!") {
        return ("it is a script".into(), OTHER);
    }
    if file.iter().take(4096).all(|byte| *byte == 0) {
        return (
            "its first 4096 bytes are zero, as in a disk image".into(),
            OTHER,
        );
    }
    let head: Vec<String> = file
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (
        format!("it begins with {} and is nothing known", head.join(" ")),
        OTHER,
    )
}
