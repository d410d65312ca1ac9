//! The Multiboot (1) header: finding and reading it (Multiboot specification
//! 0.6.96, section 3.1).
//!
//! 1. It lies entirely in the first 8192 bytes, at a multiple of 4.
//! 2. Magic, flags and checksum add up to 0 modulo 2^32. A magic number with
//!    another sum is ignored, and the search continues.
//! 3. Flags 0-15 must be understood, flags 16-31 may be ignored.
//! 4. With flag 16 the header has the load addresses, and the format of the
//!    file does not matter. Without it the file must be ELF: 32-bit by the
//!    specification, and 64-bit too, as in GRUB.

use super::bytes::read_at;
use super::error::{AddressFieldsError, ImageErrorReason, Mb1HeaderError};
use super::layout::ImageLayout;
use super::{Requirements, elf, flat};
use crate::abi::multiboot1::{Mb1HeaderAddresses, Mb1HeaderFlags, Mb1HeaderStart, Mb1HeaderVideo};
use serde::{Serialize, Serializer};

/// Magic number of the header.
pub const MAGIC: u32 = 0x1bad_b002;
/// The header must end within this many bytes of the file.
pub const SEARCH_LIMIT: usize = 8192;

/// The fields that flag 16 makes valid: physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddressFields {
    /// Load address of the header.
    pub header_addr: u32,
    /// Load address of the first byte.
    pub load_addr: u32,
    /// End of the loaded bytes; 0: end of the file.
    pub load_end_addr: u32,
    /// End of zero-filled memory after them; 0: none.
    pub bss_end_addr: u32,
    /// Physical entry point.
    pub entry_addr: u32,
}

/// Video mode requested with flag 2. Zero means no preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VideoMode {
    /// 0 linear graphics, 1 EGA text.
    pub mode_type: u32,
    /// Pixels or columns.
    pub width: u32,
    /// Pixels or rows.
    pub height: u32,
    /// Bits per pixel, 0 for text.
    pub depth: u32,
}

/// A Multiboot (1) header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mb1Header {
    /// Offset in the unpacked file, in bytes.
    pub offset: u64,
    /// Flags field.
    #[serde(serialize_with = "number")]
    pub flags: Mb1HeaderFlags,
    /// Address fields, present with flag 16.
    pub address: Option<AddressFields>,
    /// Video fields, present with flag 2.
    pub video: Option<VideoMode>,
}

fn number<S: Serializer>(flags: &Mb1HeaderFlags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(flags.bits())
}

