//! Detects the kind of a file by its first bytes.

use super::header::{self, NoHeader};
use super::pe::is_pe;
use super::{elf, linux, mb1, pvh};
use serde::Serialize;

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
        Ok(_) | Err(NoHeader::Foreign { .. }) => FileKind::Multiboot2,
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
