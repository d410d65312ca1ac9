use super::*;
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
    assert!(found.notes[0].contains("SPCR"), "{:?}", found.notes);

    let pl011 = host(kernel, spcr(3, 0, 0x900_0000));
    let found = resolve(&args("auto"), &pl011, image).unwrap();
    assert_eq!(found.consoles, [pio(0x2f8)]);
    assert!(found.notes[0].contains("interface type 0x3"));
    assert!(found.notes[1].contains("`console=ttyS1`"));

    let found = resolve(&args("auto"), &host("quiet", Serial::default()), image).unwrap();
    assert_eq!(found.consoles, [pio(0x3e8)]);
    assert!(found.notes[0].contains("the image's `com1="));

    let found = resolve(&args("auto"), &Host::default(), "").unwrap();
    assert!(found.consoles.is_empty());
    assert!(found.notes[0].contains("none found"));
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
    for (text, part) in [
        ("none+com1", "does not go with"),
        ("com1+com2+pio:1+pio:2+pio:3", "5 consoles"),
        ("pci:00:05.0", "no serial controller"),
        ("ramlog", "memmap=64K$"),
    ] {
        let error = resolve(&args(text), &host, "").unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
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
    let notes = found.notes.join("\n");
    for part in ["pio:0xc050", "does not answer", "ramlog:0x4000000"] {
        assert!(notes.contains(part), "{notes}");
    }
}
