//! Converts header tags to [`Requirements`] (Multiboot2 specification, section
//! 3.1.3 and following).
//!
//! - A tag may be larger than its type requires (fields of a later revision),
//!   but never smaller.
//! - Several information request tags (1) are combined. Any other known tag may
//!   be repeated with the same contents, which is a warning; different contents
//!   are an error.
//! - An unknown tag that is not optional is refused, as the specification
//!   requires.

use super::error::{ImageErrorReason, RelocatableTagError, TagSizeRule};
use super::header::{Mb2Header, RawTag, TAG_BYTES};
use super::{
    ConsoleRequest, FramebufferRequest, InfoRequest, Preference, Relocatable, Requirements,
};
use crate::abi::multiboot2::ConsoleFlags;
use multiboot2_header::{HeaderTagType, RelocatableHeaderTagPreference};

/// Returns the name of a header tag's type.
#[must_use]
pub const fn name(kind: u16) -> &'static str {
    match known_name(kind) {
        Some(name) => name,
        None => "unknown",
    }
}

/// `None` for a type that the specification does not have.
const fn known_name(kind: u16) -> Option<&'static str> {
    Some(match HeaderTagType::from_val(kind) {
        HeaderTagType::End => "end",
        HeaderTagType::InformationRequest => "information request",
        HeaderTagType::Address => "address",
        HeaderTagType::EntryAddress => "entry address",
        HeaderTagType::ConsoleFlags => "console flags",
        HeaderTagType::Framebuffer => "framebuffer",
        HeaderTagType::ModuleAlign => "module alignment",
        HeaderTagType::EfiBS => "EFI boot services",
        HeaderTagType::EntryAddressEFI32 => "EFI i386 entry address",
        HeaderTagType::EntryAddressEFI64 => "EFI amd64 entry address",
        HeaderTagType::Relocatable => "relocatable",
        _ => return None,
    })
}

/// Returns the names of a tag's fields, in order; each is a 32-bit word. Empty
/// for tags without fields, for unknown ones, and for information requests.
#[must_use]
pub const fn fields(kind: u16) -> &'static [&'static str] {
    match HeaderTagType::from_val(kind) {
        HeaderTagType::Address => &["header_addr", "load_addr", "load_end_addr", "bss_end_addr"],
        HeaderTagType::ConsoleFlags => &["console_flags"],
        HeaderTagType::Framebuffer => &["width", "height", "depth"],
        HeaderTagType::EntryAddress
        | HeaderTagType::EntryAddressEFI32
        | HeaderTagType::EntryAddressEFI64 => &["entry_addr"],
        HeaderTagType::Relocatable => &["min_addr", "max_addr", "align", "preference"],
        _ => &[],
    }
}

