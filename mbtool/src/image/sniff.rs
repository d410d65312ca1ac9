//! Detects the type of a file that is not Multiboot2, and suggests a fix.

use super::bytes::u32_at;
use super::error::ImageErrorReason;
use super::{elf, header, linux, mb1, pvh};
use crate::decompress::Compression;
use multiboot2_header::{HEADER_SEARCH_LIMIT, MAGIC};
use serde::Serialize;

/// Description of a PE image, and a suggested fix.
const PE: (&str, &str) = (
    "it is a PE image (an EFI application)",
    "give the ELF build of the same kernel (xen.gz, not xen.efi)",
);
/// How far past the specified limit a Multiboot2 header is searched for, in
/// bytes.
const STRAY_LIMIT: usize = 1 << 20;

/// Type of a file, detected from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Has a Multiboot2 header for any architecture. A PE image counts only with
    /// an address tag; without one its header is unusable.
    Multiboot2,
    /// Linux: a bzImage, or an ELF vmlinux with its banner.
    Linux,
    /// Has a Multiboot (1) header and none of the above.
    Multiboot,
    /// PE image, such as an EFI application.
    Pe,
    /// ELF with a PVH entry point (Xen ELF note 18) and none of the above.
    Pvh,
    /// ELF without any of the above.
    Elf,
    /// Unknown type.
    Unknown,
}

/// Returns the type of an unpacked file: the first of [`FileKind`] that matches.
#[must_use]
pub fn kind(file: &[u8]) -> FileKind {
    match header::find(file) {
        Ok(header) if is_pe(file) && !placed_by_tag(file, &header) => FileKind::Pe,
        Ok(_) | Err(ImageErrorReason::Architecture { .. }) => FileKind::Multiboot2,
        Err(_) if linux::is_bzimage(file) || linux::is_vmlinux(file) => FileKind::Linux,
        Err(_) if mb1::find(file).is_some() => FileKind::Multiboot,
        Err(_) if is_pe(file) => FileKind::Pe,
        Err(_) if pvh::is_pvh(file) => FileKind::Pvh,
        Err(_) if elf::is_elf(file) => FileKind::Elf,
        Err(_) => FileKind::Unknown,
    }
}

/// True when the header has an address tag (2).
fn placed_by_tag(file: &[u8], header: &header::Mb2Header) -> bool {
    header::tags(file, header).is_ok_and(|(tags, _)| tags.iter().any(|tag| tag.kind == 2))
}

/// Explains a file without a Multiboot (1) header.
pub(super) fn not_multiboot1(file: &[u8]) -> ImageErrorReason {
    let (found, _) = container(file);
    let magic = (0..file.len().min(mb1::SEARCH_LIMIT))
        .step_by(4)
        .find(|at| u32_at(file, *at) == Some(mb1::MAGIC));
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

/// Explains a file without a Multiboot2 header.
pub(super) fn not_multiboot2(file: &[u8]) -> ImageErrorReason {
    let (found, advice) = stray_header(file).unwrap_or_else(|| {
        let (found, advice) = container(file);
        (found, advice.to_string())
    });
    ImageErrorReason::NotMultiboot2 { found, advice }
}

/// True for a PE image: "MZ" and a PE signature where it points to.
#[must_use]
pub fn is_pe(file: &[u8]) -> bool {
    let signature = u32_at(file, 0x3c).and_then(|at| usize::try_from(at).ok());
    file.starts_with(b"MZ")
        && signature
            .and_then(|at| file.get(at..))
            .is_some_and(|rest| rest.starts_with(b"PE\0\0"))
}

/// Explains a PE image, with or without a Multiboot2 header (xen.efi has an
/// unusable one).
pub(super) fn pe() -> ImageErrorReason {
    let (found, advice) = PE;
    ImageErrorReason::NotMultiboot2 {
        found: found.into(),
        advice: advice.into(),
    }
}

/// Describes a header that is misplaced or has a wrong checksum.
fn stray_header(file: &[u8]) -> Option<(String, String)> {
    let mut bad_sum = None;
    for at in (0..file.len().min(STRAY_LIMIT)).step_by(4) {
        let word = |index: usize| u32_at(file, at + 4 * index);
        let (Some(MAGIC), Some(arch), Some(length), Some(checksum)) =
            (word(0), word(1), word(2), word(3))
        else {
            continue;
        };
        let whole = header::is_header(MAGIC, arch, length, checksum);
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
        bad_sum = bad_sum.or((!whole).then_some((at, arch, length, checksum)));
    }
    let (at, arch, length, found) = bad_sum?;
    let expected = 0_u32
        .wrapping_sub(MAGIC)
        .wrapping_sub(arch)
        .wrapping_sub(length);
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
    if is_pe(file) {
        return (PE.0.into(), PE.1);
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
    if file.starts_with(b"070701") || file.starts_with(b"070702") {
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
