//! Errors of planning.

use super::{messages, range};
use handoff::addr::{FOUR_GIB, MIB};
use mbtool::arch::Architecture;
use mbtool::fdt::{DtValueError, DtValueProblem, FdtError};
use mbtool::host::arm::{ArmFacts, BootLevel, KvmMode};
use mbtool::host::map::MapError;
use mbtool::host::screen::{Framebuffer, NoScreen, Screen};
use mbtool::image::{FileKind, ImageError, ImageErrorReason};
use mbtool::plan::boot::linux::LinuxError;
use mbtool::plan::boot::mb2_requests::{Missing, NoConsole, RequestError};
use mbtool::plan::boot::multiboot::MbiError;
use mbtool::plan::check::CheckError;
use mbtool::plan::cmdline_change::{CmdlineChange, CmdlineEdit, LineOwner};
use mbtool::plan::crash::Reserve;
use mbtool::plan::crash::elfcorehdr::TooMany;
use mbtool::plan::crash::region::RegionError;
use mbtool::plan::crash::xen::Dom0RangeError;
use mbtool::plan::place::allocator::{FixedError, NoFreeRange};
use mbtool::plan::place::dt::{DtPlaceError, DtWindow};
use mbtool::plan::place::resolve::ResolveError;
use mbtool::plan::{NoSafeRange, PlanError, RamLogPlaceError};
use mbtool::request::error::OptionError;
use mbtool::request::warnings::BootWarning;
use xen_shim::arm::ArmContractError;
use xen_shim::contract::ContractError;
use xen_shim::low_memory::NoLowMemory;

