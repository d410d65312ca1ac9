//! A bzImage as an image: one segment, entered 0x200 bytes into it.

use super::super::error::ImageErrorReason;
use super::super::{Format, LoadSegment, Preference, Relocatable};
use super::{Setup, setup};
use crate::image::layout::ImageLayout;
use handoff::addr::PhysRange;

/// Offset of the 64-bit entry point from the load address (boot.rst, "64-bit
/// Boot Protocol").
const ENTRY: u64 = 0x200;

/// Lays out a bzImage.
///
/// A relocatable bzImage may be loaded at or above `pref_address`. Below, the
/// kernel would move itself up to `pref_address`, into memory that the planner
/// has not reserved.
pub(in crate::image) fn layout(
    file: &[u8],
) -> Result<(ImageLayout, Setup, Option<Relocatable>), ImageErrorReason> {
    let mut warnings = Vec::new();
    let (setup, system) = setup::parse(file, &mut warnings)?;
    let start = setup.pref_address;
    let range = PhysRange {
        start,
        end: start + u64::from(setup.init_size),
    };
    let relocatable = setup.relocatable.then_some(Relocatable {
        min: start,
        max: u64::from(u32::MAX),
        align: setup.alignment.into(),
        preference: Preference::Highest,
    });
    let layout = ImageLayout {
        format: Format::BzImage,
        position_independent: false,
        segments: vec![LoadSegment {
            range,
            data: system.to_vec(),
        }],
        entry: Some(start + ENTRY),
        notes: Vec::new(),
        sections: None,
        relocs: Vec::new(),
        align: setup.alignment.into(),
        warnings,
    };
    Ok((layout, setup, relocatable))
}
