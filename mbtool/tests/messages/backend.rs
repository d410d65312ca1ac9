//! Errors of the backends, and of the running machine.

use super::{denied, json, messages, range};
use handoff::addr::MIB;
use mbtool::arch::Architecture;
use mbtool::backend::xen::{NoBalloon, SegmentListError, XenError};
use mbtool::backend::{BackendError, LoadDestination, LoadSummary};
use mbtool::fdt::FdtError;
use mbtool::host::error::MemoryError;
use mbtool::host::hypervisor::Hypervisor;
use mbtool::host::kexec_state::Lockdown;
use mbtool::host::map::MapError;
use mbtool::host::serial::SpcrError;
use xen_shim::hypercall::HypercallError;

#[test]
fn backend() {
    let guest = |hypervisor| BackendError::XenGuest { hypervisor };
    messages!(BackendError {
        NotRoot: [BackendError::NotRoot],
        LoadDisabled: [BackendError::LoadDisabled],
        LimitUsedUp: [BackendError::LimitUsedUp {
            sysctl: "kernel.kexec_load_limit_panic"
        }],
        Lockdown: [
            BackendError::Lockdown {
                mode: Lockdown::Integrity,
                secure_boot: Some(true)
            },
            BackendError::Lockdown {
                mode: Lockdown::Confidentiality,
                secure_boot: None
            },
        ],
        Forbidden: [
            BackendError::Forbidden {
                lockdown_hidden: false
            },
            BackendError::Forbidden {
                lockdown_hidden: true
            },
        ],
        NoKexec: [BackendError::NoKexec],
        NoSyscall: [BackendError::NoSyscall],
        Busy: [BackendError::Busy],
        Invalid: [BackendError::Invalid],
        Address: [
            BackendError::Address { crash: false },
            BackendError::Address { crash: true },
        ],
        TooLittleMemory: [BackendError::TooLittleMemory {
            needed: 900 << 20,
            available: 700 << 20
        }],
        NoMemory: [
            BackendError::NoMemory { crash: false },
            BackendError::NoMemory { crash: true },
        ],
        Fault: [BackendError::Fault],
        Unsupported: [BackendError::Unsupported],
        VcpuEnds: [BackendError::VcpuEnds],
        ProtectedKvm: [BackendError::ProtectedKvm],
        XenOnArm: [BackendError::XenOnArm {
            hypervisor: Hypervisor::XenArmDom0
        }],
        Other: [BackendError::Other { errno: libc::EIO }],
        Architecture: [BackendError::Architecture {
            plan: Architecture::Arm64
        }],
        XenGuest: [
            guest(Hypervisor::XenPvDom0),
            guest(Hypervisor::XenPvhDom0),
            guest(Hypervisor::XenPvGuest),
            guest(Hypervisor::XenUnknown),
        ],
        Xen: [BackendError::Xen(XenError::NotRoot)],
        NoCrashRegion: [BackendError::NoCrashRegion],
        CrashImageLost: [BackendError::CrashImageLost {
            cause: Box::new(BackendError::Busy)
        }],
        Foreign: [BackendError::Foreign {
            path: "out".into(),
            found: "notes.txt".into()
        }],
        NoDirectory: [BackendError::NoDirectory { path: "out".into() }],
        Io: [BackendError::Io {
            path: "out/plan.json".into(),
            source: denied()
        }],
        Json: [BackendError::Json(json())],
    });
}

/// Not an enum: one line for each destination.
#[test]
fn summaries() {
    let linux = |crash, replaced| LoadDestination::Linux { crash, replaced };
    let all = [
        linux(false, false),
        linux(true, true),
        LoadDestination::Xen {
            version: Some("4.17.7".to_owned()),
            crash: false,
            replaced: true,
        },
        LoadDestination::Xen {
            version: None,
            crash: true,
            replaced: false,
        },
        LoadDestination::Directory("out".into()),
    ];
    let text: String = all
        .into_iter()
        .map(|destination| LoadSummary {
            destination,
            segments: 3,
            bytes: 5000,
        })
        .map(|summary| format!("{summary}\n"))
        .collect();
    crate::compare("messages/LoadSummary.txt", &text);
}

