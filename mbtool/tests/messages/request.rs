//! Errors of what is to boot.

use super::messages;
use handoff::spec::Console;
use mbtool::arch::Architecture;
use mbtool::host::serial::Bar;
use mbtool::request::configured::LoadSectionError;
use mbtool::request::console::{ConsoleError, DtUartProblem, Note, PciProblem, Source};
use mbtool::request::embedded::EmbeddedNote;

#[test]
fn load_section() {
    let file = || "/etc/mbtool/crash.toml".into();
    messages!(LoadSectionError, no fix {
        NoLoad: [LoadSectionError::NoLoad { file: file() }],
        Options: [LoadSectionError::Options {
            file: file(),
            why: "unexpected argument '--no'".into()
        }],
    });
}

#[test]
fn embedded() {
    messages!(EmbeddedNote, no fix {
        Taken: [EmbeddedNote::Taken(vec![(".linux", 4096), (".initrd", 512)])],
        Profile: [EmbeddedNote::Profile { count: 3, first: "ID=regular\nTITLE=Regular boot\n".into() }],
        Replaced: [EmbeddedNote::Replaced { option: "--initrd", sections: vec![".initrd"] }],
    });
}

#[test]
fn console() {
    let console = Console::Pio {
        port: 0x3f8,
        divisor: None,
    };
    let address = "00:05.0".parse().unwrap();
    let found = |source_of| Note::Found { console, source_of };
    messages!(Note {
        Found: [
            found(Source::Firmware),
            found(Source::Kernel("console=ttyS0".into())),
            found(Source::Xen("com1=115200".into())),
            found(Source::Image("com1=115200".into())),
            found(Source::TreeConsole("/soc/serial@10000000".into())),
            Note::Found {
                console: Console::Firmware,
                source_of: Source::Sbi
            },
        ],
        NoneFound: [Note::NoneFound],
        NoneInTree: [Note::NoneInTree],
        DebugPort: [Note::DebugPort("earlyprintk=dbgp".into())],
        Spcr: [Note::Spcr("interface type 0x3".into())],
        DtUart: [Note::DtUart {
            name: "/soc/serial@10010000".into(),
            why: DtUartProblem::Model("SiFive UART".into())
        }],
        TreeConsole: [Note::TreeConsole(
            "/chosen: stdout-path names \"x\", and there is no such node or alias".into()
        )],
        Pci: [Note::Pci { console, address }],
        PciSilent: [Note::PciSilent {
            address,
            command: 2
        }],
        RamLog: [Note::RamLog {
            console: Console::RamLog {
                addr: 0x400_0000,
                size: 0x1_0000
            }
        }],
    });
    messages!(ConsoleError {
        NoneWithOthers: [ConsoleError::NoneWithOthers],
        TooMany: [ConsoleError::TooMany(5)],
        Pci: [ConsoleError::Pci {
            address,
            why: PciProblem::NoFunction { there: vec![] }
        }],
        NotHere: [
            ConsoleError::NotHere {
                console,
                arch: Architecture::Riscv64
            },
            ConsoleError::NotHere {
                console: Console::Firmware,
                arch: Architecture::X86_64
            },
        ],
        NoRamLog: [ConsoleError::NoRamLog],
    });
    messages!(DtUartProblem, no fix {
        Model: [DtUartProblem::Model("SiFive UART".into())],
        Disabled: [DtUartProblem::Disabled],
        BigEndian: [DtUartProblem::BigEndian],
        Layout: [DtUartProblem::Layout { shift: 0, width: 4 }],
    });
    let ports = Bar {
        index: 0,
        io: true,
        start: 0xf0a0,
        len: 8,
    };
    let memory = Bar {
        index: 1,
        io: false,
        start: 0x12_fe03_2000,
        len: 0x1000,
    };
    let no_bar = |bars| PciProblem::NoBar {
        stride: 4,
        offset: 0x1000,
        bars,
    };
    messages!(PciProblem {
        NoFunction: [
            PciProblem::NoFunction { there: vec![] },
            PciProblem::NoFunction {
                there: vec![address]
            },
        ],
        NoBar: [no_bar(vec![]), no_bar(vec![ports, memory])],
        Wraps: [PciProblem::Wraps(memory)],
        Ports: [PciProblem::Ports(ports)],
        TooHigh: [PciProblem::TooHigh(ports)],
    });
}
