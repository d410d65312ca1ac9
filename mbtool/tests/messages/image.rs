//! Errors about images.

use super::{messages, range};
use mbtool::decompress::{Compression, DecompressError};
use mbtool::image::error::{
    AddressFieldsError, ElfError, LinuxImageError, Mb1HeaderError, ProgramHeaderError,
    PvhNoteError, RelocatableTagError, RelocationError, StrayHeaderError, TagSizeRule, XenEfiError,
};
use mbtool::image::kind::{DataFile, ElfFile, ElfRole, FileMachine, PeFile, PeRole, SetupProgram};
use mbtool::image::linker::{LinkError, MAX_MEMORY, RelocationPlace};
use mbtool::image::linux::{DtImageError, ZImageError, ZbootError};
use mbtool::image::unified::UnifiedError;
use mbtool::image::{FileKind, ImageErrorReason};

fn not_an_image(kind: FileKind) -> ImageErrorReason {
    ImageErrorReason::NotAnImage { kind }
}

fn pe(machine: FileMachine, role: PeRole) -> ImageErrorReason {
    let machine = Some(machine);
    not_an_image(FileKind::Pe(PeFile { machine, role }))
}

fn elf_file(machine: FileMachine, role: ElfRole) -> ImageErrorReason {
    let machine = Some(machine);
    not_an_image(FileKind::Elf(ElfFile { machine, role }))
}

fn data(data: DataFile) -> ImageErrorReason {
    not_an_image(FileKind::Data(data))
}

fn not_this(wanted: &'static str, kind: FileKind) -> ImageErrorReason {
    ImageErrorReason::NotThis { wanted, kind }
}

