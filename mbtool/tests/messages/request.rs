//! Errors of what is to boot.

use super::messages;
use handoff::spec::Console;
use mbtool::host::serial::Bar;
use mbtool::request::configured::LoadSectionError;
use mbtool::request::console::{ConsoleError, Note, PciProblem, Source};
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
        ],
        NoneFound: [Note::NoneFound],
        DebugPort: [Note::DebugPort("earlyprintk=dbgp".into())],
        Spcr: [Note::Spcr("interface type 0x3".into())],
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
        NoRamLog: [ConsoleError::NoRamLog],
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
