use super::*;
use crate::host::serial::Spcr;
use crate::host::serial::{Bar, PciSerial, Serial};

const fn pio(port: u16) -> Console {
    Console::Pio {
        port,
        divisor: None,
    }
}

fn host(cmdline: &str, serial: Serial) -> Host {
    Host {
        cmdline: cmdline.into(),
        serial,
        ..Host::default()
    }
}

const fn note(console: Console, source_of: Source) -> Note {
    Note::Found { console, source_of }
}

fn args(text: &str) -> Vec<ConsoleSpec> {
    text.split('+').map(|word| parse(word).unwrap()).collect()
}

fn spcr(interface: u8, space: u8, address: u64) -> Serial {
    let spcr = Spcr {
        interface,
        space,
        bit_width: 32,
        access: 3,
        address,
        baud: 0,
        pci: None,
    };
    Serial {
        spcr: Some(spcr),
        pci: vec![],
    }
}

#[test]
fn auto_uses_firmware_then_the_kernel_then_the_image() {
    let kernel = "quiet console=ttyS1";
    let image = "com1=115200,8n1,0x3e8";
    let all = host(kernel, spcr(0x12, 0, 0xfe03_2000));
    let found = resolve(&args("auto"), &all, image).unwrap();
    let mmio = Console::Mmio {
        addr: 0xfe03_2000,
        stride: 4,
        width: 32,
        divisor: None,
    };
    assert_eq!(found.consoles, [mmio]);
    assert_eq!(found.notes, [note(mmio, Source::Firmware)]);

    let pl011 = host(kernel, spcr(3, 0, 0x900_0000));
    let found = resolve(&args("auto"), &pl011, image).unwrap();
    assert_eq!(found.consoles, [pio(0x2f8)]);
    assert!(matches!(found.notes[0], Note::Spcr(_)), "{found:?}");
    let source = Source::Kernel("console=ttyS1".to_owned());
    assert_eq!(found.notes[1..], [note(pio(0x2f8), source)]);

    let found = resolve(&args("auto"), &host("quiet", Serial::default()), image).unwrap();
    assert_eq!(found.consoles, [pio(0x3e8)]);
    let source = Source::Image(image.to_owned());
    assert_eq!(found.notes, [note(pio(0x3e8), source)]);

    let found = resolve(&args("auto"), &Host::default(), "").unwrap();
    assert!(found.consoles.is_empty());
    assert_eq!(found.notes, [Note::NoneFound]);
}

#[test]
fn several_consoles_keep_their_order_without_duplicates() {
    let host = host("console=ttyS0", Serial::default());
    let found = resolve(&args("debugcon+auto+com1+com2"), &host, "").unwrap();
    let debugcon = Console::Debugcon { port: 0xe9 };
    assert_eq!(found.consoles, [debugcon, pio(0x3f8), pio(0x2f8)]);
    assert_eq!(
        resolve(&args("none"), &host, "").unwrap(),
        Resolved::default()
    );
    let refused = |text: &str| resolve(&args(text), &host, "").unwrap_err();
    assert_eq!(refused("none+com1"), ConsoleError::NoneWithOthers);
    assert_eq!(
        refused("com1+com2+pio:1+pio:2+pio:3"),
        ConsoleError::TooMany(5)
    );
    assert!(matches!(refused("pci:00:05.0"), ConsoleError::Pci { .. }));
    assert_eq!(refused("ramlog"), ConsoleError::NoRamLog);
}

#[test]
fn cards_and_reserved_memory_come_from_the_host() {
    let card = PciSerial {
        address: "00:05.0".parse().unwrap(),
        class: 0x07_0002,
        command: Some(0),
        bars: vec![Bar {
            index: 0,
            io: true,
            start: 0xc050,
            len: 8,
        }],
    };
    let serial = Serial {
        spcr: None,
        pci: vec![card],
    };
    let host = host("memmap=64K$0x4000000", serial);
    let found = resolve(&args("pci:00:05.0+ramlog"), &host, "").unwrap();
    let log = Console::RamLog {
        addr: 0x400_0000,
        size: 0x1_0000,
    };
    assert_eq!(found.consoles, [pio(0xc050), log]);
    let address = "00:05.0".parse().unwrap();
    let expected = [
        Note::Pci {
            console: pio(0xc050),
            address,
        },
        Note::PciSilent {
            address,
            command: 0,
        },
        Note::RamLog { console: log },
    ];
    assert_eq!(found.notes, expected);
}
