//! Headers and sections of PE images.

use super::bytes::{read_at, slice};
use crate::abi::pe::{PeSectionFlags, PeSectionHeader};
use goblin::pe::header::{CoffHeader, DosHeader};
use zerocopy::FromBytes;
use zerocopy::little_endian::U16;

/// Bytes of the PE signature.
const SIGNATURE: usize = 4;
/// Offset of `Subsystem` in the optional header, of 32 and of 64 bits.
const SUBSYSTEM: usize = 68;
/// Maximum number of sections (PE format, COFF file header).
const MAX_SECTIONS: u16 = 96;

/// True for a PE image: "MZ" and a PE signature where it points to.
#[must_use]
pub(super) fn is_pe(file: &[u8]) -> bool {
    DosHeader::parse(file).is_ok()
}

/// The COFF header of a PE image, and the offset of the optional header.
pub(super) fn coff(file: &[u8]) -> Option<(CoffHeader, usize)> {
    let at = usize::try_from(DosHeader::parse(file).ok()?.pe_pointer).ok()?;
    let mut end = at.checked_add(SIGNATURE)?;
    let coff = CoffHeader::parse(file, &mut end).ok()?;
    Some((coff, end))
}

/// The headers of a PE image.
#[derive(Clone, Debug)]
pub(super) struct PeHeaders<'a> {
    /// `Machine` of the COFF header.
    pub(super) machine: u16,
    /// `Subsystem` of the optional header.
    pub(super) subsystem: u16,
    /// In file order.
    pub(super) sections: Vec<PeSection<'a>>,
}

/// A section.
#[derive(Clone, Debug)]
pub(super) struct PeSection<'a> {
    /// Empty if it is not UTF-8.
    pub(super) name: &'a str,
    /// Address, from the start of the image.
    pub(super) address: u64,
    /// Bytes in memory.
    pub(super) size: u64,
    /// Offset of its bytes in the file.
    pub(super) offset: u64,
    /// Bytes of the file without the padding; `None` if the file ends before them.
    pub(super) data: Option<&'a [u8]>,
    /// True for relocations and debug information.
    pub(super) discardable: bool,
}

impl<'a> PeHeaders<'a> {
    /// Reads them; `None` if the file is cut short, or there are too many sections.
    ///
    /// goblin's own list of sections is not used: it resolves names that are offsets into a string table, which images
    /// do not have. In a hostile file each of them can be as long as the file.
    pub(super) fn read(file: &'a [u8]) -> Option<Self> {
        let (coff, optional) = coff(file)?;
        let subsystem: U16 = read_at(file, optional.checked_add(SUBSYSTEM)?)?;
        let table = optional.checked_add(coff.size_of_optional_header.into())?;
        let count = coff.number_of_sections;
        if count > MAX_SECTIONS {
            return None;
        }
        let headers = file.get(table..)?;
        let (headers, _) =
            <[PeSectionHeader]>::ref_from_prefix_with_elems(headers, count.into()).ok()?;
        Some(Self {
            machine: coff.machine,
            subsystem: subsystem.get(),
            sections: headers
                .iter()
                .map(|header| PeSection::read(file, header))
                .collect(),
        })
    }

    /// The first section with this name.
    pub(super) fn section(&self, name: &str) -> Option<&PeSection<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl<'a> PeSection<'a> {
    fn read(file: &'a [u8], header: &'a PeSectionHeader) -> Self {
        let name = header.name.split(|&byte| byte == 0).next();
        let raw = u64::from(header.size_of_raw_data.get());
        let size = match u64::from(header.virtual_size.get()) {
            // as old linkers leave it
            0 => raw,
            size => size,
        };
        let at = u64::from(header.pointer_to_raw_data.get());
        let flags = PeSectionFlags::from_bits_retain(header.characteristics.get());
        Self {
            name: str::from_utf8(name.unwrap_or_default()).unwrap_or_default(),
            address: header.virtual_address.get().into(),
            size,
            offset: at,
            data: match raw.min(size) {
                0 => Some(&[]),
                len => slice(file, at, len),
            },
            discardable: flags.contains(PeSectionFlags::DISCARDABLE),
        }
    }
}
