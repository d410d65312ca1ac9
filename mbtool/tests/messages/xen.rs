//! Errors of xen-shim.

use super::{messages, range};
use xen_shim::acpi::{AcpiError, TableDefect};
use xen_shim::arm::{ArmContractError, ArmModule, ArmWarning, NotADom0};
use xen_shim::contract::{ContractError, NotAKernel, XenWarning};
use xen_shim::hypercall::{Errno, HypercallError, ImageKind, LoadProblem, Meaning};
use xen_shim::low_memory::LowMemoryWarning;

#[test]
fn hypercall() {
    let open = |errno| HypercallError::Open {
        path: "/dev/xen/privcmd",
        errno,
    };
    messages!(HypercallError {
        NoDevice: [HypercallError::NoDevice],
        Open: [open(Errno::EACCES), open(Errno::EIO)],
        Memory: [HypercallError::Memory {
            len: 4096,
            errno: Errno::ENOMEM
        }],
        Map: [HypercallError::Map {
            domain: 0x7ff2,
            mfn: 0x1234,
            errno: Errno::EINVAL
        }],
        Load: [HypercallError::Load {
            errno: Errno::ENOMEM,
            problem: LoadProblem::NoMemory
        }],
        Call: [HypercallError::Call {
            call: "KEXEC_CMD_kexec_unload",
            errno: Errno::EFAULT,
            meaning: Meaning::Fault
        }],
        Nonsense: [HypercallError::Nonsense {
            call: "KEXEC_CMD_kexec",
            answer: "success, but Xen is still running".into()
        }],
    });
    messages!(Meaning {
        AsForLoad: [Meaning::AsForLoad(LoadProblem::NotAllowed)],
        NotOffered: [Meaning::NotOffered],
        NoSuchCpu: [Meaning::NoSuchCpu(9)],
        NoCpuNotes: [Meaning::NoCpuNotes],
        UnknownRange: [Meaning::UnknownRange],
        NotLoaded: [
            Meaning::NotLoaded(ImageKind::Default),
            Meaning::NotLoaded(ImageKind::Crash)
        ],
        WatchdogsInUse: [Meaning::WatchdogsInUse],
        UnknownCommand: [Meaning::UnknownCommand],
        Fault: [Meaning::Fault],
        NoMemory: [Meaning::NoMemory],
        Unknown: [Meaning::Unknown],
    });
}

#[test]
fn load() {
    let area = range(0x1000_0000, 0x2000_0000);
    let dest = range(0x1000, 0x2000);
    messages!(LoadProblem {
        TooManySegments: [LoadProblem::TooManySegments(16)],
        Unaligned: [LoadProblem::Unaligned(0, range(0x800, 0x1800))],
        Overlap: [LoadProblem::Overlap(0, 1, dest)],
        TooMuchData: [LoadProblem::TooMuchData {
            segment: 0,
            data: 0x1001,
            dest
        }],
        Empty: [LoadProblem::Empty(0, range(0x1000, 0x1000))],
        Kind: [LoadProblem::Kind(2)],
        Arch: [LoadProblem::Arch(40)],
        EntryOutside: [LoadProblem::EntryOutside {
            entry: 0x1000,
            area
        }],
        DataOutside: [LoadProblem::DataOutside {
            segment: 0,
            dest,
            area
        }],
        NoCrashArea: [LoadProblem::NoCrashArea],
        CrashAreaFull: [LoadProblem::CrashAreaFull(area)],
        NoMemory: [LoadProblem::NoMemory],
        Fault: [LoadProblem::Fault],
        NoKexec: [LoadProblem::NoKexec],
        NotAllowed: [LoadProblem::NotAllowed],
        Busy: [LoadProblem::Busy],
        Unknown: [LoadProblem::Unknown],
    });
}

#[test]
fn tables_and_contract() {
    messages!(AcpiError, no fix {
        None: [AcpiError::None],
        Bad: [AcpiError::Bad { name: "APIC".into(), found: TableDefect::Short { len: 10, min: 36 } }],
        TooMuch: [AcpiError::TooMuch { count: 300, bytes: 5000 }],
        NoMadt: [AcpiError::NoMadt],
        NoProcessor: [AcpiError::NoProcessor { name: "APIC".into(), apic_id: 9 }],
    });
    messages!(TableDefect, no fix {
        Short: [TableDefect::Short { len: 10, min: 36 }],
        Signature: [TableDefect::Signature([0x53, 0xff, 0x44, 0x54])],
        Length: [TableDefect::Length { len: 38, header: 39 }],
        EntryCutOff: [TableDefect::EntryCutOff { at: 64 }],
        EntryLength: [TableDefect::EntryLength { at: 64, length: 15 }],
        EntryShort: [TableDefect::EntryShort { at: 64, kind: 0, length: 7 }],
    });
    messages!(LowMemoryWarning, no fix {
        NoBda: [LowMemoryWarning::NoBda],
        NoRsdp: [LowMemoryWarning::NoRsdp],
    });
    messages!(XenWarning, no fix {
        NoRealModeAdded: [XenWarning::NoRealModeAdded],
        RealMode: [XenWarning::RealMode],
        RealModeNoEffect: [XenWarning::RealModeNoEffect],
        NoSerialConsole: [XenWarning::NoSerialConsole],
        Gzip: [XenWarning::Gzip { name: "vmlinux.gz".into() }],
        NoInitrd: [XenWarning::NoInitrd],
        LongMap: [XenWarning::LongMap { entries: 2000 }],
    });
    messages!(ContractError {
        NoDom0: [ContractError::NoDom0],
        NotAKernel: [
            ContractError::NotAKernel {
                name: "initrd.img".into(),
                found: NotAKernel::Cpio
            },
            ContractError::NotAKernel {
                name: "notes.txt".into(),
                found: NotAKernel::Other {
                    len: 2,
                    head: b"ab".to_vec()
                }
            },
        ],
        OldBzImage: [ContractError::OldBzImage {
            name: "vmlinuz".into(),
            major: 2,
            minor: 7
        }],
        TooManyModules: [ContractError::TooManyModules { count: 70 }],
        Dom0Line: [ContractError::Dom0Line { len: 1100 }],
        HeapFull: [ContractError::HeapFull { need: 60000 }],
    });
}

#[test]
fn arm() {
    let not = |name: &str, found| ArmContractError::NotADom0 {
        name: name.into(),
        found,
    };
    messages!(ArmContractError {
        NoDom0: [ArmContractError::NoDom0],
        NotADom0: [
            not("vmlinuz", NotADom0::Zboot),
            not("vmlinux", NotADom0::Elf),
            not("initrd.img", NotADom0::Cpio),
            not(
                "notes.txt",
                NotADom0::Other {
                    head: b"ab".to_vec()
                }
            ),
        ],
        NoRole: [ArmContractError::NoRole {
            name: "second.img".into(),
            role: ArmModule::Ramdisk
        }],
        TooManyModules: [ArmContractError::TooManyModules { count: 31 }],
        TooManyBanks: [ArmContractError::TooManyBanks {
            what: "reservations",
            count: 300
        }],
        Dom0TooSmall: [ArmContractError::Dom0TooSmall {
            have: 64 << 20,
            need: 126 << 20
        }],
    });
    messages!(
        ArmWarning,
        no fix {
            NoInitrd: [ArmWarning::NoInitrd],
            NoDom0Mem: [ArmWarning::NoDom0Mem],
        }
    );
}
