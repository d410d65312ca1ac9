//! Kernels with their files in one PE image, which firmware starts: sections in place of files.
//!
//! - [`linux`]: a unified kernel image (UAPI.5): Linux, initrd, command line;
//! - [`xen`]: xen.efi with its configuration, dom0's kernel and initrd (Xen, docs/misc/efi.pandoc);
//! - [`config`]: that configuration.

pub mod config;
mod error;
pub mod linux;
#[cfg(test)]
mod tests;
pub mod xen;

pub use error::UnifiedError;
pub use linux::UnifiedLinux;
pub use xen::UnifiedXen;

use super::kind::{FileKind, FileMachine, PeFile, PeRole, UNIFIED_KERNEL, UNIFIED_XEN};
use super::pe::{PeHeaders, PeSection};

/// A file in a unified image, for a module or the initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnifiedPart<'a> {
    /// Its section, such as ".initrd".
    pub name: &'static str,
    /// Arguments of a module.
    pub args: String,
    /// Its bytes.
    pub data: &'a [u8],
}

/// A unified image for x86-64.
#[derive(Clone, Debug)]
pub enum Unified<'a> {
    /// Linux.
    Linux(UnifiedLinux<'a>),
    /// Xen.
    Xen(UnifiedXen<'a>),
}

impl<'a> Unified<'a> {
    /// Reads `file`, which is of this `kind`; `None` if it is no unified image that can be started.
    ///
    /// # Errors
    ///
    /// When a part of it is damaged.
    pub fn of(file: &'a [u8], kind: &FileKind) -> Result<Option<Self>, UnifiedError> {
        let FileKind::Pe(PeFile { machine, role }) = kind else {
            return Ok(None);
        };
        let Some(headers) = PeHeaders::read(file) else {
            return Ok(None);
        };
        Ok(match role {
            _ if *machine != Some(FileMachine::X86_64) => None,
            PeRole::UnifiedKernel(_) => Some(Self::Linux(UnifiedLinux::read(&headers)?)),
            PeRole::UnifiedXen(_) => Some(Self::Xen(UnifiedXen::read(&headers)?)),
            _ => None,
        })
    }
}

/// The sections of a unified image that are no code: name and bytes, in file order; `None` for one that is cut short.
#[must_use]
pub fn sections<'a>(file: &'a [u8], kind: &FileKind) -> Vec<(&'a str, Option<&'a [u8]>)> {
    let names: &[&str] = match kind {
        FileKind::Pe(pe) => match pe.role {
            PeRole::UnifiedKernel(_) | PeRole::KernelAddon(_) => &UNIFIED_KERNEL,
            PeRole::UnifiedXen(_) => &UNIFIED_XEN,
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let sections = PeHeaders::read(file).map(|headers| headers.sections);
    let sections = sections.into_iter().flatten();
    sections
        .filter(|section| names.contains(&section.name))
        .map(|section| (section.name, section.data))
        .collect()
}

/// The bytes of a section.
fn data<'a>(section: &PeSection<'a>, name: &'static str) -> Result<&'a [u8], UnifiedError> {
    section.data.ok_or(UnifiedError::CutShort { name })
}

/// The text of a section, without the NULs at its end.
fn text<'a>(bytes: &'a [u8], name: &'static str) -> Result<&'a str, UnifiedError> {
    let text = str::from_utf8(bytes).map_err(|_| UnifiedError::NotText { name })?;
    Ok(text.trim_end_matches('\0'))
}

/// The bytes before the first NUL, where systemd-stub ends a text.
#[must_use]
pub fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
