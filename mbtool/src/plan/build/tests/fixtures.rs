//! Machines and images for tests of the planner.

use super::*;
use crate::host::MapEntry;
use crate::image::{Format, Relocatable, Requirements};

pub(super) fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

pub(super) fn entry(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
    MapEntry { start, end, kind }
}

/// QEMU, 2 GiB, SeaBIOS.
pub(super) fn bios() -> Host {
    Host {
        memory_map: vec![
            entry(0, 0x9fc00, MemoryKind::Ram),
            entry(0x9fc00, 0xa0000, MemoryKind::Reserved),
            entry(0xf0000, MIB, MemoryKind::Reserved),
            entry(MIB, 0x7ffe_0000, MemoryKind::Ram),
            entry(0x7ffe_0000, 0x8000_0000, MemoryKind::Reserved),
        ],
        low_memory: LowMemory {
            bda_ebda_segment: Some(0x9fc0),
            bda_base_kib: Some(639),
            rsdp: Some(FoundRsdp {
                addr: 0xf5a40,
                revision: 0,
            }),
            rsdp_in_low_memory: true,
            efi: false,
        },
        ..Host::default()
    }
}

/// QEMU, 4.5 GiB, OVMF.
pub(super) fn uefi() -> Host {
    Host {
        memory_map: vec![
            entry(0, 0xa0000, MemoryKind::Ram),
            entry(MIB, 0x7e8e_d000, MemoryKind::Ram),
            entry(0x7e8e_d000, 0x7eb6_d000, MemoryKind::Reserved),
            entry(0x7eb6_d000, 0x7eb7_f000, MemoryKind::AcpiTables),
            entry(0x7eb7_f000, 0x7ebf_f000, MemoryKind::AcpiNvs),
            entry(0x7ebf_f000, 0x8000_0000, MemoryKind::Ram),
            entry(FOUR_GIB, FOUR_GIB + (2560 << 20), MemoryKind::Ram),
        ],
        low_memory: LowMemory {
            bda_ebda_segment: Some(0),
            bda_base_kib: Some(0),
            rsdp: Some(FoundRsdp {
                addr: 0x7eb7_e014,
                revision: 2,
            }),
            rsdp_in_low_memory: false,
            efi: true,
        },
        ..Host::default()
    }
}

/// A fixed image of 12 KiB at 2 MiB, with 5000 bytes of file data.
pub(super) fn payload() -> Image {
    let range = r(2 * MIB, 2 * MIB + 0x3000);
    Image {
        name: "payload".to_owned(),
        protocol: Protocol::Multiboot2,
        has_multiboot2: false,
        format: Format::Elf32,
        position_independent: false,
        segments: vec![LoadSegment {
            range,
            data: vec![0x90; 5000],
        }],
        span: range,
        entry: 2 * MIB + 0x20,
        requirements: Requirements::default(),
        notes: vec![],
        sections: None,
        relocs: vec![],
        align: 4096,
        warnings: vec![],
    }
}

pub(super) fn relocatable(preference: Preference) -> Image {
    let relocatable = Relocatable {
        min: MIB,
        max: 0xffff_ffff,
        align: 2 * MIB,
        preference,
    };
    let requirements = Requirements {
        relocatable: Some(relocatable),
        ..Default::default()
    };
    Image {
        requirements,
        ..payload()
    }
}

/// An image recognized as Xen, with the sizes and tags of Debian's.
pub(super) fn xen() -> Image {
    let mut data = vec![0; 0x2000];
    data[0x18..0x1c].copy_from_slice(&0xe852_50d6_u32.to_le_bytes());
    for (at, sign) in [
        (0x1000, &b"----[ Xen-%d.%d%s  x86_64"[..]),
        (0x1100, b"Xen version %d.%d%s (%s@%s)"),
        (0x1200, b"\x004.17.7\0gcc 12\0"),
    ] {
        data[at..at + sign.len()].copy_from_slice(sign);
    }
    let range = r(2 * MIB, 2 * MIB + 0x3a7000);
    let mut image = relocatable(Preference::Highest);
    image.name = "xen.gz".to_owned();
    image.entry = 2 * MIB;
    image.requirements.info_requests = [4, 6]
        .map(|tag| InfoRequest {
            tag,
            required: true,
        })
        .to_vec();
    Image {
        segments: vec![LoadSegment { range, data }],
        span: range,
        ..image
    }
}

pub(super) fn module(name: &str, cmdline: &str, data: Vec<u8>) -> Module {
    Module {
        name: name.to_owned(),
        cmdline: cmdline.to_owned(),
        data: data.into(),
    }
}

pub(super) fn kernel() -> Module {
    let mut data = vec![7; 0x8000];
    data[0x202..0x206].copy_from_slice(b"HdrS");
    data[0x206..0x208].copy_from_slice(&[0x0f, 2]);
    module("vmlinuz", "root=/dev/ram0 console=hvc0", data)
}

pub(super) fn xen_request() -> Request {
    Request {
        cmdline: "com1=115200,8n1 console=com1".to_owned(),
        modules: vec![kernel(), module("initrd.img", "", vec![3; 100_001])],
        ..Request::new(xen())
    }
}

pub(super) fn refused(request: &Request, host: &Host) -> PlanError {
    plan(request, host).unwrap_err()
}

/// Asserts that an error matches a pattern.
macro_rules! assert_error {
    ($error:expr, $($pattern:tt)+) => {{
        let error = $error;
        assert!(matches!(&error, $($pattern)+), "{error:?}");
    }};
}
pub(super) use assert_error;

pub(super) fn dest(plan: &Plan, name: &str) -> PhysRange {
    plan.segments
        .iter()
        .find(|segment| segment.name == name)
        .unwrap()
        .dest
}