#[test]
fn xen() {
    let area = range(0x1000_0000, 0x2000_0000);
    let why = "1 page of it was free".to_owned();
    let domain = |hypervisor| XenError::NotDom0 { hypervisor };
    messages!(XenError {
        NotDom0: [
            domain(Hypervisor::Bare),
            domain(Hypervisor::XenPvhDom0),
            domain(Hypervisor::XenHvmGuest),
            domain(Hypervisor::XenUnknown),
            domain(Hypervisor::XenPvGuest),
        ],
        NotRoot: [XenError::NotRoot],
        Hypercall: [XenError::Hypercall(HypercallError::NoDevice)],
        Record: [XenError::Record {
            path: "/run/mbtool/xen".into(),
            source: denied()
        }],
        Balloon: [XenError::Balloon {
            path: "/sys/devices/system/xen_memory/xen_memory0/target_kb".into(),
            source: denied()
        }],
        HeapTooSmall: [XenError::HeapTooSmall {
            needed: 90 * MIB,
            free: 10 * MIB,
            available: 300 * MIB,
            keep: 218 * MIB,
            why: NoBalloon::Memory
        }],
        Heap: [XenError::Heap {
            needed: 90 * MIB,
            free: 10 * MIB
        }],
        Segments: [XenError::Segments(SegmentListError::TooMany { count: 16 })],
        Unsafe: [XenError::Unsafe { list: vec![area] }],
        Damaged: [XenError::Damaged { why: why.clone() }],
        CrashImageLost: [XenError::CrashImageLost {
            cause: HypercallError::NoDevice
        }],
        NotToRun: [XenError::NotToRun { why: why.clone() }],
        NotToFree: [
            XenError::NotToFree {
                why: why.clone(),
                unload: false
            },
            XenError::NotToFree { why, unload: true },
        ],
        Foreign: [XenError::Foreign],
        NotLoaded: [
            XenError::NotLoaded {
                others: false,
                crash: false
            },
            XenError::NotLoaded {
                others: true,
                crash: true
            },
        ],
        Replaced: [XenError::Replaced {
            image: "xen.gz".into()
        }],
        NoCrashArea: [XenError::NoCrashArea],
        CrashAreaFull: [XenError::CrashAreaFull {
            area,
            free: 10,
            needed: 33
        }],
    });
    messages!(SegmentListError, no fix {
        TooMany: [SegmentListError::TooMany { count: 16 }],
        Unaligned: [SegmentListError::Unaligned { index: 0, dest: range(0x1000, 0x1800) }],
        TooMuchData: [SegmentListError::TooMuchData {
            index: 0,
            data: 4097,
            dest: range(0x1000, 0x2000)
        }],
        Overlap: [SegmentListError::Overlap {
            first: range(0x1000, 0x3000),
            second: range(0x2000, 0x4000)
        }],
        Entry: [SegmentListError::Entry { entry: 0x20_0000 }],
        OutsideCrashArea: [SegmentListError::OutsideCrashArea {
            names: "xen + mbi".into(),
            dest: range(0x20_0000, 0x20_1000),
            area
        }],
    });
    messages!(NoBalloon, no fix {
        Driver: [NoBalloon::Driver],
        Memory: [NoBalloon::Memory],
        Stalled: [NoBalloon::Stalled],
    });
}

#[test]
fn host() {
    messages!(MemoryError {
        Read: [MemoryError::Read {
            path: "/proc/iomem".into(),
            source: denied()
        }],
        Content: [MemoryError::Content {
            path: "/sys/kernel/kexec_loaded".into(),
            expected: "0 or 1",
            found: "x".into()
        }],
        TooMany: [MemoryError::TooMany {
            path: "/sys/firmware/memmap".into(),
            limit: 4096
        }],
        IomemLine: [MemoryError::IomemLine {
            line: 3,
            found: "x".into()
        }],
        IomemBackwards: [MemoryError::IomemBackwards {
            line: 3,
            start: 0x2000,
            end: 0xfff
        }],
        Hidden: [MemoryError::Hidden],
        NoMap: [MemoryError::NoMap {
            memmap: "/sys/firmware/memmap".into(),
            iomem: "/proc/iomem".into()
        }],
        NoRam: [MemoryError::NoRam { entries: 2 }],
        Xen: [MemoryError::Xen(HypercallError::NoDevice)],
        DeviceTree: [MemoryError::DeviceTree {
            path: "/sys/firmware/fdt".into(),
            error: FdtError::Magic { found: 0x2f64_7473 }
        }],
        Map: [MemoryError::Map(MapError::Backwards {
            index: 1,
            start: 0x2000,
            end: 0x1000
        })],
        Json: [MemoryError::Json(json())],
        Field: [MemoryError::Field {
            field: "memory_map[3].start".into(),
            expected: "a number".into(),
            found: "null".into()
        }],
        Format: [MemoryError::Format {
            found: "nothing (0 bytes)"
        }],
    });
    messages!(MapError, no fix {
        Backwards: [MapError::Backwards { index: 1, start: 0x2000, end: 0x1000 }],
    });
    messages!(SpcrError, no fix {
        Short: [SpcrError::Short { found: 4 }],
        Signature: [SpcrError::Signature(*b"DBG2")],
        Length: [SpcrError::Length { length: 90, found: 80 }],
        Checksum: [SpcrError::Checksum(7)],
    });
}