#[test]
fn plan() {
    let region = range(0x6c00_0000, 0x7c00_0000);
    let ram = vec![range(0, 0x9_f000), range(0x10_0000, 0x8000_0000)];
    let small = |reserve| PlanError::CrashRegionTooSmall {
        region,
        load: 300 * MIB,
        parts: "image 60 MiB, initrd 240 MiB".into(),
        reserve,
    };
    let reserve = |xen| Reserve {
        bytes: 512 * MIB,
        xen,
    };
    messages!(PlanError {
        NoRam: [PlanError::NoRam],
        OtherMachine: [PlanError::OtherMachine {
            name: "vmlinux".into(),
            image: Architecture::Riscv64,
            host: Architecture::X86_64,
        }],
        NotOnThisMachine: [PlanError::NotOnThisMachine {
            option: "--guard",
            arch: Architecture::Riscv64,
        }],
        NoDeviceTree: [PlanError::NoDeviceTree],
        XenArm: [PlanError::XenArm(ArmContractError::NoDom0)],
        XenNeedsEl2: [
            PlanError::XenNeedsEl2 {
                facts: ArmFacts {
                    level: Some(BootLevel::El1),
                    ..ArmFacts::default()
                }
            },
            PlanError::XenNeedsEl2 {
                facts: ArmFacts {
                    kvm: Some(KvmMode::Protected),
                    ..ArmFacts::default()
                }
            },
        ],
        XenNeedsTree: [PlanError::XenNeedsTree],
        CrashXenArm: [PlanError::CrashXenArm],
        DeviceTree: [PlanError::DeviceTree(FdtError::Magic {
            found: 0x2f64_7473
        })],
        DeviceTreeValue: [PlanError::DeviceTreeValue(DtValueError {
            node: "/cpus".into(),
            property: "reg".into(),
            problem: DtValueProblem::Missing,
        })],
        DtPlace: [
            PlanError::DtPlace {
                error: DtPlaceError::TreeTooLarge {
                    len: 0x30_0000,
                    max: 0x20_0000,
                },
                window: DtWindow::Ram,
            },
            no_place("kernel", DtWindow::CrashRegion),
            no_place("initrd", DtWindow::CrashRegion),
            no_place("initrd", DtWindow::Options),
            no_place("kernel", DtWindow::Options),
            no_place("kernel", DtWindow::Ram),
            no_place("initrd", DtWindow::Ram),
        ],
        Unmapped: [PlanError::Unmapped {
            end: 0x80_0000_0000,
            mode: "Sv39",
            limit: 0x40_0000_0000,
        }],
        CrashRegionNotRam: [PlanError::CrashRegionNotRam {
            region: range(0x8c00_0000, 0x9c00_0000),
            ram: ram.clone(),
        }],
        Want: [PlanError::Want(RequestError::Console(NoConsole::Screen(
            NoScreen::Unknown
        )))],
        Contract: [PlanError::Contract(ContractError::NoDom0)],
        Low: [PlanError::Low(NoLowMemory {
            need: 68,
            ram: vec![range(0x9_0000, 0xa_0000)]
        })],
        PvhDom0: [PlanError::PvhDom0],
        XenByPvh: [PlanError::XenByPvh],
        XenByMultiboot1: [PlanError::XenByMultiboot1],
        CrashXenRealMode: [PlanError::CrashXenRealMode],
        NoFreeRange: [
            PlanError::NoFreeRange(NoFreeRange {
                name: "module 1: initrd.img".into(),
                len: 0x800_0000,
                align: 0x1000,
                window: range(0x400_0000, 0x410_0000),
                ram: ram.clone(),
                largest: Some(range(0x400_0000, 0x410_0000)),
                elsewhere: Some(0x100_0000),
            }),
            PlanError::NoFreeRange(NoFreeRange {
                name: "mbi".into(),
                len: 0x1000,
                align: 0x1000,
                window: range(FOUR_GIB, 2 * FOUR_GIB),
                ram: vec![],
                largest: None,
                elsewhere: None,
            }),
        ],
        NoSafeRange: [PlanError::NoSafeRange(NoSafeRange {
            need: 0x800_0000,
            available: 0x100_0000,
            taken: 8,
            runs: ram.clone(),
        })],
        Drill: [PlanError::Drill {
            why: "this machine runs no Xen".into()
        }],
        Fixed: [PlanError::Fixed(FixedError::Taken {
            name: "image".into(),
            range: range(0x10_0000, 0x20_0000),
            by: "handoff".into(),
            at: range(0x18_0000, 0x19_0000),
        })],
        Window: [
            PlanError::Window {
                name: "image".into(),
                allowed: range(0x10_0000, FOUR_GIB),
                min: FOUR_GIB,
                max: None,
                place: Some(range(0x7fe0_0000, 0x7ff0_0000)),
            },
            PlanError::Window {
                name: "image".into(),
                allowed: range(0x10_0000, FOUR_GIB),
                min: 0x10_0000,
                max: Some(0x1000),
                place: Some(range(0x10_0000, 0x20_0000)),
            },
            PlanError::Window {
                name: "image".into(),
                allowed: range(0x10_0000, FOUR_GIB),
                min: 0,
                max: Some(0x1000),
                place: None,
            },
            PlanError::Window {
                name: "image".into(),
                allowed: range(0, 0x1_0000),
                min: 0x10_0000,
                max: None,
                place: None,
            },
            PlanError::Window {
                name: "image".into(),
                allowed: range(0x10_0000, FOUR_GIB),
                min: 0x20_0000,
                max: Some(0x20_0000),
                place: None,
            }
        ],
        EndOfAddresses: [PlanError::EndOfAddresses {
            name: "image".into(),
            span: range(u64::MAX - 0xfff, u64::MAX),
        }],
        ModuleAbove4Gib: [PlanError::ModuleAbove4Gib {
            name: "module 1: initrd.img".into(),
            len: 0x800_0000,
            free: 0,
            largest: 0,
        }],
        InitrdLimit: [PlanError::InitrdLimit {
            name: "initrd: initrd.img".into(),
            len: 1900 * MIB,
            end: 0x8000_0000,
            largest: 1700 * MIB,
            above: range(FOUR_GIB, FOUR_GIB + 1900 * MIB),
        }],
        EmptyModule: [PlanError::EmptyModule {
            name: "module 1: empty".into()
        }],
        NoCrashRegion: [
            PlanError::NoCrashRegion {
                wanted: region,
                there: vec![]
            },
            PlanError::NoCrashRegion {
                wanted: region,
                there: vec![range(0x5000_0000, 0x6000_0000)]
            },
        ],
        CrashRegionTooSmall: [
            small(None),
            small(Some(reserve(false))),
            small(Some(reserve(true)))
        ],
        CoreHeader: [PlanError::CoreHeader(TooMany { count: 70_000 })],
        Dom0Range: [PlanError::Dom0Range(Dom0RangeError::TooLarge {
            end: FOUR_GIB
        })],
        RamLog: [PlanError::RamLog {
            addr: 0x400_0000,
            why: RamLogPlaceError::NoRam
        }],
        Image: [PlanError::Image(ImageError {
            name: "xen".into(),
            reason: ImageErrorReason::EfiBootServices { offset: 0x110 },
        })],
        Mbi: [PlanError::Mbi(MbiError::EmptyModule { index: 1 })],
        Linux: [PlanError::Linux(LinuxError::Nul { at: 3 })],
        Resolve: [PlanError::Resolve(ResolveError::Overlap {
            first: "image".into(),
            second: "mbi".into(),
            range: range(0x10_0000, 0x10_1000),
        })],
        Handoff: [PlanError::Handoff("more than 100 moves".into())],
        Check: [PlanError::Check(CheckError::TooMany {
            count: 17,
            limit: 16
        })],
    });
}