#[test]
fn reasons() {
    messages!(ImageErrorReason {
        NotAnImage: [
            not_an_image(FileKind::Setup(SetupProgram::Ipxe)),
            not_an_image(FileKind::Setup(SetupProgram::Linux32)),
            not_an_image(FileKind::Setup(SetupProgram::ZImage)),
            pe(
                FileMachine::Arm64,
                PeRole::UnifiedKernel(vec![".linux".into(), ".initrd".into()])
            ),
            pe(
                FileMachine::X86_64,
                PeRole::KernelAddon(vec![".cmdline".into()])
            ),
            pe(
                FileMachine::Arm64,
                PeRole::UnifiedXen(vec![".config".into()])
            ),
            pe(FileMachine::Arm64, PeRole::Zboot("gzip".into())),
            pe(FileMachine::RiscV64, PeRole::Linux),
            pe(
                FileMachine::X86_64,
                PeRole::Application(Some("iPXE".into()))
            ),
            pe(FileMachine::X86_64, PeRole::Driver),
            pe(FileMachine::Pe(0x1234), PeRole::Other(3)),
            not_an_image(FileKind::Pe(PeFile {
                machine: None,
                role: PeRole::Damaged
            })),
            elf_file(FileMachine::X86_64, ElfRole::Program),
            elf_file(FileMachine::RiscV64, ElfRole::Linux),
            elf_file(FileMachine::X86_64, ElfRole::LinuxModule),
            elf_file(FileMachine::Elf(9999), ElfRole::Object),
            elf_file(FileMachine::X86_64, ElfRole::Vmcore),
            elf_file(FileMachine::X86_64, ElfRole::Core),
            elf_file(FileMachine::X86_64, ElfRole::Other(9)),
            not_an_image(FileKind::Elf(ElfFile {
                machine: None,
                role: ElfRole::Damaged
            })),
            not_an_image(FileKind::LinuxImage(FileMachine::Arm64)),
            not_an_image(FileKind::ArmZImage),
            not_an_image(FileKind::Compressed(Compression::Zstd)),
            not_an_image(FileKind::Empty),
            not_an_image(FileKind::Unknown(vec![1, 2, 3])),
            data(DataFile::Cpio { early: false }),
            data(DataFile::Cpio { early: true }),
            data(DataFile::Disk("qcow2")),
            data(DataFile::FileSystem("ISO 9660")),
            data(DataFile::DeviceTree),
            data(DataFile::BootContainer("FIT image")),
            data(DataFile::Archive("tar")),
            data(DataFile::Dump),
            data(DataFile::Script),
            data(DataFile::Text),
            data(DataFile::OptionRom),
            data(DataFile::Dos),
            data(DataFile::Zeros),
        ],
        NotThis: [
            not_this("Linux", FileKind::Multiboot2),
            not_this("Multiboot2", FileKind::Setup(SetupProgram::Linux64)),
            not_this("Multiboot2", FileKind::Vmlinux),
            not_this("Multiboot2", FileKind::Multiboot),
            not_this("Multiboot2", FileKind::Pvh),
            not_this(
                "Multiboot2",
                FileKind::Pe(PeFile {
                    machine: Some(FileMachine::X86_64),
                    role: PeRole::Xen
                })
            ),
        ],
        StrayHeader: [
            ImageErrorReason::StrayHeader {
                offset: 0x9000,
                why: StrayHeaderError::TooFar
            },
            ImageErrorReason::StrayHeader {
                offset: 0x104,
                why: StrayHeaderError::Unaligned
            },
            ImageErrorReason::StrayHeader {
                offset: 0x100,
                why: StrayHeaderError::Checksum {
                    found: 1,
                    expected: 2
                }
            },
        ],
        Multiboot1Checksum: [ImageErrorReason::Multiboot1Checksum { offset: 0x20 }],
        XenEfi: [
            ImageErrorReason::XenEfi {
                why: XenEfiError::Headers
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::CutShort
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::Overlap {
                    first: range(0x20_0000, 0x40_0000),
                    second: range(0x30_0000, 0x50_0000)
                }
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::TooLarge {
                    bytes: 0x800_0000,
                    max: 0x400_0000
                }
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::NoEntry
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::Addresses { efi: None }
            },
            ImageErrorReason::XenEfi {
                why: XenEfiError::Addresses { efi: Some(0x1000) }
            },
        ],
        Unified: [ImageErrorReason::Unified(UnifiedError::NoKernel)],
        NoPvhNote: [ImageErrorReason::NoPvhNote],
        Multiboot1: [ImageErrorReason::Multiboot1 {
            offset: 0x100,
            why: Mb1HeaderError::NoAddresses
        }],
        Pvh: [ImageErrorReason::Pvh(PvhNoteError::Entry {
            bytes: vec![1, 2, 3]
        })],
        Architecture: [ImageErrorReason::Architecture {
            offset: 0x100,
            arch: 4,
            name: "MIPS"
        }],
        HeaderLength: [ImageErrorReason::HeaderLength {
            offset: 0x100,
            length: 0x17,
            available: 0x300,
            limit: "the end of the file"
        }],
        TagSize: [ImageErrorReason::TagSize {
            kind: 3,
            offset: 0x110,
            found: 8,
            expected: TagSizeRule::AtLeast(0xc)
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
            why: RelocatableTagError::Alignment(3)
        }],
        NoAddresses: [ImageErrorReason::NoAddresses { offset: 0x100 }],
        NoEntryAddress: [ImageErrorReason::NoEntryAddress],
        Address: [ImageErrorReason::Address(
            AddressFieldsError::LoadAboveHeader {
                load_addr: 0x2000,
                header_addr: 0x1000
            }
        )],
        Elf: [ImageErrorReason::Elf(ElfError::Machine(40))],
        Linux: [ImageErrorReason::Linux(LinuxImageError::ZImage)],
        DtImage: [ImageErrorReason::DtImage(DtImageError::NoSize)],
        ZImage: [ImageErrorReason::ZImage(ZImageError::BigEndian {
            found: 0x0102_0304
        })],
        Zboot: [ImageErrorReason::Zboot(ZbootError::Unknown {
            name: "lzo".into()
        })],
        ProgramHeader: [ImageErrorReason::ProgramHeader {
            index: 2,
            why: ProgramHeaderError::CutShort {
                size: 0x2000,
                offset: 0x1000,
                len: 0x2000
            }
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
            RelocationError::SharedLibraries
        )],
        Fixed: [ImageErrorReason::Fixed {
            linked: 0x10_0000,
            base: 0x20_0000
        }],
        Overflow: [ImageErrorReason::Overflow { base: u64::MAX }],
    });
}

#[test]
fn unified() {
    messages!(UnifiedError {
        CutShort: [UnifiedError::CutShort { name: ".initrd" }],
        NotText: [UnifiedError::NotText { name: ".cmdline" }],
        Kernel: [UnifiedError::Kernel {
            name: ".linux",
            kind: FileKind::Data(DataFile::Text)
        }],
        NotInside: [UnifiedError::NotInside {
            key: "kernel",
            file: "vmlinuz-6.1".into(),
            section: ".kernel"
        }],
        NoKernel: [UnifiedError::NoKernel],
    });
}

