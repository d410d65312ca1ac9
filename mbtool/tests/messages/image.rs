//! Errors about images.

use super::messages;
use mbtool::image::Reason;

#[test]
fn reasons() {
    messages!(Reason {
        NotMultiboot2: [Reason::NotMultiboot2 {
            found: "it is a cpio archive".into(),
            advice: "give it with --initrd".into()
        }],
        NotThis: [Reason::NotThis {
            wanted: "Linux",
            found: "it is a text file".into(),
            advice: "check the path".into()
        }],
        Multiboot1: [Reason::Multiboot1 {
            offset: 0x100,
            detail: "flags 0x10 are unknown".into()
        }],
        Pvh: [Reason::Pvh("note 18 has 3 bytes, expected 4 or 8".into())],
        Architecture: [Reason::Architecture {
            offset: 0x100,
            arch: 4,
            name: "MIPS"
        }],
        HeaderLength: [Reason::HeaderLength {
            offset: 0x100,
            length: 0x17,
            room: 0x300,
            limit: "the end of the file"
        }],
        TagSize: [Reason::TagSize {
            kind: 3,
            offset: 0x110,
            found: 8,
            expected: "at least 0xc".into()
        }],
        NoEndTag: [Reason::NoEndTag {
            offset: 0x100,
            length: 0x20
        }],
        DuplicateTag: [Reason::DuplicateTag {
            kind: 4,
            first: 0x110,
            second: 0x120
        }],
        UnknownRequiredTag: [Reason::UnknownRequiredTag {
            kind: 99,
            offset: 0x110
        }],
        EfiBootServices: [Reason::EfiBootServices { offset: 0x110 }],
        OnlyEfiEntry: [Reason::OnlyEfiEntry { kind: 9 }],
        Relocatable: [Reason::Relocatable {
            offset: 0x110,
            detail: "alignment 3 is no power of two".into()
        }],
        NoAddresses: [Reason::NoAddresses { offset: 0x100 }],
        NoEntryAddress: [Reason::NoEntryAddress],
        Address: [Reason::Address(
            "load_addr 0x2000 is above header_addr 0x1000".into()
        )],
        Elf: [Reason::Elf("is ELF for machine 40, not x86".into())],
        Linux: [Reason::Linux(
            "boot protocol 2.00, at least 2.06 is needed".into()
        )],
        ProgramHeader: [Reason::ProgramHeader {
            index: 2,
            detail: "ends at 0x3000, the file has 0x2000 bytes".into()
        }],
        Conflict: [Reason::Conflict {
            first: 0,
            second: 2,
            addr: 0x10_0000
        }],
        TooMuchMemory: [Reason::TooMuchMemory {
            total: 0x1_0000_1000
        }],
        Entry: [Reason::Entry {
            entry: 0x40_0000,
            source_of: "its ELF header",
            segments: "0x100000-0x200000".into()
        }],
        RelocationType: [Reason::RelocationType {
            kind: 1,
            name: "R_X86_64_64",
            count: 3,
            first: 0x10_0010,
            relative: "R_X86_64_RELATIVE (8)"
        }],
        Relocations: [Reason::Relocations("DT_RELASZ without DT_RELA".into())],
        Fixed: [Reason::Fixed {
            linked: 0x10_0000,
            base: 0x20_0000
        }],
        Overflow: [Reason::Overflow { base: u64::MAX }],
    });
}
