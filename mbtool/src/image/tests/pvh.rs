//! PVH notes, valid and invalid.

use super::super::synth::{pvh_kernel, words_to_bytes, xen_note};
use super::hostile::check;
use super::*;
use crate::image::error::PvhNoteError;
use proptest::prelude::*;

fn pvh(bytes: &[u8]) -> Result<Image, ImageErrorReason> {
    Image::parse_as(bytes, "test", As::Elf).map_err(|error| error.reason)
}

fn entry_note(entry: u64) -> Vec<u8> {
    xen_note(18, &entry.to_le_bytes())
}

#[test]
fn the_entry_point_comes_from_the_note() {
    let bytes = pvh_kernel(&[xen_note(6, b"linux\0"), entry_note(0x100_0080)]);
    for what in [As::Elf, As::Auto] {
        let image = Image::parse_as(&bytes, "test", what).unwrap();
        assert_eq!(image.protocol, Protocol::Pvh);
        assert_eq!(image.entry, 0x100_0080);
        assert_eq!(image.span, range(0x100_0000, 0x100_3000));
        assert_eq!(image.requirements.relocatable, None);
    }
    let short = pvh_kernel(&[xen_note(18, &0x100_0080_u32.to_le_bytes())]);
    assert_eq!(pvh(&short).unwrap().entry, 0x100_0080);
}

#[test]
fn placement_constraints_come_from_the_reloc_note() {
    let tag = |words: &[u32]| {
        let reloc = xen_note(19, &words_to_bytes(words));
        let image = pvh(&pvh_kernel(&[entry_note(0x100_0080), reloc])).unwrap();
        let tag = image.requirements.relocatable.unwrap();
        (tag.min, tag.max, tag.align)
    };
    let max = u64::from(u32::MAX);
    assert_eq!(
        tag(&[0x100_0000, 0x200_0000, 0x3fff_ffff]),
        (0x200_0000, 0x3fff_ffff, 0x100_0000)
    );
    assert_eq!(tag(&[0x1000]), (0, max, 0x1000));
    // from the program headers
    assert_eq!(tag(&[]), (0, max, 0x20_0000));
}

#[test]
fn invalid_notes_are_refused() {
    let reason = |notes: &[Vec<u8>]| pvh(&pvh_kernel(notes)).unwrap_err();
    assert!(matches!(reason(&[]), ImageErrorReason::NoPvhNote));
    assert!(matches!(
        reason(&[entry_note(0x100_0400)]),
        ImageErrorReason::Entry {
            entry: 0x100_0400,
            source_of: "its PVH note",
            ..
        }
    ));
    for bytes in [&[][..], &(1_u64 << 32).to_le_bytes()] {
        let bytes = bytes.to_vec();
        assert_eq!(
            reason(&[xen_note(18, &bytes)]),
            ImageErrorReason::Pvh(PvhNoteError::Entry { bytes })
        );
    }
    for (note, len, align, min, max) in [
        (vec![3, 0, 0, 0], 4, 3, 0, u32::MAX.into()),
        (vec![0; 16], 16, 0, 0, 0),
        (words_to_bytes(&[0x1000, 9, 8]), 12, 0x1000, 9, 8),
    ] {
        let why = PvhNoteError::Relocatable {
            len,
            align,
            min,
            max,
        };
        assert_eq!(
            reason(&[entry_note(0x100_0080), xen_note(19, &note)]),
            ImageErrorReason::Pvh(why)
        );
    }
}

proptest! {
    #[test]
    fn any_notes_are_accepted_or_refused(
        entry in prop::collection::vec(any::<u8>(), 0..12),
        reloc in prop::collection::vec(any::<u8>(), 0..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = pvh_kernel(&[xen_note(18, &entry), xen_note(19, &reloc)]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(image) = pvh(&bytes) {
            check(&bytes, &image);
        }
    }
}