#[test]
fn elf() {
    messages!(ElfError, no fix {
        Short: [ElfError::Short { len: 12 }],
        BigEndian: [ElfError::BigEndian],
        Class: [ElfError::Class(9)],
        Header: [ElfError::Header("bad version".into())],
        Machine: [ElfError::Machine(40)],
        Type: [ElfError::Type(1)],
        ProgramHeaders: [ElfError::ProgramHeaders { count: 1, size: 31, expected: 32 }],
        Table: [ElfError::Table { size: 0x20, offset: 0x1000, len: 0x234 }],
        Loads: [ElfError::Loads { count: 0, max: 128 }],
        SharedBytes: [ElfError::SharedBytes { stored: 0x3000, len: 0x1000 }],
    });
    messages!(ProgramHeaderError, no fix {
        CutShort: [ProgramHeaderError::CutShort { size: 0x2000, offset: 0x1000, len: 0x2000 }],
        TooMuchData: [ProgramHeaderError::TooMuchData { filesz: 0x101, memsz: 0x100 }],
        Wraps: [ProgramHeaderError::Wraps { memsz: 8, paddr: u64::MAX - 4, vaddr: 0 }],
        Above4Gib: [ProgramHeaderError::Above4Gib { memsz: 0x1000, paddr: 0xffff_f800 }],
        Interpreter: [ProgramHeaderError::Interpreter],
    });
    messages!(RelocationError, no fix {
        SharedLibraries: [RelocationError::SharedLibraries],
        EntrySize: [RelocationError::EntrySize {
            table: "DT_REL",
            size: 0x10,
            entsize: 0xc,
            expected: 8
        }],
        NotLoaded: [RelocationError::NotLoaded { table: "DT_REL", size: 0x800, addr: 0x10_0180 }],
        NoAddress: [RelocationError::NoAddress { offset: 8 }],
        TooMany: [RelocationError::TooMany(4 << 20)],
        Outside: [RelocationError::Outside { width: 8, vaddr: 0x20_0000 }],
        Split: [RelocationError::Split { addr: 0x10_0ffc }],
        InBss: [RelocationError::InBss { addr: 0x20_0000, missing: 0x10_0008, max: 0x1_0000 }],
    });
}

#[test]
fn headers() {
    messages!(TagSizeRule, no fix {
        End: [TagSizeRule::End],
        Words: [TagSizeRule::Words],
        AtLeast: [TagSizeRule::AtLeast(0xc)],
        UpTo: [TagSizeRule::UpTo(0x20)],
    });
    messages!(RelocatableTagError, no fix {
        Order: [RelocatableTagError::Order { min: 2, max: 1 }],
        Alignment: [RelocatableTagError::Alignment(3)],
        Preference: [RelocatableTagError::Preference(3)],
    });
    messages!(AddressFieldsError, no fix {
        BelowZero: [AddressFieldsError::BelowZero { header_offset: 0x80, header_addr: 0x40 }],
        LoadAboveHeader: [AddressFieldsError::LoadAboveHeader {
            load_addr: 0x2000,
            header_addr: 0x1000
        }],
        BeforeFile: [AddressFieldsError::BeforeFile { ahead: 0x81, header_offset: 0x80 }],
        Empty: [AddressFieldsError::Empty { load_end: 0x10_0000, load_addr: 0x10_0000 }],
        PastFile: [AddressFieldsError::PastFile {
            size: 0x201,
            offset: 0,
            len: 0x200,
            load_end: 0x10_0201
        }],
        Bss: [AddressFieldsError::Bss { bss_end: 0x10_01ff, end: 0x10_0200 }],
    });
    messages!(Mb1HeaderError, no fix {
        Flags: [Mb1HeaderError::Flags { flags: 0x33, unknown: "4, 5".into() }],
        Short: [Mb1HeaderError::Short { left: 28, limit: 8192 }],
        Address: [Mb1HeaderError::Address(AddressFieldsError::Bss {
            bss_end: 0x10_01ff,
            end: 0x10_0200
        })],
        NoAddresses: [Mb1HeaderError::NoAddresses],
    });
    messages!(PvhNoteError, no fix {
        Entry: [PvhNoteError::Entry { bytes: vec![1, 2, 3] }],
        Relocatable: [PvhNoteError::Relocatable { len: 4, align: 3, min: 0, max: 0xffff_ffff }],
    });
}