impl Mb1Header {
    /// True when all bits of `flags` are set.
    #[must_use]
    pub const fn has(&self, flags: Mb1HeaderFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Converts the header to the fields of a Multiboot2 header.
    fn requirements(&self) -> Requirements {
        Requirements {
            header_offset: self.offset,
            entry_address: self.address.map(|address| address.entry_addr),
            module_align: self.has(Mb1HeaderFlags::ALIGN_MODULES),
            ..Requirements::default()
        }
    }
}

/// Returns the offset of the header, found by magic number and checksum.
#[must_use]
pub fn find(file: &[u8]) -> Option<usize> {
    let head = file.get(..file.len().min(SEARCH_LIMIT))?;
    (0..head.len())
        .step_by(4)
        .find(|at| read_at(head, *at).is_some_and(|start: Mb1HeaderStart| start.is_header()))
}

impl Mb1HeaderStart {
    /// True when the magic number and the checksum are right.
    const fn is_header(&self) -> bool {
        let sum = MAGIC
            .wrapping_add(self.flags.get())
            .wrapping_add(self.checksum.get());
        self.magic.get() == MAGIC && sum == 0
    }
}

/// Reads the header that [`find`] found at `at`.
///
/// # Errors
/// When it is cut short, or when it has unknown required flags.
pub fn read(file: &[u8], at: usize) -> Result<Mb1Header, ImageErrorReason> {
    let limit = file.len().min(SEARCH_LIMIT);
    let head = file.get(at..limit).unwrap_or_default();
    let refuse = |why| Err(ImageErrorReason::Multiboot1 { offset: at, why });
    let short = Mb1HeaderError::Short {
        left: head.len(),
        limit,
    };
    let Some(start) = read_at::<Mb1HeaderStart>(head, 0) else {
        return refuse(short);
    };
    let flags = Mb1HeaderFlags::from_bits_retain(start.flags.get());
    let unknown = flags.difference(Mb1HeaderFlags::KNOWN);
    let required = unknown.intersection(Mb1HeaderFlags::REQUIRED);
    if !required.is_empty() {
        return refuse(Mb1HeaderError::Flags {
            flags: flags.bits(),
            unknown: bits(required),
        });
    }
    let mut at_fields = size_of::<Mb1HeaderStart>();
    let fields: Option<Mb1HeaderAddresses> = read_at(head, at_fields);
    at_fields += size_of::<Mb1HeaderAddresses>();
    let video: Option<Mb1HeaderVideo> = read_at(head, at_fields);
    let has_address = flags.contains(Mb1HeaderFlags::ADDRESS_FIELDS);
    if has_address && fields.is_none() {
        return refuse(short);
    }
    let has_video = flags.contains(Mb1HeaderFlags::VIDEO_MODE);
    Ok(Mb1Header {
        offset: u64::try_from(at).unwrap_or(u64::MAX),
        flags,
        address: fields.filter(|_| has_address).map(|fields| AddressFields {
            header_addr: fields.header_addr.get(),
            load_addr: fields.load_addr.get(),
            load_end_addr: fields.load_end_addr.get(),
            bss_end_addr: fields.bss_end_addr.get(),
            entry_addr: fields.entry_addr.get(),
        }),
        video: video.filter(|_| has_video).map(|mode| VideoMode {
            mode_type: mode.mode_type.get(),
            width: mode.width.get(),
            height: mode.height.get(),
            depth: mode.depth.get(),
        }),
    })
}

/// Lays out the program that `header` was found in.
pub(super) fn layout(
    file: &[u8],
    header: &Mb1Header,
) -> Result<(Requirements, ImageLayout), ImageErrorReason> {
    let offset = usize::try_from(header.offset).unwrap_or(usize::MAX);
    let refuse = |why| ImageErrorReason::Multiboot1 { offset, why };
    let mut warnings = Vec::new();
    let mut layout = if let Some(address) = header.address {
        if elf::is_elf(file) {
            warnings.push("its address fields are used and its ELF header ignored".into());
        }
        if address.load_addr > address.header_addr || address.load_addr == u32::MAX {
            return Err(refuse(Mb1HeaderError::Address(
                AddressFieldsError::LoadAboveHeader {
                    load_addr: address.load_addr.into(),
                    header_addr: address.header_addr.into(),
                },
            )));
        }
        let fields = [
            address.header_addr,
            address.load_addr,
            address.load_end_addr,
            address.bss_end_addr,
        ];
        flat::layout(file, header.offset, fields).map_err(|why| refuse(why.into()))?
    } else if elf::is_elf(file) {
        elf::layout(file)?
    } else {
        return Err(refuse(Mb1HeaderError::NoAddresses));
    };
    if header.has(Mb1HeaderFlags::VIDEO_MODE) {
        warnings.push(
            "the image wants a video mode (header flag 2): none can be set or is known after \
             another kernel has run, and the boot information has none"
                .into(),
        );
    }
    // `read` refuses those that are required
    let unknown = header.flags.difference(Mb1HeaderFlags::KNOWN);
    if !unknown.is_empty() {
        warnings.push(format!(
            "header flags {} are optional and unknown: ignored",
            bits(unknown)
        ));
    }
    layout.warnings.splice(0..0, warnings);
    Ok((header.requirements(), layout))
}

/// Lists the bits that are set.
fn bits(flags: Mb1HeaderFlags) -> String {
    let set = (0..32).filter(|bit| flags.bits() & (1 << bit) != 0);
    set.map(|bit: u32| bit.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
