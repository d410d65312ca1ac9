//! Errors about images.

use super::messages;
use mbtool::image::ImageErrorReason;

#[test]
fn reasons() {
    messages!(ImageErrorReason {
        NotMultiboot2: [ImageErrorReason::NotMultiboot2 {
            found: "it is a cpio archive".into(),
            advice: "give it with --initrd".into()
        }],
        NotThis: [ImageErrorReason::NotThis {
            wanted: "Linux",
            found: "it is a text file".into(),
            advice: "check the path".into()
        }],
        Multiboot1: [ImageErrorReason::Multiboot1 {
            offset: 0x100,
            detail: "flags 0x10 are unknown".into()
        }],
        Pvh: [ImageErrorReason::Pvh(
            "note 18 has 3 bytes, expected 4 or 8".into()
        )],
        Architecture: [ImageErrorReason::Architecture {
            offset: 0x100,
            arch: 4,
            name: "MIPS"
        }],
        HeaderLength: [ImageErrorReason::HeaderLength {
            offset: 0x100,
            length: 0x17,
            room: 0x300,
            limit: "the end of the file"
        }],
        TagSize: [ImageErrorReason::TagSize {
            kind: 3,
            offset: 0x110,
            found: 8,
            expected: "at least 0xc".into()
        }],
        NoEndTag: [ImageErrorReason::NoEndTag {
            offset: 0x100,
            length: 0x20
        }],
        DuplicateTag: [ImageErrorReason::DuplicateTag {
            kind: 4,
            first: 0x110,
            second: 0x120
        }],
        UnknownRequiredTag: [ImageErrorReason::UnknownRequiredTag {
            kind: 99,
            offset: 0x110
        }],
        EfiBootServices: [ImageErrorReason::EfiBootServices { offset: 0x110 }],
        OnlyEfiEntry: [ImageErrorReason::OnlyEfiEntry { kind: 9 }],
        Relocatable: [ImageErrorReason::Relocatable {
            offset: 0x110,
            detail: "alignment 3 is no power of two".into()
        }],
        NoAddresses: [ImageErrorReason::NoAddresses { offset: 0x100 }],
        NoEntryAddress: [ImageErrorReason::NoEntryAddress],
        Address: [ImageErrorReason::Address(
            "load_addr 0x2000 is above header_addr 0x1000".into()
        )],
        Elf: [ImageErrorReason::Elf(
            "is ELF for machine 40, not x86".into()
        )],
        Linux: [ImageErrorReason::Linux(
            "boot protocol 2.00, at least 2.06 is needed".into()
        )],
        ProgramHeader: [ImageErrorReason::ProgramHeader {
            index: 2,
            detail: "ends at 0x3000, the file has 0x2000 bytes".into()
        }],
        Conflict: [ImageErrorReason::Conflict {
            first: 0,
            second: 2,
            addr: 0x10_0000
        }],
        TooMuchMemory: [ImageErrorReason::TooMuchMemory {
            total: 0x1_0000_1000
        }],
        Entry: [ImageErrorReason::Entry {
            entry: 0x40_0000,
            source_of: "its ELF header",
            segments: "0x100000-0x200000".into()
        }],
        RelocationType: [ImageErrorReason::RelocationType {
            kind: 1,
            name: "R_X86_64_64",
            count: 3,
            first: 0x10_0010,
            relative: "R_X86_64_RELATIVE (8)"
        }],
        Relocations: [ImageErrorReason::Relocations(
            "DT_RELASZ without DT_RELA".into()
        )],
        Fixed: [ImageErrorReason::Fixed {
            linked: 0x10_0000,
            base: 0x20_0000
        }],
        Overflow: [ImageErrorReason::Overflow { base: u64::MAX }],
    });
}