#[test]
fn linux() {
    messages!(ZbootError {
        Bounds: [ZbootError::Bounds {
            offset: 0x1000,
            size: 0x20_0000,
            len: 0x10_0000
        }],
        Unknown: [ZbootError::Unknown { name: "lzo".into() }],
        Unpack: [ZbootError::Unpack(DecompressError::TooLarge {
            what: "vmlinuz".into(),
            format: Compression::Gzip,
            limit: 4096
        })],
    });
    messages!(LinuxImageError, no fix {
        NoHeader: [LinuxImageError::NoHeader],
        NoRelocations: [LinuxImageError::NoRelocations],
        Short: [LinuxImageError::Short { len: 0x250, end: 0x264 }],
        Protocol: [LinuxImageError::Protocol { version: 0x20b }],
        HeaderEnd: [LinuxImageError::HeaderEnd {
            end: 0x242,
            jump: [0xeb, 0x40],
            version: 0x20f,
            needed: 0x264
        }],
        ZImage: [LinuxImageError::ZImage],
        No64BitEntry: [LinuxImageError::No64BitEntry { xloadflags: 0x7e }],
        ProtectedMode: [LinuxImageError::ProtectedMode {
            there: 0x1000,
            start: 0x800,
            expected: 0x3000
        }],
        Alignment: [LinuxImageError::Alignment {
            alignment: 3,
            min_alignment: 0x20_0000,
            max: 1 << 30
        }],
        InitSize: [LinuxImageError::InitSize { init_size: 0x1000, system: 0x3000 }],
        PreferredAddress: [LinuxImageError::PreferredAddress {
            pref_address: 0xffc0_0000,
            init_size: 0x80_0000
        }],
        Unaligned: [LinuxImageError::Unaligned { pref_address: 0x110_0000, alignment: 0x20_0000 }],
        Limits: [LinuxImageError::Limits { cmdline_size: 0, initrd_addr_max: 0x7fff_ffff }],
        Not64Bit: [LinuxImageError::Not64Bit { machine: 3 }],
        NoPayload: [LinuxImageError::NoPayload],
        Unpack: [LinuxImageError::Unpack(DecompressError::TooLarge {
            what: "vmlinuz".into(),
            format: Compression::Gzip,
            limit: 4096
        })],
        UnpackedSize: [LinuxImageError::UnpackedSize { size: 0, max: 1 << 30 }],
        UnpackedSizeTooSmall: [LinuxImageError::UnpackedSizeTooSmall {
            size: 0x10000,
            needed: 0x1a00000,
        }],
        NotPv: [LinuxImageError::NotPv],
        NotDom0: [LinuxImageError::NotDom0],
        NoMemory: [LinuxImageError::NoMemory],
    });
}

fn relocation(kind: u32) -> RelocationPlace {
    RelocationPlace {
        kind,
        section: ".text.start".into(),
        offset: 0x1c,
    }
}

#[test]
fn linking() {
    let symbol = || "memcpy".to_owned();
    messages!(LinkError {
        Elf: [LinkError::Elf {
            problem: "Unsupported ELF header".into()
        }],
        NotAnObject: [LinkError::NotAnObject {
            kind: 2,
            machine: 62
        }],
        Alignment: [LinkError::Alignment {
            section: ".data".into(),
            align: 24
        }],
        ThreadLocal: [LinkError::ThreadLocal {
            section: ".tdata".into()
        }],
        WithoutAddends: [LinkError::WithoutAddends {
            section: ".rel.text".into()
        }],
        TooLarge: [LinkError::TooLarge {
            section: ".bss".into(),
            base: 0x8020_0000,
            max: MAX_MEMORY
        }],
        Names: [LinkError::Names { max: 64 << 20 }],
        Nothing: [LinkError::Nothing],
        NoEntry: [LinkError::NoEntry {
            name: "start".into()
        }],
        Undefined: [LinkError::Undefined {
            at: relocation(19),
            symbol: symbol()
        }],
        Common: [LinkError::Common {
            at: relocation(23),
            symbol: "counter".into()
        }],
        NotLoaded: [LinkError::NotLoaded {
            at: relocation(2),
            symbol: "text".into(),
            section: ".comment".into()
        }],
        SymbolIndex: [LinkError::SymbolIndex {
            at: relocation(2),
            index: 9,
            count: 2
        }],
        Kind: [LinkError::Kind { at: relocation(29) }],
        Outside: [LinkError::Outside { at: relocation(2) }],
        Range: [LinkError::Range {
            at: relocation(16),
            symbol: symbol(),
            value: -0x1002,
            range: -0x1000..=0xffe
        }],
        Odd: [LinkError::Odd {
            at: relocation(17),
            symbol: symbol(),
            value: 3
        }],
        NoHighPart: [LinkError::NoHighPart {
            at: relocation(24),
            symbol: ".Lpcrel_hi0".into()
        }],
        LowAddend: [LinkError::LowAddend {
            at: relocation(25),
            addend: -8
        }],
        Padding: [LinkError::Padding {
            at: relocation(43),
            present: 4,
            needed: 6,
            align: 8
        }],
        Unpaired: [LinkError::Unpaired { at: relocation(60) }],
    });
}