#[test]
fn ram_log() {
    messages!(RamLogPlaceError, no fix {
        Wraps: [RamLogPlaceError::Wraps],
        Low: [RamLogPlaceError::Low],
        NoRam: [RamLogPlaceError::NoRam],
        Map: [RamLogPlaceError::Map(MapError::Backwards {
            index: 1,
            start: 0x2000,
            end: 0x1000
        })],
    });
}

#[test]
fn region() {
    let region = range(FOUR_GIB, 2 * FOUR_GIB);
    let advice = |xen| {
        Some(Reserve {
            bytes: 544 * MIB,
            xen,
        })
    };
    let none = |xen, advice| RegionError::None { xen, advice };
    let high = |xen, advice| RegionError::TooHigh {
        region,
        xen,
        advice,
    };
    messages!(RegionError {
        None: [
            none(false, None),
            none(false, advice(false)),
            none(true, None),
            none(true, advice(true)),
        ],
        TooHigh: [
            high(false, None),
            high(false, advice(false)),
            high(true, None),
            high(true, advice(true)),
        ],
    });
}

#[test]
fn check() {
    let dest = range(0x10_0000, 0x20_0000);
    let name = || "module 1: initrd.img".to_owned();
    messages!(CheckError {
        Unaligned: [CheckError::Unaligned {
            name: name(),
            dest: range(1, 0x1000)
        }],
        TooHigh: [CheckError::TooHigh {
            name: name(),
            dest: range(1 << 46, (1 << 46) + 0x1000)
        }],
        TooMuchData: [CheckError::TooMuchData {
            name: name(),
            data: 0x20_0000,
            memsz: 0x10_0000,
            dest
        }],
        Overlap: [CheckError::Overlap {
            first: "image".into(),
            second: name(),
            range: dest
        }],
        TooMany: [CheckError::TooMany {
            count: 17,
            limit: 16
        }],
        HalfOfRam: [
            CheckError::HalfOfRam {
                name: Some(name()),
                total: 0x6000_0000,
                half: 0x4000_0000
            },
            CheckError::HalfOfRam {
                name: None,
                total: 0x6000_0000,
                half: 0x4000_0000
            },
        ],
        OutsideCrashRegion: [CheckError::OutsideCrashRegion {
            name: name(),
            dest,
            region: range(0x6c00_0000, 0x7c00_0000)
        }],
        CrashRegionFull: [CheckError::CrashRegionFull {
            left: 10,
            needed: 33,
            region: range(0x6c00_0000, 0x7c00_0000)
        }],
        Nothing: [CheckError::Nothing {
            name: name(),
            dest: range(0x1000, 0x1000)
        }],
        HeapTooSmall: [CheckError::HeapTooSmall {
            needed: 3000,
            free: 2000
        }],
        InFreeHeap: [CheckError::InFreeHeap {
            name: name(),
            dest,
            page: 0x10_1000
        }],
        NotRam: [CheckError::NotRam {
            name: name(),
            dest,
            ram: vec![range(0, 0x9_f000)]
        }],
        EntryNotLoaded: [CheckError::EntryNotLoaded {
            what: "image",
            entry: 0x30_0000
        }],
        Above4Gib: [CheckError::Above4Gib {
            name: name(),
            dest: range(FOUR_GIB, 2 * FOUR_GIB)
        }],
        InTheWay: [CheckError::InTheWay {
            name: name(),
            dest,
            by: "the handoff".into(),
            range: range(0x18_0000, 0x19_0000)
        }],
    });
}