/// Converts the tags to requirements, and adds warnings.
///
/// # Errors
/// When a tag is malformed, contradicts another, is required and unknown, or
/// requires something that cannot be provided after a kernel has run.
pub fn collect(
    header: &Mb2Header,
    tags: &[RawTag<'_>],
) -> Result<(Requirements, Vec<String>), ImageErrorReason> {
    let mut requirements = Requirements {
        header_offset: u64::try_from(header.offset).unwrap_or(u64::MAX),
        ..Requirements::default()
    };
    let mut warnings = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let kind = HeaderTagType::from_val(tag.kind);
        let known = known_name(tag.kind).is_some();
        if known && kind != HeaderTagType::InformationRequest {
            let earlier = tags.get(..index).unwrap_or_default();
            if let Some(first) = earlier.iter().find(|first| first.kind == tag.kind) {
                if (first.flags, first.payload) != (tag.flags, tag.payload) {
                    return Err(ImageErrorReason::DuplicateTag {
                        kind: tag.kind,
                        first: first.offset,
                        second: tag.offset,
                    });
                }
                warnings.push(format!("header tag {} appears twice", tag.kind));
                continue;
            }
        }
        match kind {
            HeaderTagType::InformationRequest => {
                requirements.info_requests.extend(info_request(tag)?);
            }
            HeaderTagType::Address => requirements.address = Some(words(tag)?),
            HeaderTagType::EntryAddress => requirements.entry_address = Some(word(tag)?),
            HeaderTagType::ConsoleFlags => {
                let flags = ConsoleFlags::from_bits_retain(word(tag)?);
                requirements.console = Some(ConsoleRequest {
                    flags,
                    required: tag.required(),
                });
            }
            HeaderTagType::Framebuffer => {
                let [width, height, depth] = words(tag)?;
                let required = tag.required();
                requirements.framebuffer = Some(FramebufferRequest {
                    width,
                    height,
                    depth,
                    required,
                });
            }
            HeaderTagType::ModuleAlign => requirements.module_align = true,
            HeaderTagType::EfiBS if tag.required() => {
                return Err(ImageErrorReason::EfiBootServices { offset: tag.offset });
            }
            HeaderTagType::EfiBS => requirements.efi_boot_services = true,
            HeaderTagType::EntryAddressEFI32 => requirements.efi32_entry = Some(word(tag)?),
            HeaderTagType::EntryAddressEFI64 => requirements.efi64_entry = Some(word(tag)?),
            HeaderTagType::Relocatable => requirements.relocatable = Some(relocatable(tag)?),
            _ if tag.required() => {
                return Err(ImageErrorReason::UnknownRequiredTag {
                    kind: tag.kind,
                    offset: tag.offset,
                });
            }
            _ => requirements.ignored_tags.push(tag.kind),
        }
    }
    Ok((requirements, warnings))
}

/// Reads the first `N` words of a tag; fails when it is shorter.
fn words<const N: usize>(tag: &RawTag<'_>) -> Result<[u32; N], ImageErrorReason> {
    let mut values = [0; N];
    let mut words = tag.words();
    for value in &mut values {
        *value = words.next().ok_or_else(|| ImageErrorReason::TagSize {
            kind: tag.kind,
            offset: tag.offset,
            found: tag.size,
            expected: TagSizeRule::AtLeast(TAG_BYTES + 4 * N),
        })?;
    }
    Ok(values)
}

fn word(tag: &RawTag<'_>) -> Result<u32, ImageErrorReason> {
    words::<1>(tag).map(|[value]| value)
}

/// Tag 1: numbers of information tags.
fn info_request(tag: &RawTag<'_>) -> Result<Vec<InfoRequest>, ImageErrorReason> {
    if !tag.payload.len().is_multiple_of(4) {
        return Err(ImageErrorReason::TagSize {
            kind: tag.kind,
            offset: tag.offset,
            found: tag.size,
            expected: TagSizeRule::Words,
        });
    }
    let required = tag.required();
    let request = |tag| InfoRequest { tag, required };
    Ok(tag.words().map(request).collect())
}

/// Tag 10: min, max (inclusive), align, preference. An alignment of 0 means no
/// alignment.
fn relocatable(tag: &RawTag<'_>) -> Result<Relocatable, ImageErrorReason> {
    let [min, max, align, preference] = words(tag)?;
    let refuse = |why| ImageErrorReason::Relocatable {
        offset: tag.offset,
        why,
    };
    if min > max {
        return Err(refuse(RelocatableTagError::Order { min, max }));
    }
    let align = align.max(1);
    if !align.is_power_of_two() {
        return Err(refuse(RelocatableTagError::Alignment(align)));
    }
    let preference = match RelocatableHeaderTagPreference::from_val(preference) {
        RelocatableHeaderTagPreference::None => Preference::None,
        RelocatableHeaderTagPreference::Low => Preference::Lowest,
        RelocatableHeaderTagPreference::High => Preference::Highest,
        _ => {
            return Err(refuse(RelocatableTagError::Preference(preference)));
        }
    };
    let [min, max, align] = [min, max, align].map(u64::from);
    Ok(Relocatable {
        min,
        max,
        align,
        preference,
    })
}
