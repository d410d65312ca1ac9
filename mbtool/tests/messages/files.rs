//! Errors about files that are read.

use super::{denied, messages};
use mbtool::cmd::decode::{NothingFound, PackedLogError};
use mbtool::config::ConfigError;
use mbtool::decode::{DecodeError, SymbolFileProblem};
use mbtool::decompress::{Compression, DecompressError};
use mbtool::host::acpi::BootCpuUnknown;
use mbtool::image::FileKind;
use mbtool::input::InputError;
use mbtool::ramlog::RamLogError;
use mbtool::sys::output::OutputError;
use std::io;

#[test]
fn input() {
    let name = || "xen.gz".to_owned();
    messages!(InputError {
        NotFound: [
            InputError::NotFound {
                name: name(),
                beside: vec![]
            },
            InputError::NotFound {
                name: name(),
                beside: vec!["xen.gz-4.17".into(), "xen.gz-4.20".into()]
            },
        ],
        Directory: [InputError::Directory { name: name() }],
        Permission: [InputError::Permission { name: name() }],
        TooLarge: [InputError::TooLarge {
            name: name(),
            limit: 4096
        }],
        Empty: [InputError::Empty { name: name() }],
        TooLittleMemory: [
            InputError::TooLittleMemory {
                name: "initrd.img".into(),
                size: Some(0x1000_0000),
                available: 0x800_0000,
            },
            InputError::TooLittleMemory {
                name: "standard input".into(),
                size: None,
                available: 0x800_0000,
            },
        ],
        Device: [InputError::Device {
            name: "/dev/zero".into(),
        }],
        Memory: [InputError::Memory {
            name: name(),
            size: 4096
        }],
        Shorter: [InputError::Shorter {
            name: "vmlinux".into()
        }],
        Io: [InputError::Io {
            name: name(),
            source: denied()
        }],
    });
}

#[test]
fn output() {
    messages!(OutputError {
        Write: [
            OutputError::Write {
                source: io::Error::from_raw_os_error(libc::ENOSPC)
            },
            OutputError::Write {
                source: io::Error::from_raw_os_error(libc::EFBIG)
            },
            OutputError::Write {
                source: io::Error::from_raw_os_error(libc::EIO)
            },
        ],
    });
}

#[test]
fn compressed() {
    let what = || "xen.gz".to_owned();
    let format = Compression::Gzip;
    messages!(DecompressError {
        Truncated: [DecompressError::Truncated {
            what: what(),
            format,
            len: 100,
            start: 0
        }],
        Corrupt: [DecompressError::Corrupt {
            what: what(),
            format,
            start: 0,
            detail: "bad checksum".into()
        }],
        TooLarge: [DecompressError::TooLarge {
            what: what(),
            format,
            limit: 4096
        }],
        Unsupported: [DecompressError::Unsupported {
            what: what(),
            format: Compression::Zstd,
            detail: "a dictionary is needed".into()
        }],
        TooLittleMemory: [DecompressError::TooLittleMemory {
            what: "vmlinuz".into(),
            format: Compression::Gzip,
            available: 0x800_0000,
        }],
        Memory: [DecompressError::Memory {
            what: what(),
            format,
            reached: 4096
        }],
    });
}

#[test]
fn configuration() {
    let file = || "/etc/mbtool/crash.toml".to_owned();
    let line = |key| ConfigError::Line {
        file: file(),
        line: 3,
        key,
        what: "expected a string".into(),
    };
    messages!(ConfigError, no fix {
        Read: [ConfigError::Read(InputError::NotFound { name: file(), beside: vec![] })],
        Utf8: [ConfigError::Utf8 { file: file(), at: 10 }],
        Line: [line(None), line(Some("save.target".into()))],
        Together: [ConfigError::Together {
            file: file(),
            key: "save.device",
            what: "it needs save.target"
        }],
    });
}

#[test]
fn logs() {
    messages!(DecodeError, no fix {
        Plan: [DecodeError::Plan("no field segments".into())],
        Symbols: [DecodeError::Symbols {
            name: "xen-syms".into(),
            why: SymbolFileProblem::Stripped
        }],
    });
    messages!(SymbolFileProblem, no fix {
        Object: [SymbolFileProblem::Object(
            object::File::parse(&b"nothing"[..]).map(|_| ()).unwrap_err()
        )],
        NoSegment: [SymbolFileProblem::NoSegment],
        Stripped: [SymbolFileProblem::Stripped],
    });
    messages!(BootCpuUnknown, no fix {
        CpuInfo: [BootCpuUnknown::CpuInfo(denied())],
        NoApicIds: [BootCpuUnknown::NoApicIds],
        Cpu0Offline: [BootCpuUnknown::Cpu0Offline],
        NotOnline: [BootCpuUnknown::NotOnline],
    });
    let name = || "serial.log".to_owned();
    let jumped = |guard| NothingFound::Jumped {
        name: name(),
        target: "0x7fa00000 (multiboot2, 32-bit), mbi 0x00126000".into(),
        guard,
    };
    messages!(PackedLogError {
        TooLarge: [PackedLogError::TooLarge {
            name: name(),
            format: Compression::Xz,
            limit: 2 << 30
        }],
        Unpack: [PackedLogError::Unpack(DecompressError::Truncated {
            what: name(),
            format: Compression::Gzip,
            len: 4096,
            start: 0
        })],
    });
    messages!(NothingFound {
        Empty: [NothingFound::Empty { name: name() }],
        Text: [NothingFound::Text {
            name: name(),
            lines: 473
        }],
        OtherFile: [
            NothingFound::OtherFile {
                name: name(),
                kind: FileKind::Compressed(Compression::Gzip),
            },
            NothingFound::OtherFile {
                name: name(),
                kind: FileKind::Vmlinux,
            },
        ],
        Noise: [NothingFound::Noise {
            name: name(),
            bytes: 2000,
            percent: 62
        }],
        Damaged: [NothingFound::Damaged {
            name: name(),
            segments: vec!["module 1: initrd".into(), "command line".into()]
        }],
        NoJump: [NothingFound::NoJump {
            name: name(),
            base: 0x10_0000
        }],
        Jumped: [jumped(false), jumped(true)],
    });
    let addr = 0x400_0000;
    messages!(RamLogError {
        NoPlace: [RamLogError::NoPlace],
        Address: [RamLogError::Address(3)],
        Read: [RamLogError::Read {
            addr,
            path: "/dev/mem".into(),
            source: denied()
        }],
        Magic: [RamLogError::Magic { addr, found: 7 }],
        Version: [RamLogError::Version { addr, found: 9 }],
        Damaged: [RamLogError::Damaged {
            addr,
            size: 4095,
            total: 9,
            check: 0
        }],
    });
}