#[test]
fn boot() {
    let rgb = Screen::Rgb(Framebuffer {
        addr: 0x8000_0000,
        pitch: 5120,
        width: 1280,
        height: 800,
        bpp: 32,
        colors: [[16, 8], [8, 8], [0, 8]],
        memory: 0x3e_8000,
    });
    messages!(LinuxError {
        Nul: [LinuxError::Nul { at: 3 }],
        LongCmdline: [LinuxError::LongCmdline {
            len: 3000,
            max: 2047
        }],
        Modules: [LinuxError::Modules {
            name: "module 1: more".into()
        }],
        InitrdArguments: [LinuxError::InitrdArguments {
            name: "module 0: initrd".into(),
            args: "quiet".into()
        }],
        FiveLevels: [LinuxError::FiveLevels {
            name: "vmlinuz".into()
        }],
    });
    messages!(MbiError {
        Nul: [MbiError::Nul {
            what: "the command line".into(),
            at: 3
        }],
        EmptyModule: [MbiError::EmptyModule { index: 1 }],
        HighInformation: [MbiError::HighInformation { addr: FOUR_GIB }],
        HighModule: [MbiError::HighModule {
            index: 1,
            range: range(FOUR_GIB, 2 * FOUR_GIB)
        }],
    });
    messages!(RequestError {
        Info: [RequestError::Info(17, Missing::EfiMap)],
        Console: [RequestError::Console(NoConsole::Other(rgb))],
        Framebuffer: [RequestError::Framebuffer(NoConsole::Other(Screen::Text {
            addr: 0xb_8000,
            columns: 80,
            rows: 25
        }))],
    });
    messages!(Missing, no fix {
        BootDevice: [Missing::BootDevice],
        Bios: [Missing::Bios],
        Screen: [Missing::Screen(NoScreen::Unknown)],
        Sections: [Missing::Sections],
        EfiTables: [Missing::EfiTables],
        Smbios: [Missing::Smbios],
        Rsdp: [Missing::Rsdp],
        Acpi1: [Missing::Acpi1],
        Network: [Missing::Network],
        EfiMap: [Missing::EfiMap],
        BootServices: [Missing::BootServices],
        Unknown: [Missing::Unknown],
    });
    messages!(NoScreen, no fix {
        Unknown: [NoScreen::Unknown],
        Driver: [NoScreen::Driver("i915drmfb".into())],
        Palette: [NoScreen::Palette(8)],
        Geometry: [NoScreen::Geometry {
            width: 1280,
            height: 0,
            bpp: 32,
            pitch: 5120
        }],
    });
}

#[test]
fn place() {
    let at = range(0x10_0000, 0x20_0000);
    messages!(FixedError {
        NotRam: [FixedError::NotRam {
            name: "image".into(),
            range: at,
            ram: vec![range(0, 0x9_f000)]
        }],
        Taken: [FixedError::Taken {
            name: "image".into(),
            range: at,
            by: "handoff".into(),
            at: range(0x18_0000, 0x19_0000)
        }],
    });
    messages!(ResolveError {
        Overlap: [ResolveError::Overlap {
            first: "image".into(),
            second: "mbi".into(),
            range: at
        }],
        TooMany: [ResolveError::TooMany {
            count: 17,
            limit: 16,
            names: vec!["image".into(), "mbi".into()]
        }],
    });
    messages!(Dom0RangeError {
        TooLarge: [Dom0RangeError::TooLarge { end: FOUR_GIB }],
        NotRam: [Dom0RangeError::NotRam {
            range: at,
            hole: range(0x18_0000, 0x19_0000)
        }],
        Scattered: [Dom0RangeError::Scattered {
            range: at,
            runs: 70
        }],
    });
}

#[test]
fn command_lines() {
    let change = |line, edit| CmdlineChange { line, edit }.to_string();
    let parameter = || "panic=5".to_owned();
    let why = "it is given again";
    let lines = [
        change(
            LineOwner::Dom0,
            CmdlineEdit::Reused {
                from: "dom0",
                parameters: "root=/dev/sda1 quiet".into(),
            },
        ),
        change(
            LineOwner::Linux,
            CmdlineEdit::Embedded {
                from: ".cmdline",
                parameters: "root=/dev/sda1 quiet".into(),
            },
        ),
        CmdlineChange::removed(LineOwner::CrashKernel, parameter(), why).to_string(),
        CmdlineChange::added(LineOwner::Xen, parameter(), why).to_string(),
        CmdlineChange::replaced(LineOwner::Linux, parameter(), "panic=6".into(), why).to_string(),
        CmdlineChange::removed(LineOwner::Image, parameter(), why).to_string(),
    ];
    crate::compare("messages/CmdlineChange.txt", &(lines.join("\n") + "\n"));
}

#[test]
fn options() {
    messages!(OptionError {
        NoXenLine: [OptionError::NoXenLine],
        XenLineUnknown: [OptionError::XenLineUnknown],
        LineCut: [OptionError::LineCut {
            from: "Xen",
            len: 1023
        }],
        RealMode: [OptionError::RealMode {
            image: "vmlinuz".into()
        }],
    });
    let (linux, dom0) = (LineOwner::Linux, LineOwner::Dom0);
    let running = || "console=ttyS0".to_owned();
    messages!(BootWarning {
        NoRoot: [
            BootWarning::NoRoot { line: linux },
            BootWarning::NoRoot { line: dom0 }
        ],
        RootLost: [
            BootWarning::RootLost {
                line: linux,
                running: "root=/dev/sda1".into()
            },
            BootWarning::RootLost {
                line: dom0,
                running: "root=/dev/sda1".into()
            }
        ],
        LineOfLinux: [BootWarning::LineOfLinux {
            image: "memtest".into()
        }],
        Mute: [BootWarning::Mute {
            line: linux,
            parameter: "console=null".into(),
        }],
        NoInitrd: [BootWarning::NoInitrd {
            name: "vmlinuz".into(),
            kind: FileKind::Vmlinux,
        }],
        NoPanic: [BootWarning::NoPanic {
            line: LineOwner::CrashKernel
        }],
        RootNeedsInitrd: [BootWarning::RootNeedsInitrd {
            line: linux,
            parameter: "root=UUID=1-2".into()
        }],
        XenConsole: [
            BootWarning::XenConsole {
                parameter: "console=hvc0".into(),
                serial: Some("console=ttyS1,9600n8".into())
            },
            BootWarning::XenConsole {
                parameter: "console=hvc0".into(),
                serial: None
            }
        ],
        ConsoleLost: [
            BootWarning::ConsoleLost {
                line: linux,
                running: running()
            },
            BootWarning::ConsoleLost {
                line: dom0,
                running: running()
            }
        ],
    });
}

/// A part of a Linux with a device tree that has no place in this memory.
fn no_place(name: &'static str, window: DtWindow) -> PlanError {
    let error = DtPlaceError::Part {
        name,
        len: 0x640_0000,
        align: 0x1000,
        floor: 0,
        ceiling: u64::MAX,
        largest: None,
        free: Vec::new(),
    };
    PlanError::DtPlace { error, window }
}
